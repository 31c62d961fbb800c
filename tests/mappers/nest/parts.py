"""Parts of a space that are listed, and searched by a proof that is told how good the best of the part is.

A search that cuts off the best mapping of a space shows it only if nothing else as good is left, and nothing found earlier. So
here the search is confined to one residency, to some tiles of every level and some ways to unroll, down to a single one of
each: then any mapping can be made the best one. And it begins with a value that is hardly above the least one of the part: all
that is not below it is cut off, as in the last moments of a real search.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.feasible import InfeasibleError
from dataflows.nest.batch import Figures, evaluate_points
from dataflows.nest.points import Points, directions
from mappers.base import Objective
from mappers.nest.proof.front import Held
from mappers.nest.proof.problem import Problem
from mappers.nest.proof.search import Search, Stopped
from mappers.nest.proof.spatial import Spread
from mappers.nest.space import NestSpace
from tests.mappers.nest.aimed import Case

__all__ = ["Listed", "Trial", "listed"]

GOALS: tuple[tuple[Objective, float | None], ...] = (
    ("edp", None), ("energy", None), ("latency", None), ("edp", 0.5), ("edp", 20.0), ("edp", 1e3)
)  # fmt: skip
"""Objectives, or prices of a cycle."""
ABOVE = 1 + 1e-7
"""What the search is told, over the least value."""
ROUNDED = 1 + 1e-9
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Fenced(Problem):
    """A problem of which only some tiles of a level are wanted."""

    fence: dict[int, Mask] = field(default_factory=dict)

    def fits(self, level: int, holds: frozenset[int]) -> Mask:
        """As if only these had room; a level that holds nothing has it always."""
        ok = Problem.fits(self, level, holds)
        return ok & self.fence[level] if level in self.fence else ok

    def value(self, sums: NDArray[np.float64], used: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """As ever, and infinite for tiles that have no room."""
        return np.where(sums[:, 0] < np.inf, Problem.value(self, sums, used), np.inf)


@dataclass(slots=True)
class Confined(Search):
    """A search of one residency."""

    only: Held = ()

    def _residencies(self) -> Iterator[Held]:
        yield self.only


@dataclass(frozen=True, slots=True)
class Trial:
    """A part of a space, and what the search said about it.

    Attributes
    ----------
    least : float
        The least value in the part.
    search : Search
        After it.
    lost : bool
        Whether it went past a bound that is above `least`, or ended without finding that.
    text : str
        What is best in the part, for what.
    """

    least: float
    search: Search
    lost: bool
    text: str


class Listed:
    """All mappings of a problem, with their figures; arrays of levels run from the innermost."""

    def __init__(self, case: Case, points: Points, figures: Figures) -> None:
        self.case, self.points, self.figures = case, points, figures
        self.fitting = np.flatnonzero(figures.fits)
        depth = points.time.shape[1]
        space = np.ones((len(points), depth, 8), dtype=np.int64)
        for number, (level, _) in enumerate(directions(case.arch)):
            space[:, level] *= points.space[:, number]
        self.space = space[:, ::-1]
        self.tile = np.cumprod((space * points.time)[:, ::-1], axis=1)
        self.holds = points.holds[:, ::-1]

    def trial(self, rng: random.Random, tolerance: float = 0.0) -> Trial:
        """Draw a part of the space and search it."""
        goal, price = rng.choice(GOALS)
        problem = Fenced(self.case.layer, self.case.arch, self.case.rules, goal, price)
        one = rng.choice(self.fitting.tolist())
        inside = self.figures.fits & (self.holds == self.holds[one]).all(axis=(1, 2))
        search = Confined(problem, tolerance=tolerance)
        search.only = tuple(frozenset(np.flatnonzero(each).tolist()) for each in self.holds[one])
        for level in range(problem.depth - 1):
            if search.only[level]:
                inside &= self._fenced(problem, level, one, rng)
        search.ways, beside = self._narrowed(problem, search.ways, one, rng)
        inside &= beside
        energy, cycles = self.figures.energy_pj[inside], self.figures.cycles[inside].astype(np.float64)
        values = problem.worth(energy, cycles)
        least, at = float(values.min()), int(values.argmin())
        text = f"{goal} {price}: {least}\n{self.points.mapping(self.case.arch, int(np.flatnonzero(inside)[at]))}"
        search.best = least * ABOVE if least > 0 else math.inf
        return Trial(least, search, _lost(search, least), text)

    def _fenced(self, problem: Fenced, level: int, one: int, rng: random.Random) -> Mask:
        """Leave some tiles of a level, that of mapping `one` among them; return which mappings have one of these."""
        lattice, share = problem.lattice, rng.choice((0, 0, 0.1, 0.4, 1))
        tiles = _flat(problem, self.tile[:, level])
        fence = np.array([rng.random() < share for _ in range(len(lattice))])
        fence[tiles[one]] = True
        problem.fence[level] = fence
        return fence[tiles]

    def _narrowed(
        self, problem: Problem, ways: tuple[Spread, ...], one: int, rng: random.Random
    ) -> tuple[tuple[Spread, ...], Mask]:  # fmt: skip
        """Return some ways to unroll below each level, those of mapping `one` among them, and which mappings use these only."""
        found, inside = [], np.ones(len(self.points), dtype=bool)
        for level, every in enumerate(ways):
            listed, own, share = (
                problem.lattice.flat(every.positions),
                _flat(problem, self.space[:, level]),
                rng.choice((0, 0.3, 1)),
            )
            keep = np.array([rng.random() < share for _ in listed]) | (listed == own[one])
            if level == len(ways) - 1:
                keep |= every.used == 1  # one way there would say that no instances lie side by side
            found.append(Spread(every.positions[keep], every.used[keep], every.split[keep]))
            inside &= np.isin(own, listed[keep])
        return tuple(found), inside


def _flat(problem: Problem, extents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers of tiles by their extents."""
    lattice = problem.lattice
    return lattice.flat(np.stack([np.searchsorted(divs, own) for divs, own in zip(lattice.divs, extents.T, strict=True)], axis=1))


def _lost(search: Search, least: float) -> bool:
    """Search; tell whether a mapping of this value was claimed not to exist."""

    def wrong(evaluated: int) -> bool:
        return min(search.bound, search.best) > least * ROUNDED

    try:
        search.run(wrong)
    except Stopped:
        return True
    if search.open <= least * ROUNDED:  # it may be one of those whose orders were not all tried
        return False
    return min(search.bound, search.best) > least * ROUNDED or search.best > least * ROUNDED * (1 + search.tolerance)


def listed(case: Case, most: int) -> Listed | None:
    """Return all mappings of a problem, None if none fits or there are too many."""
    space = NestSpace(case.layer, case.arch, case.options)
    if space.tilings > most or not 0 < space.size <= most:
        return None
    points = Points.join(list(space.all()))
    try:
        figures = evaluate_points(case.layer, case.arch, points, case.rules)
    except InfeasibleError:  # the datapath is too narrow
        return None
    return Listed(case, points, figures) if figures.fits.any() else None
