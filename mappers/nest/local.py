"""Local search over loop nests: steepest descent from many mappings side by side.

One prime factor at a time goes to another level, as FactorFlow's do (Ronzani and Silvano, ASP-DAC 2025); loops are swapped
and tensors let pass by in the same way. All neighbours of all mappings under way are costed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.architecture import Architecture
from dataflows.nest.points import Points
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.best import Best
from mappers.nest.neighbours import exchanges, neighbours, shrunk
from mappers.nest.opening import opened
from mappers.nest.space import NestSpace

__all__ = ["LocalNestMapper"]

Array = NDArray[Any]
Around = Callable[[NestSpace, Points], tuple[Points, Array]]
LEAST_GAIN = 1e-12
"""Relative; less may be the rounding of equal costs."""


@dataclass(frozen=True, slots=True)
class LocalNestMapper:
    """Descends from random mappings, and from the best one shaken.

    Attributes
    ----------
    starts : int
        Descents where no budget is given.
    together : int
        Descents at a time.
    shakes : int
        Most random steps away from the best mapping for every second descent.
    """

    starts: int = 512
    together: int = 64
    shakes: int = 6
    name: str = "local"

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """Return the best mapping of all descents; see `mappers.nest.base.NestMapper`."""
        limited = budget is not None and (budget.seconds is not None or budget.evaluations is not None)
        space = opened(layer, arch, objective, rules, options)
        best = Best(space, objective, rules or Rules(), budget or Budget())
        rng = np.random.default_rng(seed)
        interrupted = False
        try:
            best.values(space.smallest())
            begun = 0
            while not best.spent() and (limited or begun < self.starts):
                _descend(best, self._starts(best, rng, begun), rng)
                begun += self.together
        except KeyboardInterrupt:
            if best.point is None:
                raise
            interrupted = True
        return best.result(self.name, seed, interrupted=interrupted)

    def _starts(self, best: Best, rng: np.random.Generator, begun: int) -> Points:
        """Return mappings to descend from: random ones, and later the best one shaken as many."""
        fresh = self.together if begun == 0 or best.point is None else (self.together + 1) // 2
        found = [best.space.draw(fresh, rng)]
        if best.point is not None and fresh < self.together:
            shaken = Points.join([best.point] * (self.together - fresh))
            far = rng.integers(1, self.shakes + 1, len(shaken))
            for step in range(self.shakes):
                near, owners = neighbours(best.space, shaken)
                chosen = _one_of_each(owners, rng)
                chosen = chosen[step < far[owners[chosen]]]
                still = np.setdiff1d(np.arange(len(shaken)), owners[chosen])
                shaken = Points.join([shaken[still], near[chosen]])
                far = np.concatenate([far[still], far[owners[chosen]]])
            found.append(shaken)
        return Points.join(found)


def _one_of_each(owners: Array, rng: np.random.Generator) -> Array:
    """Return the number of one random neighbour of each mapping that has any."""
    shuffled = rng.permutation(len(owners))
    firsts = np.unique(owners[shuffled], return_index=True)[1]
    return shuffled[firsts]


def _descend(best: Best, points: Points, rng: np.random.Generator) -> None:
    """Go from every mapping to its best neighbour until none is better."""
    points, values = _fitting(best, points, rng)
    while len(points) and not best.spent():
        near, found, stuck = _better(best, points, values, neighbours)
        if len(stuck):
            more, costs, _ = _better(best, points[stuck], values[stuck], exchanges)
            near, found = Points.join([near, more]), np.concatenate([found, costs])
        points, values = near, found
        if len(points) > 1:
            _, kept = np.unique(_key(points), axis=0, return_index=True)  # two that met go on as one
            points, values = points[np.sort(kept)], values[np.sort(kept)]


def _better(best: Best, points: Points, values: Array, around: Around) -> tuple[Points, Array, Array]:
    """Return the best neighbour of every mapping that has a better one, with its value, and which mappings have none."""
    near, owners = around(best.space, points)
    few = best.left(len(near))
    found = np.concatenate([best.values(near[:few]), np.full(len(near) - few, np.inf)])
    order = np.lexsort((found, owners))
    firsts = order[np.unique(owners[order], return_index=True)[1]]
    gains = firsts[found[firsts] < values[owners[firsts]] * (1 - LEAST_GAIN)]
    return near[gains], found[gains], np.setdiff1d(np.arange(len(points)), owners[gains])


def _key(points: Points) -> Array:
    """Return rows that are equal for equal mappings."""
    count = len(points)
    return np.concatenate([part.reshape(count, -1) for part in (points.time, points.space, points.order, points.holds)], axis=1)


def _fitting(best: Best, points: Points, rng: np.random.Generator) -> tuple[Points, Array]:
    """Move loops of mappings that do not fit to the outermost level, one by one, until they do; leave out those that never do."""
    values = best.values(points[: best.left(len(points))])
    done, costs = [points[np.flatnonzero(np.isfinite(values))]], [values[np.isfinite(values)]]
    rest = points[np.flatnonzero(~np.isfinite(values))]
    while len(rest) and not best.spent():
        rest = shrunk(best.space, rest, rng)
        values = best.values(rest[: best.left(len(rest))])
        fits = np.flatnonzero(np.isfinite(values))
        done.append(rest[fits])
        costs.append(values[fits])
        inner = best.space.factors(rest)[: len(values), :, :-1].reshape(len(values), -1)
        rest = rest[np.flatnonzero((inner.max(axis=1) > 1) & ~np.isfinite(values))]
    return Points.join(done), np.concatenate(costs)
