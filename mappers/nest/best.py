"""The best mapping so far, and what it took to find it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.batch import evaluate_points
from dataflows.nest.cost import evaluate
from dataflows.nest.points import Points
from dataflows.nest.rules import Rules
from mappers.base import Objective, objective_value
from mappers.nest.base import Budget, NestResult
from mappers.nest.space import NestSpace

__all__ = ["Best"]


@dataclass(slots=True)
class Best:
    """Costs mappings and remembers the best that fits; of equal ones the first.

    Attributes
    ----------
    space : NestSpace
        Where they are from.
    objective : str
        What is minimised.
    rules : Rules
        How words are counted.
    budget : Budget
        When to stop.
    evaluated : int
        Mappings costed.
    value : float
        The best value; infinite at first.
    point : Points or None
        The best mapping alone.
    history : list of (int, float)
        As `NestResult.history`.
    """

    space: NestSpace
    objective: Objective
    rules: Rules
    budget: Budget
    evaluated: int = 0
    value: float = math.inf
    point: Points | None = None
    history: list[tuple[int, float]] = field(default_factory=list)

    def values(self, points: Points) -> NDArray[np.float64]:
        """Cost mappings and return their values, infinite where they do not fit; mind the best."""
        figures = evaluate_points(self.space.layer, self.space.arch, points, self.rules)
        found = objective_value(self.objective, figures.energy_pj, figures.cycles.astype(np.float64))
        found = np.where(figures.fits, found, np.inf)
        self.evaluated += len(points)
        if len(points):
            at = int(np.argmin(found))
            if found[at] < self.value:
                self.value, self.point = float(found[at]), points[at : at + 1]
                self.history.append((self.evaluated, self.value))
        return found

    def spent(self) -> bool:
        """Whether the budget is."""
        return self.budget.spent(self.evaluated)

    def left(self, wanted: int) -> int:
        """Return how many mappings of so many may still be costed."""
        most = self.budget.evaluations
        return wanted if most is None else max(0, min(wanted, most - self.evaluated))

    def result(self, mapper: str, seed: int, *, interrupted: bool = False, proved: bool = False) -> NestResult:
        """Return the result; `proved` says that nothing in the space is better."""
        assert self.point is not None, "the smallest mapping fits"
        layer, arch = self.space.layer, self.space.arch
        mapping = self.point.mapping(arch, 0)
        cost = evaluate(layer, arch, mapping, self.rules)
        value = objective_value(self.objective, cost.energy_pj, cost.cycles)
        return NestResult(
            layer, mapping, cost, self.objective, mapper, seed, self.evaluated, self.budget.elapsed,
            value if proved else None, float(self.space.size), interrupted, tuple(self.history),
        )  # fmt: skip
