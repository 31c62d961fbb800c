"""The best tilings of a layer by exact cycles: those that a bound cannot rule out are scheduled, in the order of the bound.

No schedule is below the bound that orders the tilings, so whatever comes behind the best exact value need not be scheduled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dataflows.tiling import Tiling
from mappers.base import ExactCycles
from mappers.branch import Best, Search, Value
from mappers.nest.base import Budget

FIRST, MOST = 16, 4096
"""Tilings listed by the bound at first, four times as many whenever they do not suffice, and at most."""


class Found(NamedTuple):
    """The best tiling by a value of energy and cycles.

    Attributes
    ----------
    tiling : Tiling
        The tiling.
    energy_pj, cycles, value : float
        Its figures.
    lower : float
        No tiling has a smaller value.
    complete : bool
        Whether all tilings are known that are no more than the slack asked for above the best.
    """

    tiling: Tiling
    energy_pj: float
    cycles: float
    value: float
    lower: float
    complete: bool = True

    @property
    def gap(self) -> float:
        """How far `value` may be above the least there is, as a fraction."""
        return 0.0 if self.lower >= self.value else self.value / self.lower - 1


class Exact:
    """What is known of one layer by exact cycles.

    Parameters
    ----------
    search : Search
        The layer's space, with a bound that `exact_cycles` are never below.
    exact_cycles : callable
        The schedule.
    steps : int
        Iterations of tile loops to walk for schedules before giving up a proof; one tiling is scheduled in any case.
    seconds : float or None
        Most wall time for all searches together; one tiling is scheduled in any case.
    """

    def __init__(self, search: Search, exact_cycles: ExactCycles, steps: int, seconds: float | None = None) -> None:
        self.search, self.exact_cycles, self.steps, self.seconds = search, exact_cycles, steps, seconds
        self.known: dict[Tiling, tuple[float, float]] = {}
        self.evaluated = 0
        self.interrupted = False

    def best(self, value: Value, slack: float = 0.0) -> Found:
        """Return the best tiling; schedule all that the bound does not put above its value plus `slack`."""
        most, budget = FIRST, Budget(0.0 if self.interrupted else self.seconds)
        while True:
            goal = Best(value, most, self._least(value) + slack)
            outcome = self.search.run(goal, budget)
            self.evaluated += outcome.evaluated
            self.interrupted |= outcome.interrupted
            lower = min(self._walk(goal, slack, budget), np.min(value(outcome.energy, outcome.cycles), initial=math.inf))
            limit = self._least(value) + slack
            more = len(goal.values) == most and goal.limit < limit
            if more and lower >= limit and most < MOST and not self.interrupted:
                most *= 4
                continue
            if self.seconds is not None:
                self.seconds = max(self.seconds - budget.elapsed, 0.0)
            return self._found(value, min(lower, goal.limit) if more else lower, limit)

    def _found(self, value: Value, lower: float, limit: float) -> Found:
        # Equal values: fewer cycles first, then the tiling found first.
        tiling, figures = min(self.known.items(), key=lambda entry: (value(*entry[1]), entry[1][1]))
        best = float(value(*figures))
        return Found(tiling, *figures, best, min(best, float(lower)), lower >= limit)

    def _least(self, value: Value) -> float:
        return min((float(value(*figures)) for figures in self.known.values()), default=math.inf)

    def _walk(self, goal: Best, slack: float, budget: Budget) -> float:
        """Schedule tilings in the order of the bound; return the bound of the first one left out, infinite if there is none."""
        least = self._least(goal.value)
        for place, bound in enumerate(goal.values):
            if bound >= least + slack:
                break
            tiling = self.search.space.tiling(goal.points[:, place])
            if tiling in self.known:
                continue
            size = self._size(tiling)
            if self.known and (self.interrupted or self.steps < size or budget.spent()):
                return float(bound)
            cycles = self._scheduled(tiling)
            if cycles is None:
                return float(bound)
            self.steps -= size
            self.evaluated += 1
            energy = float(goal.energy[place] + self.search.leak * (cycles - goal.cycles[place]))
            self.known[tiling] = energy, float(cycles)
            least = min(least, float(goal.value(energy, float(cycles))))
        return math.inf

    def _scheduled(self, tiling: Tiling) -> int | None:
        """Return the exact cycles, or None after Ctrl-C; while nothing is known another Ctrl-C must end it."""
        space = self.search.space
        try:
            return self.exact_cycles(space.layer, space.acc, tiling)
        except KeyboardInterrupt:
            self.interrupted = True
            return None if self.known else self.exact_cycles(space.layer, space.acc, tiling)

    def _size(self, tiling: Tiling) -> int:
        """Return the iterations of the tile loops, which a schedule walks."""
        space = self.search.space
        return math.prod(tiling.counts(space.layer, space.batch.blocking).values())
