"""Cycles, energy and capacities for many mappings at a time: `dataflows.nest.limits` and `dataflows.nest.cost` term by term."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from dataflows.nest.architecture import StorageLevel
from dataflows.nest.batch_accesses import Accesses, Charges
from dataflows.nest.batch_chunk import Chunk
from dataflows.nest.batch_counts import Flows
from dataflows.nest.batch_window import Floats, Mask, Num
from dataflows.nest.counts import MAC
from dataflows.nest.limits import effort
from dataflows.nest.points import directions
from dataflows.nest.rules import TENSORS
from dataflows.workload import DIMS

NEAR = 1e-9
"""A rounded quotient that is this close to a whole number may lie on either side of it."""
_SMALL = 1 << 20
_OUT = "outputs"


class Costs:
    """Cycles and energy of a chunk.

    Attributes
    ----------
    cycles, energy : ndarray or float
        Of every mapping.
    """

    def __init__(self, chunk: Chunk, accesses: Accesses) -> None:
        self.chunk, self.accesses = chunk, accesses
        self.reads: list[list[Num]] = [[0.0] * len(TENSORS) for _ in chunk.levels]
        self.writes: list[list[Num]] = [[0.0] * len(TENSORS) for _ in chunk.levels]
        self.rounded: list[list[Mask | bool]] = [[False] * len(TENSORS) for _ in chunk.levels]
        charges = list(accesses.charges())
        for charge in charges:
            at = TENSORS.index(charge.flow.tensor)
            self.reads[charge.level][at] = _plus(self.reads[charge.level][at], charge.reads)
            self.writes[charge.level][at] = _plus(self.writes[charge.level][at], charge.writes)
            self.rounded[charge.level][at] |= charge.rounded
        self.cycles = self._cycles(charges)
        self.energy = self._energy()

    def _cycles(self, charges: list[Charges]) -> Num:
        chunk = self.chunk
        work = Fraction(effort(chunk.plan.layer, chunk.plan.arch).cycles)
        took: Num = chunk.steps
        if work != 1:
            took = self._ceil(chunk.steps, 1.0, 1 / work, False)
        single = {at for at, level in enumerate(chunk.levels) if level.buffering == "single"}
        for at, level in enumerate(chunk.levels):
            if level.limited:
                reads, writes, rounded = self._port(at, charges, single)
                took = np.maximum(took, self._busy(level, chunk.instances[at], reads, writes, rounded))
        if single:
            took = took + self._fills(charges, single)
        return took + self._ramp() if chunk.plan.rules.ramp == "once" else took

    def _port(self, at: int, charges: list[Charges], single: set[int]) -> tuple[Num, Num, Mask | bool]:
        """Return what goes through a level's ports while the multipliers work."""
        reads: Num = 0.0
        writes: Num = 0.0
        rounded: Mask | bool = False
        for charge in charges:
            if charge.level == at and charge.flow.child not in single:
                reads, writes = _plus(reads, charge.reads), _plus(writes, charge.writes)
                rounded = rounded | charge.rounded
        return reads, writes, rounded

    def _fills(self, charges: list[Charges], single: set[int]) -> Num:
        """Cycles of accesses into or out of single-buffered levels, which overlap with nothing."""
        slowest: dict[int, Num] = {}
        for charge in charges:
            if charge.flow.child in single:
                level, key = self.chunk.levels[charge.level], id(charge.flow)
                took = self._busy(level, self.chunk.instances[charge.level], charge.reads, charge.writes, charge.rounded)
                slowest[key] = np.maximum(slowest.get(key, 0.0), took)
        total: Num = 0.0
        for took in slowest.values():
            total = total + took
        return total

    def _busy(self, level: StorageLevel, instances: Num, reads: Num, writes: Num, rounded: Mask | bool) -> Num:
        """Cycles of a level's busiest port, every instance taking its share."""
        if level.bandwidth is not None:
            return self._ceil(reads + writes, instances, Fraction(level.bandwidth), rounded)
        took: Num = 0.0
        if level.read_bandwidth is not None:
            took = self._ceil(reads, instances, Fraction(level.read_bandwidth), rounded)
        if level.write_bandwidth is not None:
            took = np.maximum(took, self._ceil(writes, instances, Fraction(level.write_bandwidth), rounded))
        return took

    def _ceil(self, amount: Num, instances: Num, rate: Fraction, rounded: Mask | bool) -> Num:
        """Return amount / (instances x rate), rounded up: exactly, or by the scalar model.

        A quotient of whole numbers below 2**52 never rounds to a whole number that it is not.
        """
        small = max(rate.numerator, rate.denominator) < _SMALL
        found = amount * rate.denominator / (instances * rate.numerator) if small else amount / (instances * float(rate))
        up = np.ceil(found)
        if small and rounded is False:
            return up
        close = (np.abs(found - np.rint(found)) <= NEAR * np.maximum(found, 1)) & (np.asarray(amount) > 0)
        self.chunk.suspects |= close & rounded
        exact = np.flatnonzero(np.broadcast_to(close & ~np.asarray(rounded), self.chunk.suspects.shape))
        if small or not len(exact):
            return up
        up, amounts, shares = (np.array(np.broadcast_to(each, self.chunk.suspects.shape)) for each in (up, amount, instances))
        for at in exact:
            up[at] = math.ceil(Fraction(float(amounts[at])) / (int(shares[at]) * rate))
        return up

    def _ramp(self) -> Num:
        """Cycles before the first step and after the last one, without overlap (codesign reference, 4.6)."""
        total: Num = 0.0
        for level in range(self.chunk.depth):
            total = total + self._skew(level)
        for flow in self.accesses.flows:
            if flow.child != MAC:
                total = total + self._passage(flow)
        return total

    def _passage(self, flow: Flows) -> Num:
        """Cycles of one transfer of first or last tiles, as slow as the slower of its two ends."""
        took: Num = 0.0
        for level, words in ((flow.parent, flow.once), (flow.child, flow.once_inside)):
            last = flow.tensor == _OUT and level == self.chunk.depth - 1
            rate = self.accesses.rates(level, TENSORS.index(flow.tensor))[last]
            count, rounded = rate.of(words, self.chunk.suspects)
            ends = (count, 0.0) if (flow.tensor == _OUT) == (level == flow.child) else (0.0, count)
            took = np.maximum(took, self._busy(self.chunk.levels[level], self.chunk.instances[level], *ends, rounded))
        return took

    def _skew(self, level: int) -> Num:
        """Cycles from the first to the last instance below a level; of a tree, its depth."""
        chunk = self.chunk
        kind = chunk.levels[level].fanout.skew
        if chunk.below[level] is None or kind == "none":
            return 0.0
        if kind == "tree":
            return np.ceil(np.log2(chunk.spread(level, "CRS")))
        found: Num = 0.0
        for at, (owner, _) in enumerate(directions(chunk.plan.arch)):
            if chunk.depth - 1 - owner == level:
                found = found + np.multiply.reduce(chunk.axes[at]) - 1
        return found

    def _energy(self) -> Num:
        chunk, arch = self.chunk, self.chunk.plan.arch
        total = chunk.steps * chunk.pes * (arch.mac_pj * effort(chunk.plan.layer, arch).energy)
        for at, level in enumerate(chunk.levels):
            for tensor in range(len(TENSORS)):
                reads, writes = self.reads[at][tensor], self.writes[at][tensor]
                pj = _plus(_times(reads, level.read_pj[tensor]), _times(writes, level.write_pj[tensor]))
                if level.block_words > 1:
                    pj = pj * self._whole_blocks(reads + writes, level.block_words, self.rounded[at][tensor])
                total = _plus(total, pj)
        for flow in self.accesses.flows:
            net = chunk.levels[flow.parent].fanout
            if net.hop_pj or net.add_pj:
                total = total + (flow.shared + flow.added) * net.hop_pj + flow.added * net.add_pj
        return total + self.cycles * arch.leakage_pj if arch.leakage_pj else total

    def _whole_blocks(self, accesses: Num, block: int, rounded: Mask | bool) -> Num:
        """Return accesses in whole blocks over accesses; 1 where there are none."""
        blocks = self._ceil(accesses, 1.0, Fraction(block), rounded) * block
        return np.where(np.asarray(accesses) > 0, blocks / np.maximum(accesses, 1e-300), 1.0)


def fits(chunk: Chunk, accesses: Accesses) -> Floats | Mask:
    """Return which mappings cover the layer, have the instances that they use, and fit every level."""
    arch, ly = chunk.plan.arch, chunk.plan.layer
    good = np.ones(chunk.size, dtype=bool)
    if arch.datapath is not None and arch.datapath.misfits(ly.weight_bits, ly.input_bits):
        return ~good
    for dim, row in chunk.row.items():
        good &= chunk.tiles[-1][row] >= getattr(ly, dim)
    for at, (level, name) in enumerate(directions(arch)):
        axis = next(axis for axis in arch.levels[level].fanout.axes if axis.name == name)
        good &= np.multiply.reduce(chunk.axes[at]) <= axis.size
        for dim in set(DIMS) - set(axis.dims):
            if dim in chunk.row:
                good &= chunk.axes[at][chunk.row[dim]] == 1
    for at, level in enumerate(chunk.levels):
        for tensor, held in zip(TENSORS, chunk.holds[at], strict=True):
            if at == chunk.depth - 1:
                good &= held
            elif tensor not in level.holds:
                good &= np.logical_not(held)
        if level.capacity_bits is None:
            continue
        demands = accesses.bits_held(at)
        if isinstance(level.capacity_bits, tuple):
            for demand, bound in zip(demands, level.capacity_bits, strict=True):
                if bound is not None:
                    good &= level.copies * demand <= bound
        else:
            good &= level.copies * (demands[0] + demands[1] + demands[2]) <= level.capacity_bits
    return good


def _plus(one: Num, other: Num) -> Num:
    """Add two numbers; adding 0.0 takes no time."""
    if isinstance(one, float) and one == 0:
        return other
    return one if isinstance(other, float) and other == 0 else one + other


def _times(one: Num, other: float) -> Num:
    return one if other == 1 else one * other if other else 0.0
