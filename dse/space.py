"""The accelerators that fit a budget and can run every layer of a network; legal by construction.

Which shapes fit follows from the smallest tile of every layer: its words depend on the rows of the array only, so the
bytes needed grow with rows and with cols, and the shapes that fit are ``cols <= most_cols(dataflow, rows)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataflows.arch import (
    LEAST_WORDS,
    MOST_ACC_WORDS,
    MOST_COLS,
    MOST_INPUT_WORDS,
    MOST_ROWS,
    MOST_WEIGHT_WORDS,
    Accelerator,
    Array,
    Dataflow,
)
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.limits import MOST_TILES, program_limits
from dataflows.named import outputs_stay
from dataflows.tiling import Blocking, Tiling, tile_words, window
from dataflows.workload import Layer
from dse.budget import Budget

GRAIN = 8
"""Buffer words are multiples of this, so that designs that hardly differ are one design."""

MOST_WORDS = {"input_words": MOST_INPUT_WORDS, "weight_words": MOST_WEIGHT_WORDS, "acc_words": MOST_ACC_WORDS}
BUFFERS = tuple(MOST_WORDS)
Words = dict[str, int]


@dataclass(frozen=True)
class Space:
    """All hardware points of a search.

    Attributes
    ----------
    budget : Budget
        Limits.
    layers : tuple of Layer
        Layers that every point must be able to run, in the form the mapper maps (`Layer.flattened`).
    dataflows : tuple of str
        Dataflows to choose from.
    """

    budget: Budget
    layers: tuple[Layer, ...]
    dataflows: tuple[Dataflow, ...] = ("ws", "os")
    _most_cols: dict[str, list[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {flow: self._shapes(flow) for flow in self.dataflows}
        object.__setattr__(self, "_most_cols", table)

    @classmethod
    def of(cls, budget: Budget, layers: Sequence[Layer], dataflows: Sequence[Dataflow]) -> Space:
        """Build the space and check that it is not empty.

        Raises
        ------
        InfeasibleError
            When layers are beyond the layer program on every array, with the reasons of each; or when not even the smallest
            array fits: says how many bytes are missing and where most are needed.
        """
        shapes = {layer.flattened().shape: layer.flattened() for layer in layers}
        reasons = [reason for layer in shapes.values() for reason in _beyond(layer)]
        if reasons:
            raise InfeasibleError(reasons)
        space = cls(budget, tuple(shapes.values()), tuple(dataflows))
        fit = tuple(flow for flow in space.dataflows if space.most_rows(flow) >= space.least_rows)
        if not fit:
            raise InfeasibleError([space._lack(flow) for flow in space.dataflows])
        return replace(space, dataflows=fit)

    @property
    def least_rows(self) -> int:
        """Fewest rows with which the layer program can count the blocks of input channels."""
        return max(math.ceil(layer.C / MOST_TILES) for layer in self.layers)

    @property
    def least_cols(self) -> int:
        """Fewest columns with which the layer program can count the blocks of output channels."""
        return max(math.ceil(layer.K / MOST_TILES) for layer in self.layers)

    def most_rows(self, dataflow: str) -> int:
        """Return the largest number of rows that fits; any smaller number from `least_rows` on fits too."""
        return len(self._most_cols[dataflow])

    def most_cols(self, dataflow: str, rows: int) -> int:
        """Return the largest number of columns that fits; any smaller number from `least_cols` on fits too."""
        return self._most_cols[dataflow][rows - 1]

    def least_words(self, dataflow: str, rows: int, cols: int) -> Words:
        """Return the words of one buffer half that the smallest tile of every layer needs."""
        least = self._smallest_words(rows, cols)
        return {
            "input_words": max(LEAST_WORDS, least["input_buffer"]),
            "weight_words": max(LEAST_WORDS, rows, least["weight_buffer"]),
            "acc_words": max(LEAST_WORDS, rows if outputs_stay(dataflow) else 1),
        }

    def least(self, dataflow: str, rows: int, cols: int, lanes: int = 1, tile_blocks: int = 1) -> Accelerator:
        """Return the accelerator of this shape with the smallest buffers."""
        return self._build(dataflow, rows, cols, lanes, tile_blocks, self.least_words(dataflow, rows, cols))

    def build(self, dataflow: str, rows: int, cols: int, *, lanes: int, tile_blocks: int, want: dict[str, float]) -> Accelerator:
        """Return a legal accelerator of a shape that fits, as close to the wishes as the byte budget allows.

        Parameters
        ----------
        dataflow, rows, cols
            A shape within `most_rows` and `most_cols`.
        lanes, tile_blocks : int
            Wished; halved, blocks first, while the smallest buffers do not fit beside them.
        want : dict of float
            Wished words of each half, raised to the smallest need; scaled down together to fit, but not below it.
        """
        lanes = min(lanes, cols, self.budget.lanes)
        while self.least(dataflow, rows, cols, lanes, tile_blocks).buffer_bytes > self.budget.buffer_bytes:
            lanes, tile_blocks = (lanes, tile_blocks // 2) if tile_blocks > 1 else (lanes // 2, 1)
        least = self.least_words(dataflow, rows, cols)

        def made(part: float) -> Accelerator:
            words = {name: _grain(part * want[name], least[name], MOST_WORDS[name]) for name in BUFFERS}
            return self._build(dataflow, rows, cols, lanes, tile_blocks, words)

        if made(1.0).buffer_bytes <= self.budget.buffer_bytes:
            return made(1.0)
        low, high = 0.0, 1.0
        for _ in range(24):  # 2**-24 of a buffer is less than a word
            middle = (low + high) / 2
            low, high = (middle, high) if made(middle).buffer_bytes <= self.budget.buffer_bytes else (low, middle)
        return made(low)

    def share(self, dataflow: str, rows: int, cols: int, shares: dict[str, float], *, tile_blocks: int) -> Accelerator:
        """Return the accelerator that spends the whole budget in the given proportions of bytes, as many lanes as allowed."""
        least = self.least(dataflow, rows, cols)
        bits = _bits_per_word(least)
        total = sum(shares.values())
        want = {name: shares[name] / total * 8 * self.budget.buffer_bytes / bits[name] for name in BUFFERS}
        return self.build(dataflow, rows, cols, lanes=self.budget.lanes, tile_blocks=tile_blocks, want=want)

    def room(self, dataflow: str, rows: int, cols: int) -> Words:
        """Return for each buffer the words it could have if the others had their least."""
        least = self.least(dataflow, rows, cols)
        spare = 8 * (self.budget.buffer_bytes - least.buffer_bytes)
        return {
            name: min(MOST_WORDS[name], getattr(least, name) + max(0, spare) // bits)
            for name, bits in _bits_per_word(least).items()
        }

    def _shapes(self, dataflow: str) -> list[int]:
        """Return the most columns for 1, 2, 3 ... rows, as far as any fit."""
        found: list[int] = []
        cols, fewest = MOST_COLS, self.least_cols
        for rows in range(1, min(MOST_ROWS, self.budget.macs) + 1):
            cols = min(cols, self.budget.macs // rows)  # what did not fit fewer rows does not fit more
            while cols >= fewest and not self._fits(dataflow, rows, cols):
                cols -= 1
            if cols < fewest:
                break
            found.append(cols)
        return found

    def _fits(self, dataflow: str, rows: int, cols: int) -> bool:
        words = self.least_words(dataflow, rows, cols)
        if any(words[name] > most for name, most in MOST_WORDS.items()):
            return False
        return self._build(dataflow, rows, cols, 1, 1, words).buffer_bytes <= self.budget.buffer_bytes

    def _smallest_words(self, rows: int, cols: int) -> Words:
        """Return the words that the smallest tiles need; the array's other parameters do not matter."""
        probe = Accelerator("probe", Array(rows, cols), weight_words=MOST_WEIGHT_WORDS, post_lanes=1)
        needs = [tile_words(layer, Blocking.of(layer, probe), Tiling(1, 1, 1, 1)) for layer in self.layers]
        return {name: max(need[name] for need in needs) for name in ("input_buffer", "weight_buffer")}

    def _build(self, dataflow: str, rows: int, cols: int, lanes: int, tile_blocks: int, words: Words) -> Accelerator:
        bits, budget = self.budget.bits, self.budget
        array = Array(rows, cols, dataflow, input_bits=bits, weight_bits=bits, acc_bits=budget.acc_bits)  # type: ignore[arg-type]
        name = f"{dataflow}-{rows}x{cols}"
        return replace(Accelerator(name, array, budget.memory, post_lanes=lanes, tile_blocks=tile_blocks), **words)

    def _lack(self, dataflow: str) -> Infeasible:
        """Say what the smallest array is short of."""
        rows, cols = self.least_rows, self.least_cols
        subject = f"smallest {dataflow} array ({rows}x{cols})"
        if rows * cols > self.budget.macs:
            remedy = f"raise budget.macs to at least {rows * cols}, or split the layers with the most channels"
            return Infeasible("array", rows * cols, self.budget.macs, "multipliers", remedy, subject)
        words = self.least_words(dataflow, rows, cols)
        name, need = max(words.items(), key=lambda item: item[1] / MOST_WORDS[item[0]])
        if need > MOST_WORDS[name]:
            remedy = f"{name} would need {need} words; use a smaller network input or filter"
            return Infeasible(name, need, MOST_WORDS[name], "words", remedy, subject)
        acc = self._build(dataflow, rows, cols, 1, 1, words)
        parts = {level.name: -(-level.size_bits // 8) for level in acc.levels() if level.words}
        largest = max(parts, key=lambda level: parts[level])
        remedy = (
            f"raise budget.buffer_kib to at least {-(-acc.buffer_bytes // 1024)} "
            f"(the {largest} alone takes {parts[largest]} bytes)"
        )
        return Infeasible(largest, acc.buffer_bytes, self.budget.buffer_bytes, "bytes of all buffers", remedy, subject)


def _beyond(layer: Layer) -> list[Infeasible]:
    """Return why the layer program cannot hold a layer on any array."""
    pitch = min(layer.W, window(layer, 1, 1))
    return program_limits(layer, math.ceil(layer.K / MOST_COLS), math.ceil(layer.C / MOST_ROWS), pitch)


def _grain(words: float, least: int, most: int) -> int:
    """Round down to the grain, but not below what is needed, nor above what there can be."""
    return min(most, max(least, int(words) // GRAIN * GRAIN))


def _bits_per_word(acc: Accelerator) -> Words:
    """Return the bits that one more word in each half costs; accumulator and output buffer grow together."""
    return {
        "input_words": 2 * acc.input_word_bits,
        "weight_words": 2 * acc.weight_word_bits,
        "acc_words": 2 * (acc.acc_word_bits + acc.output_word_bits),
    }
