"""A network's least EDP: energy of all layers times cycles of all layers, which is no sum over layers.

By the bound, every layer's front of energy and cycles is known, and `mappers.pareto` chooses. By exact cycles a front would
take a schedule for every tiling near it. Instead a price of a cycle is found at which the network's choice is the sum of what
is best layer by layer (`mappers.pareto`), and each layer is searched for its least energy plus price times cycles. The sum of
these bounds the network's EDP; where the bound is missed, all tilings that could close the difference are scheduled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.cost import evaluate
from dataflows.program import program_beats
from dataflows.tech import technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from mappers.base import ExactCycles, MapResult
from mappers.branch import Front, Outcome, Search, Value
from mappers.exact import Exact, Found
from mappers.nest.base import Budget
from mappers.optimal import OptimalMapper
from mappers.pareto import Choice, Point, bound_at, combine

ROUNDS = 8
"""Prices tried at most; they settle after two or three."""
ROUNDING = 1e-12
"""Sums of the same terms in another order differ by less."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A tiling for every layer.

    Attributes
    ----------
    results : tuple of MapResult
        One per layer. A gap is 0 where the choice is proved to be the best; elsewhere it is that of the layer's energy plus
        cycles at the network's price of a cycle, its energy over its cycles.
    lower : float
        No choice of tilings has a smaller EDP of the network.
    """

    results: tuple[MapResult, ...]
    lower: float


def least_edp(
    layers: Sequence[Layer],
    counts: Sequence[int],
    acc: Accelerator,
    mapper: OptimalMapper,
    exact_cycles: ExactCycles | None = None,
) -> Chosen:
    """Choose tilings for the least energy times cycles of a network.

    Parameters
    ----------
    layers : sequence of Layer
        Distinct ones, as `mappers.base.prepare` returns them.
    counts : sequence of int
        How often each occurs; equal layers run alike.
    acc, mapper : Accelerator, OptimalMapper
        The hardware, and table and limits.
    exact_cycles : callable, optional
        The schedule; without it cycles are those of the bound.
    """
    if exact_cycles is None:
        return _by_bound(layers, counts, acc, mapper)
    searches = [mapper.exact(layer, acc, exact_cycles) for layer in layers]
    return _Exactly(searches, counts, mapper.seconds).run(layers, acc, mapper)


def _fronts(searches: Sequence[Search], seconds: float | None) -> tuple[list[Front], list[Outcome]]:
    """Return every layer's front; once the user has ended one search, the others end with what they have first."""
    fronts, outcomes = [], list[Outcome]()
    for search in searches:
        ended = any(outcome.interrupted for outcome in outcomes)
        goal = Front()
        outcomes.append(search.run(goal, Budget(0.0 if ended else seconds)))
        fronts.append(goal)
    return fronts, outcomes


def _points(search: Search, goal: Front) -> list[Point]:
    return [
        Point(float(energy), float(cycles), search.space.tiling(point))
        for energy, cycles, point in zip(goal.energy, goal.cycles, goal.points.T, strict=True)
    ]


def _left(outcome: Outcome) -> list[Point]:
    """Return what was not looked into, as points that no tiling is below."""
    return [Point(float(energy), float(cycles)) for energy, cycles in zip(outcome.energy, outcome.cycles, strict=True)]


def _by_bound(layers: Sequence[Layer], counts: Sequence[int], acc: Accelerator, mapper: OptimalMapper) -> Chosen:
    budget = Budget()
    searches = [mapper.search(layer, acc) for layer in layers]
    fronts, outcomes = _fronts(searches, mapper.seconds)
    parts = [_points(search, goal) for search, goal in zip(searches, fronts, strict=True)]
    choice = combine(parts, counts)
    opened = [points + _left(outcome) for points, outcome in zip(parts, outcomes, strict=True)]
    lower = combine(opened, counts).lower if any(len(outcome.energy) for outcome in outcomes) else choice.lower
    worth = at_price(choice.energy_pj / choice.cycles)
    results = []
    for layer, point, points, outcome in zip(layers, choice.points, opened, outcomes, strict=True):
        least = min(worth(*each[:2]) for each in points)
        gap = max(worth(*point[:2]) / least - 1, 0.0) if lower < choice.value else 0.0
        effort = outcome.evaluated, budget.elapsed / len(layers), outcome.interrupted
        results.append(_result(layer, acc, mapper, point.payload, None, gap, effort))
    return Chosen(tuple(results), lower)


def at_price(price: float) -> Value:
    """Return energy plus `price` times cycles as a function."""
    return lambda energy, cycles: energy + price * cycles


class _Exactly:
    """The choice by exact cycles: prices one after the other until a proof."""

    def __init__(self, searches: Sequence[Exact], counts: Sequence[int], seconds: float | None) -> None:
        self.searches, self.counts, self.seconds = searches, counts, seconds
        self.lower = 0.0

    def run(self, layers: Sequence[Layer], acc: Accelerator, mapper: OptimalMapper) -> Chosen:
        """Return the best choice found."""
        budget = Budget()
        choice, gaps = self._best(self._first_price())
        share = budget.elapsed / len(layers)
        results = [
            _result(layer, acc, mapper, point.payload, int(point.cycles), gap, (search.evaluated, share, search.interrupted))
            for layer, point, gap, search in zip(layers, choice.points, gaps, self.searches, strict=True)
        ]
        return Chosen(tuple(results), self.lower)

    def _first_price(self) -> float:
        """Return the price of the best choice by what the schedule takes at least."""
        searches = [each.search for each in self.searches]
        fronts, outcomes = _fronts(searches, self.seconds)
        for each, outcome in zip(self.searches, outcomes, strict=True):
            each.evaluated += outcome.evaluated
            each.interrupted |= outcome.interrupted
        parts = [_points(search, goal) + _left(outcome) for search, goal, outcome in zip(searches, fronts, outcomes, strict=True)]
        choice = combine(parts, self.counts)
        self.lower = choice.lower
        return choice.energy_pj / choice.cycles

    def _best(self, price: float) -> tuple[Choice, list[float]]:
        """Return the best choice of all scheduled tilings, and every layer's gap; schedule those that may be better."""
        slack, rounds = 0.0, 0
        while True:
            worth, rounds = at_price(price), rounds + 1
            found = self._layers(worth, slack)
            least = math.fsum(count * each.lower for each, count in zip(found, self.counts, strict=True))
            choice = combine([_known(each) for each in self.searches], self.counts)
            self.lower = max(self.lower, bound_at(price, least))
            # A better choice is worth less than this at the price, so no layer of it is further above its least.
            room = 2 * math.sqrt(price * choice.value) - least
            if slack >= room and choice.gap == 0 and all(each.complete for each in found):
                self.lower = choice.value
            if self.lower >= choice.value * (1 - ROUNDING):
                self.lower = choice.value
                return choice, [0.0] * len(found)
            own = choice.energy_pj / choice.cycles
            settled = math.isclose(own, price, rel_tol=ROUNDING)
            if rounds == ROUNDS or (settled and not all(each.gap == 0 for each in found)):
                gaps = [max(worth(*point[:2]) / each.lower - 1, 0.0) for point, each in zip(choice.points, found, strict=True)]
                return choice, gaps
            price, slack = own, room * (1 + 1e-6) if settled else 0.0

    def _layers(self, worth: Value, slack: float) -> list[Found]:
        """Search every layer; once the user has ended one search, the others end too."""
        found = []
        for search, count in zip(self.searches, self.counts, strict=True):
            search.interrupted |= any(each.interrupted for each in self.searches)
            found.append(search.best(worth, slack / count))
        return found


def _known(search: Exact) -> list[Point]:
    return [Point(*figures, tiling) for tiling, figures in search.known.items()]


def _result(
    layer: Layer, acc: Accelerator, mapper: OptimalMapper, tiling: Tiling, cycles: int | None, gap: float,
    effort: tuple[int, float, bool],
) -> MapResult:  # fmt: skip
    """Return a layer's result; effort: evaluated, seconds (its share: layers are searched together), interrupted."""
    tech = mapper.tech or technology()
    cost = evaluate(layer, acc, tiling, tech, cycles=cycles, program_beats=program_beats(acc))
    evaluated, seconds, interrupted = effort
    return MapResult(layer, tiling, cost, "edp", evaluated, seconds, (tiling,), gap, interrupted)
