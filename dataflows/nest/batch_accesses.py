"""Accesses and capacities for many mappings at a time: `dataflows.nest.accesses` and `dataflows.nest.zeros` term by term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.compression import Format
from dataflows.errors import SpecError
from dataflows.nest.batch_chunk import Chunk
from dataflows.nest.batch_counts import Flows, Words
from dataflows.nest.batch_window import Mask, Num, distinct
from dataflows.nest.counts import MAC
from dataflows.nest.rules import RELEVANT, TENSORS
from dataflows.nest.zeros import OPERANDS
from dataflows.workload import DIMS

EXACT = 2.0**52
_FINE = 1024.0
_OUT = TENSORS.index("outputs")


@dataclass(slots=True)
class Charges:
    """Accesses of one flow at one of its levels.

    `rounded` says where they are no whole numbers, or where the scalar model may add them up to another last bit.
    """

    flow: Flows
    level: int
    reads: Num
    writes: Num
    rounded: Mask | bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """Accesses that so many words take."""

    accesses: Num
    words: Num

    def of(self, words: Num, suspects: Mask) -> tuple[Num, Mask | bool]:
        """Return the accesses of words, and where they are rounded."""
        if _one(self.accesses) and _one(self.words):
            return words, False
        whole = words * self.accesses
        suspects |= whole >= EXACT
        found = whole / self.words
        fine = found * _FINE
        rounded = fine != np.floor(fine)
        return found, rounded if np.any(rounded) else False


class Accesses:
    """Charges, units and stored sizes of a chunk."""

    def __init__(self, chunk: Chunk, words: Words) -> None:
        self.chunk, self.words, self.rules = chunk, words, chunk.plan.rules
        self.layer, self.arch = chunk.plan.layer, chunk.plan.arch
        self.flows = list(words.flows())
        path = self.arch.datapath
        self.watched = frozenset[str]() if path is None else path.gate | path.skip
        self.density = {
            "weights": self.layer.weight_density, "inputs": self.layer.input_density, "outputs": self.layer.output_density,
        }  # fmt: skip
        self.bits = [[self._width(level, at) for at in range(len(TENSORS))] for level in range(chunk.depth)]
        self._rates: dict[tuple[int, int], tuple[Rate, Rate]] = {}
        self._shares: dict[tuple[int, int], tuple[Num, Num]] = {}

    def _width(self, level: int, at: int) -> tuple[int, int]:
        """Return the stored bits of a partial sum before it is final, and otherwise."""
        own, ly, path = self.chunk.levels[level].word_bits[at], self.layer, self.arch.datapath
        if own is None:
            own = (ly.weight_bits, ly.input_bits, ly.output_width)[at]
            own = own if path is None else path.stored_bits(own)
        if at != _OUT or self.rules.psums != "strict":
            return own, own
        return max(own, self.arch.psum_bits or 0), own

    @cached_property
    def units(self) -> list[list[Num]]:
        """Words that one delivery brings along a level's row dimensions, by level and tensor; 1 where there is none."""
        found: list[list[Num]] = [[1.0] * len(TENSORS) for _ in self.chunk.levels]
        for flow in self.flows:
            if self.chunk.levels[flow.parent].row_bits is not None:
                at, unit = TENSORS.index(flow.tensor), self.words.unit(flow)
                before = found[flow.parent][at]
                found[flow.parent][at] = unit if flow.here is True else np.where(flow.here, unit, before)
        return found

    def rates(self, level: int, at: int) -> tuple[Rate, Rate]:
        """Return what words take at a level: those of partial sums, and all others."""
        if (level, at) not in self._rates:
            row, (partial, final) = self.chunk.levels[level].row_bits, self.bits[level][at]
            if row is None:
                self._rates[level, at] = Rate(partial, final) if partial != final else Rate(1.0, 1.0), Rate(1.0, 1.0)
            else:
                found = [self._in_rows(row, self.units[level][at], bits) for bits in (partial, final)]
                self._rates[level, at] = found[0], found[1]
        return self._rates[level, at]

    @staticmethod
    def _in_rows(row: int, unit: Num, bits: int) -> Rate:
        if bits > row:
            return Rate(float(-(-bits // row)), 1.0)
        return Rate(np.ceil(unit / (row // bits)), unit)

    def shares(self, level: int, at: int) -> tuple[Num, Num]:
        """Return the expected bits of tensors in their format over the dense bits: of partial sums, and of all else."""
        if (level, at) not in self._shares:
            form, (partial, final) = self.chunk.levels[level].formats[at], self.bits[level][at]
            found: tuple[Num, Num] = (1.0, 1.0)
            held = self.chunk.holds[level][at]
            if form.kind != "dense" and held is not False:
                tiles = self.words.tiles[level][at] * held
                last = self._ratio(form, self.density[TENSORS[at]], final, tiles)
                found = (self._ratio(form, 1.0, partial, tiles) if at == _OUT else last), last
            self._shares[level, at] = found
        return self._shares[level, at]

    def _ratio(self, form: Format, density: float, bits: int, words: Num) -> Num:
        """Return the ratio of every different tile; tiles that the format refuses go to the scalar model."""
        column = np.broadcast_to(np.asarray(words), self.chunk.suspects.shape)
        firsts, which = distinct([column])
        found, bad = np.ones(len(firsts)), np.zeros(len(firsts), dtype=bool)
        for number, first in enumerate(firsts):
            try:
                found[number] = _ratio(form, density, bits, int(column[first]))
            except SpecError:
                bad[number] = True
        self.chunk.suspects |= bad[which]
        return found[which]

    def charges(self) -> Iterator[Charges]:
        """Yield the charges of all flows."""
        wide = self.rules.psums == "strict" and self.arch.psum_bits is not None
        for flow in self.flows:
            counted = not (wide and flow.tensor == "outputs")
            ends = [(flow.parent, flow.reads, flow.updates)]
            if flow.child != MAC:
                ends.append((flow.child, flow.drains, flow.fills))
            for level, reads, writes in ends:
                idle = bool(self.watched) and flow.child == MAC
                if counted and self.chunk.levels[level].plain and not idle:
                    yield Charges(flow, level, reads, writes)
                else:
                    yield self._scaled(flow, level, reads, writes)

    def _scaled(self, flow: Flows, level: int, reads: Num, writes: Num) -> Charges:
        at, suspects = TENSORS.index(flow.tensor), self.chunk.suspects
        partial, final = self.rates(level, at)
        last = flow.first if level == self.chunk.depth - 1 else 0.0
        read, some = partial.of(reads, suspects)
        written, more = partial.of(writes - last, suspects)
        completed, others = final.of(last, suspects)
        shares = self.shares(level, at)
        active = self.active(flow, level) if flow.child == MAC else 1.0
        rounded = some | more | others
        if not (_one(shares[0]) and _one(shares[1]) and _one(active)):
            rounded = True
        return Charges(flow, level, read * shares[0] * active, (written * shares[0] + completed * shares[1]) * active, rounded)

    def active(self, flow: Flows, level: int) -> Num:
        """Return the share of the accesses between the multipliers and a level that zeros do not save."""
        watched = self.watched
        if not watched:
            return 1.0
        always: Mask | bool = False
        if flow.tensor != "outputs":
            (partner,) = (operand for operand in OPERANDS if operand != flow.tensor)
            if partner not in watched:
                return 1.0
            if flow.tensor in watched:
                always = ~self._indexed(partner)
            watched = frozenset((partner,))
        sizes = self._served(flow.tensor, level)
        active: Num = 1.0
        for operand in ("inputs", "weights"):
            if operand in watched:
                active = active * (1 - (1 - self.density[operand]) ** np.asarray(sizes[operand]))
        found = 1 - (1 - active) ** np.asarray(sizes["both"])
        return found if always is False else np.where(always, 1.0, found)

    def _served(self, tensor: str, level: int) -> dict[str, Num]:
        """Count what one access serves: instances along dimensions of the inputs alone, of the weights alone, of both."""
        storage = self.chunk.levels[level]
        rows = "" if storage.row_bits is None else storage.row_dims[TENSORS.index(tensor)]
        sizes: dict[str, Num] = {"inputs": 1.0, "weights": 1.0, "both": 1.0}
        for at in range(level + 1):
            net = self.chunk.levels[at].fanout
            joins = net.reduction if tensor == "outputs" else net.multicast
            for dim in DIMS:
                if dim in rows or (dim not in RELEVANT[tensor] and joins):
                    operands = [operand for operand in OPERANDS if dim in RELEVANT[operand]]
                    which = operands[0] if len(operands) == 1 else "both"
                    sizes[which] = sizes[which] * self.chunk.spread(at, dim)
        return sizes

    def _indexed(self, tensor: str) -> NDArray[np.bool_]:
        """Whether the innermost level that holds a tensor stores where its zeros are."""
        at = TENSORS.index(tensor)
        found = np.zeros(self.chunk.size, dtype=bool)
        for level in range(self.chunk.depth - 1, -1, -1):
            found = np.where(self.chunk.holds[level][at], self.chunk.levels[level].formats[at].kind != "dense", found)
        return found

    def bits_held(self, level: int) -> list[Num]:
        """Return the bits that the tiles of one instance take, per tensor; see `dataflows.nest.accesses.tile_bits`."""
        storage, last = self.chunk.levels[level], level == self.chunk.depth - 1
        found: list[Num] = []
        for at in range(len(TENSORS)):
            held = self.chunk.holds[level][at]
            if held is False:
                found.append(0.0)
                continue
            wide = float(self.bits[level][at][last])
            words = self.words.tiles[level][at]
            if storage.plain:
                taken = words * wide
            else:
                share = self.shares(level, at)[last]
                if storage.row_bits is None:
                    taken = np.ceil(words * wide * share)
                else:
                    rate = self._in_rows(storage.row_bits, self.units[level][at], int(wide))
                    taken = np.ceil(words * rate.accesses / rate.words * share) * storage.row_bits
            found.append(taken if held is True else taken * held)
        return found


@lru_cache(maxsize=65536)
def _ratio(form: Format, density: float, bits: int, words: int) -> float:
    """Return a format's ratio; packed runs take milliseconds each."""
    return form.ratio(density, bits, words)


def _one(value: Any) -> bool:
    """Whether a value is the number 1 for all mappings."""
    return isinstance(value, float | int) and value == 1
