"""The best mapping there is, with a proof: branch and bound over the loop nests of a space."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dataflows.errors import SpecError
from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import evaluate
from dataflows.nest.points import Points
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.local import LocalNestMapper
from mappers.nest.opening import opened
from mappers.nest.proof.problem import Problem
from mappers.nest.proof.search import Search, Stopped

__all__ = ["OptimalMapper"]

LOCAL = 200_000
"""Mappings that a local search may cost first where bounds are loose."""
SHARE = 16
"""Of so many mappings of a small space it may cost one."""
ROUNDING = 1e-9
"""Share of a value that sums of floating-point numbers may be off by."""


@dataclass(frozen=True, slots=True)
class OptimalMapper:
    """Branch and bound (docs/optimal.md); deterministic, so that the seed changes nothing.

    Partial mappings grow from the innermost level outward, thousands at a time. What they cost so far, and what the rest costs at
    least, follow from `mappers.nest.proof`; where that is not below the best mapping found they are dropped. Whole mappings
    are costed by the model itself. At the end nothing better is left: the gap is 0. If time runs out, or on Ctrl-C, the gap
    follows from the least bound of what is left.

    Attributes
    ----------
    tolerance : float
        Gap at which to stop: 0.01 accepts a mapping that is proved to be within 1 %.
    price : float or None
        pJ per cycle: energy plus price times cycles is minimised, whatever the objective; `bound` then is of that sum.
    start : Mapping or None
        A good mapping that is known already, such as the best on similar hardware; it takes the place of the local search.
    """

    tolerance: float = 0.0
    price: float | None = None
    start: Mapping | None = None
    name: str = "optimal"

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """Return the best mapping; see `mappers.nest.base.NestMapper`.

        Raises
        ------
        SpecError
            Also for padded tiles: what is proved is that no mapping whose extents divide the sizes is better.
        """
        budget, options, rules = budget or Budget(), options or Options(), rules or Rules()
        if options.padded:
            allowed = "false for the optimal mapper, whose extents divide the sizes"
            raise SpecError("padded", True, allowed, "use local, random or evolution, or pad the layer's sizes")
        space = opened(layer, arch, objective, rules, options)
        search = Search(Problem(layer, arch, rules, objective, self.price), bypass=options.bypass, tolerance=self.tolerance)
        interrupted = False
        try:
            if self.start is not None:
                search.take(Points.of([self.start], arch))
            elif search.loose:
                most = int(min(LOCAL, max(1, space.size // SHARE)))
                first = replace(budget, evaluations=most if budget.evaluations is None else min(most, budget.evaluations))
                good = LocalNestMapper().map(layer, arch, objective, rules=rules, options=options, budget=first)
                search.evaluated += good.evaluated
                search.take(Points.of([good.mapping], arch))
            search.run(budget.spent)
        except Stopped:
            pass
        except KeyboardInterrupt:
            interrupted = True
        if search.point is None:
            search.point = space.smallest()
        mapping = search.point.mapping(arch, 0)
        cost = evaluate(layer, arch, mapping, rules)
        found = NestResult(
            layer, mapping, cost, objective, self.name, seed, search.evaluated + search.looked_at, budget.elapsed,
            space=float(space.size), interrupted=interrupted, history=tuple(search.history), price=self.price,
        )  # fmt: skip
        bound = min(search.bound, search.open)
        proved = bound >= found.value * (1 - ROUNDING)
        return replace(found, bound=found.value if proved else bound)
