"""Loop nests that hardware walks: what every address generator of the system is told.

A nest has *inner* loops, one pass of which is a delivery (or the sums of one drain), and the array's *outer* loops from the
innermost that changes the tensor's tile on. Walking it, several sums of strides are kept: an address, a row, a position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_INNER_LOOPS = 8
"""Loops of one delivery or drain that an address generator has counters for."""


@dataclass(frozen=True, slots=True)
class NestLoop:
    """`extent` iterations, each of which adds `strides` to the walks."""

    extent: int
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LoopNest:
    """What one address generator does in a layer.

    Attributes
    ----------
    walks : tuple of str
        Names of the sums that are kept.
    inner : tuple of NestLoop
        Loops of one pass, innermost first.
    outer : tuple of NestLoop
        All outer loops of the array, innermost first.
    change : int
        Outer loops inside this one are skipped.
    tile_change : int
        Outer loops inside this one end without a new tile in the buffer.
    """

    walks: tuple[str, ...]
    inner: tuple[NestLoop, ...]
    outer: tuple[NestLoop, ...]
    change: int
    tile_change: int

    @property
    def length(self) -> int:
        """Iterations of one pass."""
        return math.prod(loop.extent for loop in self.inner)

    @property
    def passes(self) -> int:
        """Passes in the layer."""
        return math.prod(loop.extent for loop in self.outer[self.change :])

    @property
    def tile_passes(self) -> int:
        """Passes that use one tile of the buffer."""
        return math.prod(loop.extent for loop in self.outer[self.change : self.tile_change])

    @property
    def span(self) -> tuple[int, ...]:
        """The largest value of every walk."""
        loops = (*self.inner, *self.outer[self.change :])
        return tuple(sum((loop.extent - 1) * loop.strides[at] for loop in loops) for at in range(len(self.walks)))

    def deltas(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Return, for inner and outer loops, what to add when a loop advances and all inside it start over."""
        back = (0,) * len(self.walks)
        found: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
        for loops, into, first in ((self.inner, found[0], 0), (self.outer, found[1], self.change)):
            for at, loop in enumerate(loops):
                into.append(tuple(stride - gone for stride, gone in zip(loop.strides, back, strict=True)))
                if at >= first:
                    ahead = ((loop.extent - 1) * stride for stride in loop.strides)
                    back = tuple(gone + more for gone, more in zip(back, ahead, strict=True))
        return found


def regular(places: Sequence[int]) -> list[tuple[int, int]] | None:
    """Return loops (extent, step), innermost first, that visit ascending `places`; None if no nest does."""
    if len(places) <= 1:
        return []
    step = places[1] - places[0]
    run = next((n for n in range(1, len(places)) if places[n] - places[n - 1] != step), len(places))
    starts = places[::run]
    again = [start + index * step for start in starts for index in range(run)]
    outside = regular(starts) if again == list(places) else None
    return None if outside is None else [(run, step), *outside]
