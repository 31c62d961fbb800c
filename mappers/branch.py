"""Branch and bound over boxes of tilings: thousands are bounded at a time, and only what may be better is cut further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dataflows.batch import Ints
from dataflows.reach import Reach
from mappers.boxes import FIELDS, Space
from mappers.nest.base import Budget

CHUNK = 2048
"""Boxes cut at a time: the most promising first, so that memory stays small and good tilings come soon."""

Floats = NDArray[np.float64]
Value = Callable[[Any, Any], Any]
"""(energy_pj, cycles) -> what is minimised; it falls with neither. Of numbers or arrays."""


class Goal(Protocol):
    """What is searched for; it knows the tilings found."""

    def rank(self, energy: Floats, cycles: Floats) -> Floats:
        """Return numbers that are small for promising boxes."""
        ...

    def keep(self, energy: Floats, cycles: Floats) -> NDArray[np.bool_]:
        """Tell which boxes may hold a tiling worth finding."""
        ...

    def offer(self, points: Ints, energy: Floats, cycles: Floats) -> None:
        """Take tilings that were evaluated, boxes of one tiling each; they may come twice."""
        ...


class Best:
    """The `most` best tilings by a value, best first; those of `below` or more do not count.

    Equal values are ranked by cycles, then energy, then sizes, so that what is found depends on nothing else.
    """

    def __init__(self, value: Value, most: int = 1, below: float = np.inf) -> None:
        self.value, self.most, self.below = value, most, below
        self.points: Ints = np.empty((len(FIELDS), 0), dtype=np.int64)
        self.energy, self.cycles, self.values = np.empty((3, 0))

    @property
    def limit(self) -> float:
        """What a tiling must stay below to count."""
        return float(self.values[-1]) if len(self.values) == self.most else self.below

    def rank(self, energy: Floats, cycles: Floats) -> Floats:
        """See `Goal`."""
        return self.value(energy, cycles)

    def keep(self, energy: Floats, cycles: Floats) -> NDArray[np.bool_]:
        """See `Goal`."""
        return self.value(energy, cycles) < self.limit

    def offer(self, points: Ints, energy: Floats, cycles: Floats) -> None:
        """See `Goal`."""
        good = self.keep(energy, cycles)
        if not good.any():
            return
        points = np.concatenate((self.points, points[:, good]), axis=1)
        energy, cycles = np.concatenate((self.energy, energy[good])), np.concatenate((self.cycles, cycles[good]))
        values = self.value(energy, cycles)
        order = np.lexsort((*points[::-1], energy, cycles, values))
        # The same tiling twice has the same figures, and lies beside itself.
        twice = np.zeros(len(order), dtype=bool)
        twice[1:] = (points[:, order[1:]] == points[:, order[:-1]]).all(axis=0)
        order = order[~twice][: self.most]
        self.points, self.energy, self.cycles, self.values = points[:, order], energy[order], cycles[order], values[order]


class Front:
    """All tilings that no other equals or beats in both energy and cycles, by rising cycles and falling energy."""

    def __init__(self) -> None:
        self.points: Ints = np.empty((len(FIELDS), 0), dtype=np.int64)
        self.energy, self.cycles = np.empty((2, 0))

    def rank(self, energy: Floats, cycles: Floats) -> Floats:
        """See `Goal`."""
        return energy * cycles

    def keep(self, energy: Floats, cycles: Floats) -> NDArray[np.bool_]:
        """See `Goal`."""
        # Of all tilings with no more cycles the last one of the front has the least energy.
        place = np.searchsorted(self.cycles, cycles, side="right")
        return energy < np.concatenate(([np.inf], self.energy))[place]

    def offer(self, points: Ints, energy: Floats, cycles: Floats) -> None:
        """See `Goal`."""
        good = self.keep(energy, cycles)
        if not good.any():
            return
        points = np.concatenate((self.points, points[:, good]), axis=1)
        energy, cycles = np.concatenate((self.energy, energy[good])), np.concatenate((self.cycles, cycles[good]))
        order = np.lexsort((*points[::-1], energy, cycles))
        least = np.minimum.accumulate(energy[order])
        better = np.ones(len(order), dtype=bool)
        better[1:] = energy[order][1:] < least[:-1]
        order = order[better]
        self.points, self.energy, self.cycles = points[:, order], energy[order], cycles[order]


@dataclass(slots=True)
class Outcome:
    """What is left when a search ends.

    Attributes
    ----------
    energy, cycles : ndarray
        Bounds of boxes that were not looked into: empty when the search came to its end.
    evaluated : int
        Boxes bounded and tilings evaluated.
    interrupted : bool
        Whether the user ended it (Ctrl-C).
    """

    energy: Floats = field(default_factory=lambda: np.empty(0))
    cycles: Floats = field(default_factory=lambda: np.empty(0))
    evaluated: int = 0
    interrupted: bool = False


@dataclass(slots=True)
class _Open:
    """Boxes to be cut, with their bounds."""

    boxes: Ints
    energy: Floats
    cycles: Floats

    def at(self, chosen: NDArray[np.bool_] | Ints) -> _Open:
        return _Open(self.boxes[:, chosen], self.energy[chosen], self.cycles[chosen])


class Search:
    """Branch and bound on one layer.

    Parameters
    ----------
    space : Space
        The tilings.
    near : bool
        Whether cycles are `dataflows.reach`'s, closer to the schedule than the bound; energy leaks for as long.
    """

    def __init__(self, space: Space, *, near: bool = False) -> None:
        self.space = space
        self.reach = Reach.of(space.batch) if near else None
        self.leak = sum(space.batch.rate.leakage.values())

    def price(self, boxes: Ints) -> tuple[Floats, Floats]:
        """Return (energy_pj, cycles) of tilings, or below those of all tilings of a box."""
        features = self.space.features(boxes)
        figures = self.space.batch.price(features)
        if self.reach is None:
            return figures.energy_pj, figures.bound_cycles.astype(np.float64)
        cycles = self.reach.cycles(features, figures, self.space.most_words(boxes))
        # Added up in this order a bound's rounded energy is not above that of its tilings either.
        return figures.switched_pj + self.leak * cycles, cycles.astype(np.float64)

    def run(self, goal: Goal, budget: Budget | None = None) -> Outcome:
        """Search until nothing is left that `goal` would keep, or the time is up; `goal` has the tilings found."""
        budget, found = budget or Budget(), Outcome()
        # The first round always runs to its end, so that there is something to return; another Ctrl-C ends that too.
        try:
            stack = [self._enter(self.space.whole(), goal, found)]
        except KeyboardInterrupt:
            found.interrupted = True
            stack = [self._enter(self.space.whole(), goal, found)]
        try:
            while stack and not found.interrupted:
                top = stack[-1]
                top = top.at(goal.keep(top.energy, top.cycles))
                if not len(top.energy):
                    stack.pop()
                    continue
                if budget.spent():
                    break
                order = np.argsort(goal.rank(top.energy, top.cycles), kind="stable")
                chosen = top.at(order[:CHUNK])
                parts = self._enter(self.space.cut(self.space.split(chosen.boxes)), goal, found)
                stack[-1:] = [top.at(order[CHUNK:]), parts]
        except KeyboardInterrupt:
            found.interrupted = True
        if stack:
            energy = np.concatenate([each.energy for each in stack])
            cycles = np.concatenate([each.cycles for each in stack])
            kept = goal.keep(energy, cycles)
            found.energy, found.cycles = energy[kept], cycles[kept]
        return found

    def _enter(self, boxes: Ints, goal: Goal, found: Outcome) -> _Open:
        """Bound boxes; offer those of one tiling, and one tiling out of each of the others that are kept."""
        energy, cycles = self.price(boxes)
        single = self.space.single(boxes)
        found.evaluated += len(single)
        # Of tilings that walk the same steps one is enough.
        first = single.copy()
        first[single] = self.space.first_of_same(boxes[:, single]) == boxes[1, single]
        goal.offer(boxes[:, first], energy[first], cycles[first])
        rest = _Open(boxes, energy, cycles).at(~single & goal.keep(energy, cycles))
        if len(rest.energy):
            points = self.space.largest(rest.boxes)
            goal.offer(points, *self.price(points))
            found.evaluated += points.shape[1]
        return rest
