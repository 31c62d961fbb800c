"""The optimal mapper: branch and bound over every legal tiling, to a proof or to a certified gap."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from dataflows.arch import Accelerator
from dataflows.batch import Batch
from dataflows.cost import evaluate
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.workload import Layer
from mappers.base import ExactCycles, MapResult, Objective, native_cycles, objective_value, prepare
from mappers.boxes import Space
from mappers.branch import Best, Search
from mappers.exact import Exact
from mappers.nest.base import Budget


@dataclass(frozen=True, slots=True)
class OptimalMapper:
    """Finds the optimum over all tilings that the accelerator's sequencer can run (docs/mapping-space.md), and proves it.

    It is deterministic; the seed changes nothing. Equal tilings by the objective are ranked by cycles, then energy, then
    sizes. Stopped early, by `seconds` or Ctrl-C, it returns the best so far with its gap.

    Attributes
    ----------
    tech : Technology or None
        Energy table; 45 nm by default.
    shortlist : int
        How many of the best tilings by the bound `map` returns.
    seconds : float or None
        Most wall time for a layer.
    steps : int
        Most iterations of tile loops that schedules of a layer walk (`exactly`), some 4 microseconds each: what is not proved
        then is left with a gap.
    """

    tech: Technology | None = None
    shortlist: int = 8
    seconds: float | None = None
    steps: int = 1 << 18
    name: str = "optimal"

    def map(self, layer: Layer, acc: Accelerator, objective: Objective = "edp", seed: int = 0) -> MapResult:
        """Return the best tiling by bound cycles; see `mappers.base.Mapper`."""
        started = time.perf_counter()
        layer = prepare(layer, acc, objective)
        search, goal = self.search(layer, acc), Best(partial(objective_value, objective), self.shortlist)
        outcome = search.run(goal, Budget(self.seconds))
        tilings = tuple(search.space.tiling(point) for point in goal.points.T)
        cost = evaluate(layer, acc, tilings[0], self.tech or technology(), program_beats=program_beats(acc))
        lower = np.min(goal.value(outcome.energy, outcome.cycles), initial=goal.values[0])
        gap = float(goal.values[0] / lower - 1)
        seconds = time.perf_counter() - started
        return MapResult(layer, tilings[0], cost, objective, outcome.evaluated, seconds, tilings, gap, outcome.interrupted)

    def exactly(
        self, layer: Layer, acc: Accelerator, objective: Objective = "edp", exact_cycles: ExactCycles = native_cycles
    ) -> MapResult:
        """Return the best tiling by exact cycles.

        Parameters
        ----------
        exact_cycles : callable
            The schedule. With `native_cycles` the bound is `dataflows.reach`; others are only held to be no less than the
            plain bound, from which a proof takes longer.

        Raises
        ------
        InfeasibleError, SpecError
            As `map`.
        """
        started = time.perf_counter()
        layer = prepare(layer, acc, objective)
        exact = self.exact(layer, acc, exact_cycles)
        found = exact.best(partial(objective_value, objective))
        tech, cycles = self.tech or technology(), int(found.cycles)
        cost = evaluate(layer, acc, found.tiling, tech, cycles=cycles, program_beats=program_beats(acc))
        seconds = time.perf_counter() - started
        shortlist = (found.tiling,)
        return MapResult(
            layer, found.tiling, cost, objective, exact.evaluated, seconds, shortlist, found.gap, exact.interrupted
        )  # fmt: skip

    def search(self, layer: Layer, acc: Accelerator) -> Search:
        """Return the search of a layer, as `prepare` returns it, by the bound."""
        return Search(Space(Batch(layer, acc, self.tech or technology(), program_beats(acc))))

    def exact(self, layer: Layer, acc: Accelerator, exact_cycles: ExactCycles) -> Exact:
        """Return the search by exact cycles; `layer` as `prepare` returns it."""
        space = Space(Batch(layer, acc, self.tech or technology(), program_beats(acc)), every=True)
        return Exact(Search(space, near=exact_cycles is native_cycles), exact_cycles, self.steps, self.seconds)
