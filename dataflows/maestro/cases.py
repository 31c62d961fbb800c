"""Iteration cases: every loop is at its start, on its way or at a smaller last step, and cases are all combinations.

All iterations of one case move and compute the same number of words, which is what makes the model fast (MICRO 2019, 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from dataflows.maestro.levels import Level, Loop


@dataclass(frozen=True, slots=True)
class State:
    """Where one loop is.

    Attributes
    ----------
    position : str
        ``init``, the first iteration; ``steady``, any full one after it; ``edge``, a last one that is not full.
    count : int
        Iterations in this state.
    whole : bool
        The dimension fits into the first iteration.
    edge : bool
        The iteration is not full: some units have less to do, or none.
    partial : bool
        The last unit in use has less than the others.
    """

    position: Literal["init", "steady", "edge"]
    count: int = 1
    whole: bool = False
    edge: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """States by dimension, and how many iterations have just these."""

    states: Mapping[str, State]
    count: int

    @property
    def first(self) -> bool:
        """Nothing came before: the one case in which nothing overlaps."""
        return all(state.position == "init" for state in self.states.values())


def cases(level: Level, extents: Mapping[str, int]) -> Iterator[Case]:
    """Yield all cases of a level for the sizes it is given, the first iteration first."""
    dims = [loop.dim for loop in level.loops]
    for states in product(*(states_of(loop, extents[loop.dim], level.units) for loop in level.loops)):
        yield Case(dict(zip(dims, states, strict=True)), math.prod(state.count for state in states))


def states_of(loop: Loop, extent: int, units: int) -> list[State]:
    """Return the states that a loop over `extent` elements goes through."""
    return _spatial(loop, extent, units) if loop.spatial else _temporal(loop, extent)


def _temporal(loop: Loop, extent: int) -> list[State]:
    found = [State("init", whole=extent <= loop.size, edge=extent < loop.size)]
    if extent <= loop.size:
        return found
    steps = (extent - loop.size) // loop.offset
    if steps:
        found.append(State("steady", steps))
    if steps * loop.offset + loop.size < extent:
        found.append(State("edge", edge=True))
    return found


def _spatial(loop: Loop, extent: int, units: int) -> list[State]:
    """All units together make one iteration."""
    reach = loop.size + loop.offset * (units - 1)
    short = extent < reach
    found = [State("init", whole=extent <= reach, edge=short, partial=short)]
    if extent <= reach:
        return found
    stride = loop.offset * units
    steps = ((extent - loop.size) // loop.offset + 1) // units - 1
    if steps > 0:
        found.append(State("steady", steps))
    if (steps + 1) * stride + reach > extent and steps * stride + reach != extent:
        left = extent - (steps + 1) * stride
        used = 1 if left < loop.size else (left - loop.size) // loop.offset + 1
        found.append(State("edge", edge=True, partial=(used - 1) * loop.offset + loop.size < left))
    return found


def units_at_edge(level: Level) -> int:
    """Return how many units have work in an iteration of the first loop over space that is not full."""
    loop, units = level.spatial, level.units
    extent, stride = level.extents[loop.dim], loop.offset * units
    if extent <= loop.size:
        return 1
    if extent > stride - loop.offset + loop.size:
        steps = ((extent - loop.size) // loop.offset + 1) // units - 1
        left = extent - (steps + 1) * stride
        return 1 if left < loop.size else (left - loop.size) // loop.offset + 1
    used = (extent - loop.size) // loop.offset + 1
    return used + (loop.offset * (used - 1) + loop.size < extent)
