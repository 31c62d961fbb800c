"""The mapper of systems: bounds for everything, exact cycles for the best of it, then one thing moved at a time."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Mapping
from dataflows.nest.rules import TENSORS
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.cost import cost_of
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import Technology, technology
from dataflows.workload import DIMS, Layer, only_macs
from mappers.base import OBJECTIVES, Objective, objective_value
from mappers.nest.base import Budget
from mappers.system.base import SystemResult
from mappers.system.core import Core, core_of
from mappers.system.cuts import ORDERS, Cuts, cuts_of, figures_inside, figures_outside, reuse
from mappers.system.figures import figures, product
from mappers.system.lacking import smallest
from mappers.system.nests import Nest, near, nest_of
from mappers.system.pairs import Pair, pairs

MOST_PAIRS = 64
"""Ways to unroll the array, with a tile of the PEs, that are cut into tiles."""
PER_PAIR = 6
"""Mappings of each that are kept."""
CLOSE = 1.005
"""A value so near the least bound of all ways to unroll the array ends the search."""
GRAINS = 256
"""Steps of the least latency in which latencies are told apart before they are exact."""
SCHEDULED = 48
"""Mappings that are evaluated exactly before the local search, which may take as many again."""

Key = tuple[float, float, float, float]
"""Mappings are ranked by objective, then energy, then cycles, then tiles in memory: what has fewer also is scheduled sooner."""


@dataclass(slots=True)
class _Search:
    """One search: what it is for, and the best so far."""

    layer: Layer
    system: SpatialSystem
    objective: Objective
    program_beats: int
    tech: Technology
    budget: Budget
    evaluated: int = 0
    scheduled: int = 0
    least: float = 0.0
    grain: float = 0.0
    tried: set[Mapping] = field(default_factory=set)
    best: tuple[Key, Nest, dict[str, Any]] | None = None
    history: list[tuple[int, float]] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """Where the best so far stands."""
        return self.best[0] if self.best else (math.inf, math.inf, math.inf, math.inf)

    def try_(self, nest: Nest) -> bool:
        """Evaluate a mapping exactly; return whether it is the best so far."""
        mapping = nest.mapping
        if mapping in self.tried:
            return False
        self.tried.add(mapping)
        try:
            program = compile_system(self.layer, self.system, mapping)
        except InfeasibleError:  # gaps that keep ports apart may not fit, or be impossible
            return False
        cost = cost_of(program, self.program_beats, self.tech)
        self.scheduled += 1
        value = objective_value(self.objective, cost["energy_pj"], cost["cycles"])
        key = value, cost["energy_pj"], cost["cycles"], program.steps
        if key >= self.key:
            return False
        self.best = key, nest, cost
        self.history.append((self.scheduled, value))
        return True

    def run(self) -> None:
        """Evaluate candidates in the order of their bounds, then what is near the best."""
        for bound, nest in self._ranked():
            if bound >= self.key or (self.best is not None and self._over(SCHEDULED)):
                break
            self.try_(nest)
        improved = True
        while improved and self.best is not None:
            improved = False
            for nest in near(self.best[1]):
                if self._over(2 * SCHEDULED):
                    return
                if self.try_(nest):
                    improved = True
                    break

    def _over(self, most: int) -> bool:
        return self.scheduled >= most or self.key[0] <= CLOSE * self.least or self.budget.spent(self.scheduled)

    def _ranked(self) -> Iterator[tuple[Key, Nest]]:
        """Yield candidates by their bound; pairs are cut into tiles when no candidate has a bound below theirs."""
        ranked, self.evaluated = pairs(self.layer, self.system, self.tech, self.objective, self.program_beats)
        self.least = ranked[0].value
        self.grain = self.least / GRAINS if self.objective == "latency" else 0.0
        waiting: list[tuple[Key, int, Nest]] = []
        number = cut = 0
        for pair in ranked:
            while waiting and (waiting[0][0][0] <= pair.value or cut >= MOST_PAIRS):
                bound, _, nest = heapq.heappop(waiting)
                yield bound, nest
            if cut >= MOST_PAIRS and (self.best is not None or self.budget.spent(self.scheduled)):
                break
            found = self._cut(pair)
            cut += bool(found)
            for bound, nest in found:
                heapq.heappush(waiting, (bound, number, nest))
                number += 1
        while waiting:
            bound, _, nest = heapq.heappop(waiting)
            yield bound, nest

    def _cut(self, pair: Pair) -> list[tuple[Key, Nest]]:
        """Return the best ways to cut the loops round a pair."""
        core = core_of(self.layer, self.system, pair.choice, pair.tile)
        if core is None:
            return []
        cuts = cuts_of(self.layer, self.system, core)
        return self._best(core, cuts) if len(cuts) else []

    def _best(self, core: Core, cuts: Cuts) -> list[tuple[Key, Nest]]:
        inside = figures_inside(core, cuts)
        found, tiles = [], product(cuts.outside, "".join(DIMS))
        for innermost in ORDERS:
            outside = figures_outside(self.layer, self.system, cuts, innermost, self.program_beats)
            for stationary in TENSORS:
                again = reuse(cuts, stationary, innermost)
                one = figures(self.system, self.tech, inside, outside, stationary, again, np.maximum)
                values = self._coarse(np.asarray(one.value(self.objective), np.float64))
                self.evaluated += len(values)
                most = min(PER_PAIR, len(values)) - 1
                good = np.nonzero(values <= np.partition(values, most)[most])[0]
                ties = [each[good] for each in (tiles, one.cycles, one.energy_pj, values)]
                for at in good[np.lexsort(ties)][:PER_PAIR]:
                    key = float(values[at]), float(one.energy_pj[at]), float(one.cycles[at]), int(tiles[at])
                    found.append((key, int(at), stationary, innermost))
        kept: dict[Mapping, tuple[Key, Nest]] = {}
        for key, at, stationary, innermost in sorted(found):
            nest = nest_of(core, *cuts.at(at), stationary, innermost)
            kept.setdefault(nest.mapping, (key, nest))
            if len(kept) == PER_PAIR:
                break
        return list(kept.values())

    def _coarse(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return latencies in coarse steps, so that among almost equal ones that with less energy is scheduled first."""
        return np.floor(values / self.grain) * self.grain if self.grain else values


@dataclass(frozen=True, slots=True)
class SystemMapper:
    """Ranks ways to unroll the array with tiles of the PEs by bounds, cuts the best into tiles, and schedules the best of these.

    It is deterministic unless time ends it. A proof it does not give.

    Attributes
    ----------
    tech : Technology or None
        Energy table; 45 nm by default.
    """

    tech: Technology | None = None
    name: str = "search"

    def map(
        self,
        layer: Layer,
        system: SpatialSystem,
        objective: Objective = "edp",
        *,
        program_beats: int,
        budget: Budget | None = None,
    ) -> SystemResult:
        """Return the best mapping found.

        Parameters
        ----------
        layer, system : Layer, SpatialSystem
            What is mapped, and where.
        objective : str
            ``edp``, ``energy`` or ``latency``.
        program_beats : int
            Beats of a program of this system and its tags.
        budget : Budget, optional
            When to stop; evaluations are exact ones. Ctrl-C stops too. At least one mapping is evaluated.

        Raises
        ------
        InfeasibleError
            If nothing fits, with the levels that lack.
        SpecError
            For an unknown objective, or a layer that is no multiply-accumulate.
        """
        if objective not in OBJECTIVES:
            raise SpecError("objective", objective, ", ".join(OBJECTIVES), "choose one of these")
        only_macs(layer, "a system")
        started = time.perf_counter()
        search = _Search(layer, system, objective, program_beats, self.tech or technology(), budget or Budget())
        stopped = "done"
        try:
            search.run()
        except KeyboardInterrupt:
            if search.best is None:
                raise
            stopped = "interrupted"
        if search.best is None:
            nest = smallest(layer, system)
            if isinstance(nest, list):
                raise InfeasibleError(nest)
            search.try_(nest)
        assert search.best is not None
        if stopped == "done" and search.budget.spent(search.scheduled):
            late = search.budget.seconds is not None and search.budget.elapsed >= search.budget.seconds
            stopped = "time" if late else "evaluations"
        _, nest, cost = search.best
        return SystemResult(
            layer, nest.mapping, cost, objective, search.evaluated, search.scheduled, time.perf_counter() - started, stopped,
            tuple(search.history),
        )  # fmt: skip
