"""In which row of a memory a word lies: what the walker counts accesses by.

A delivery lays its words out anew: those that one step of the loops outside brings to all instances that share the memory
are numbered along the level's row dimensions, and as many as fit share a row. Independent of `dataflows.nest.accesses`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dataflows.nest.nest import Nest
from dataflows.nest.rules import Rules

Word = tuple[int, ...]
Place = tuple[int, ...]
DIMS_OF = {"weights": "GKCRS", "inputs": "NGC", "outputs": "NGKPQ"}
"""Dimensions by their place in a word; an input's row and column, which follow, never share a row."""


@dataclass(frozen=True, slots=True)
class WalkedLoop:
    """A loop, over time or space, of the level `level`, whose iterations are `weight` elements of `dim` apart."""

    dim: str
    extent: int
    level: int
    spatial: bool
    weight: int


@dataclass(slots=True)
class Rows:
    """The rows of all levels; `loops` are all of the nest.

    Attributes
    ----------
    tally : Counter
        ``{(level, tensor, "reads" | "writes"): accesses}``.
    """

    nest: Nest
    rules: Rules
    loops: list[WalkedLoop]
    tally: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    fits: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    children: dict[tuple[int, str], int] = field(default_factory=dict)
    known: dict[tuple[int, str, Word], Word] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for at, tensor in enumerate(DIMS_OF):
            child = -1
            for level, holds in enumerate(self.nest.holds):
                if tensor not in holds:
                    continue
                storage = self.nest.storage[level]
                if storage.row_bits is not None:
                    bits = storage.word_bits[at] or self._operand(tensor)
                    if tensor == "outputs" and self.rules.psums == "strict":
                        bits = max(bits, self.nest.arch.psum_bits or 0)
                    # (words in a row, rows of a word): one of the two is 1
                    self.fits[level, tensor] = max(1, storage.row_bits // bits), max(1, -(-bits // storage.row_bits))
                self.children[level, tensor] = child
                child = level

    def _operand(self, tensor: str) -> int:
        """Width of the layer's operand as it is stored."""
        ly, path = self.nest.layer, self.nest.arch.datapath
        bits = {"weights": ly.weight_bits, "inputs": ly.input_bits, "outputs": ly.output_bits or ly.input_bits}[tensor]
        if path is None or path.storage == "tight":
            return bits
        return next(width for width in (2, 4, 8, 16, 32) if width >= bits)

    def count(self, level: int, tensor: str, kind: str, words: Iterable[tuple[Word, Place]], sign: int = 1) -> None:
        """Count the rows that words lie in, each with the place it is read for or written at."""
        if (level, tensor) in self.fits:
            rows = {(self.row(level, tensor, word), place) for word, place in words}
            self.tally[level, tensor, kind] += sign * len(rows) * self.fits[level, tensor][1]

    def shared(self, level: int, tensor: str, loop: WalkedLoop) -> bool:
        """Whether instances along a spatial loop find their words side by side."""
        return loop.dim in self.nest.storage[level].row_dims[list(DIMS_OF).index(tensor)]

    def row(self, level: int, tensor: str, word: Word) -> Word:
        """Return what tells one row from another."""
        key = (level, tensor, word)
        if key not in self.known:
            self.known[key] = self._row(level, tensor, word)
        return self.known[key]

    def _row(self, level: int, tensor: str, word: Word) -> Word:
        dims = self.nest.storage[level].row_dims[list(DIMS_OF).index(tensor)]
        child, number, found = self.children[level, tensor], 0, []
        for at, value in enumerate(word):
            dim = DIMS_OF[tensor][at] if at < len(DIMS_OF[tensor]) else ""
            if not dim or dim not in dims:
                found.append(value)
                continue
            for loop in self.loops:
                if loop.dim != dim:
                    continue
                digit = value // loop.weight % loop.extent
                if loop.level <= child or (loop.spatial and loop.level <= level):
                    number = number * loop.extent + digit
                else:
                    found.append(digit)
        return *found, number // self.fits[level, tensor][0]
