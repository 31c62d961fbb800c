"""Every mapping of a tiny space: the oracle that other mappers are checked against."""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.best import Best
from mappers.nest.opening import opened

__all__ = ["ExhaustiveMapper"]

MOST = 20_000_000
"""Mappings that are listed and costed in about a quarter of a minute."""


@dataclass(frozen=True, slots=True)
class ExhaustiveMapper:
    """Costs every mapping of the space (`mappers.nest.space.NestSpace.all`).

    Attributes
    ----------
    limit : int
        Size of the largest space that is accepted.
    """

    limit: int = MOST
    name: str = "exhaustive"

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """Return the best mapping, proved unless the budget ran out; see `mappers.nest.base.NestMapper`.

        Raises
        ------
        SpecError
            Also if the space has more mappings than the limit.
        """
        budget = budget or Budget()
        space = opened(layer, arch, objective, rules, options)
        if not 0 < space.size <= self.limit:
            allowed = f"at most {self.limit:,} for the exhaustive mapper"
            fix = "raise its limit, take a smaller layer or fewer options, or use a mapper that searches"
            raise SpecError(f"{layer.name} on {arch.name}", f"{space.size:,.0f} mappings", allowed, fix)
        best = Best(space, objective, rules or Rules(), budget)
        interrupted = done = False
        try:
            best.values(space.smallest())
            best.evaluated = 0  # it is one of those listed
            for points in space.all():
                if best.spent():
                    break
                few = best.left(len(points))
                best.values(points[:few])
                if few < len(points):
                    break
            else:
                done = True
        except KeyboardInterrupt:
            if best.point is None:
                raise
            interrupted = True
        return best.result(self.name, seed, interrupted=interrupted, proved=done)
