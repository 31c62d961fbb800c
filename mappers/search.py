"""The standard mapper: a grid of tile sizes in the two orders that suffice, then one size moved at a time, by the bound."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from dataflows.arch import Accelerator
from dataflows.batch import Batch
from dataflows.cost import evaluate
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from mappers.base import MapResult, Objective, objective_value, prepare
from mappers.space import ORDERS, Candidates, candidates, neighbours


@dataclass(frozen=True, slots=True)
class SearchMapper:
    """Evaluates the grid of `mappers.space` and improves on its best, by the objective on bound cycles.

    Where the grid holds every legal size the result is the optimum of the bound and its gap is 0; elsewhere it is a
    local optimum: no tiling that differs in one size is better.
    It is deterministic; the seed changes nothing. Equal tilings by the objective are ranked by bound cycles, then
    energy, then their place in the list.

    Attributes
    ----------
    tech : Technology or None
        Energy table; 45 nm by default.
    shortlist : int
        How many of the best tilings to return for ranking by exact cycles.
    """

    tech: Technology | None = None
    shortlist: int = 8
    name: str = "search"

    def map(self, layer: Layer, acc: Accelerator, objective: Objective = "edp", seed: int = 0) -> MapResult:
        """Return the best tiling; see `mappers.base.Mapper`."""
        started = time.perf_counter()
        layer = prepare(layer, acc, objective)
        tech = self.tech or technology()
        beats = program_beats(acc)
        batch = Batch(layer, acc, tech, beats)
        tried = candidates(layer, acc)
        pool = _Pool(batch, objective, self.shortlist)
        pool.add(tried)
        evaluated = len(ORDERS) * len(tried)
        centre = None
        # Ragged sizes between the selected ones can be better still: move one size at a time until nothing improves.
        while not tried.complete and pool.best != centre:
            centre = pool.best
            near = neighbours(layer, acc, centre)
            pool.add(near)
            evaluated += len(ORDERS) * len(near)
        cost = evaluate(layer, acc, pool.best, tech, program_beats=beats)
        gap = 0.0 if tried.complete else None
        return MapResult(layer, pool.best, cost, objective, evaluated, time.perf_counter() - started, pool.tilings, gap)


class _Pool:
    """The best tilings seen so far, best first."""

    def __init__(self, batch: Batch, objective: Objective, size: int) -> None:
        self.batch, self.objective, self.size = batch, objective, size
        self.found: dict[Tiling, tuple[float, float, float]] = {}

    def add(self, tried: Candidates) -> None:
        """Evaluate candidates in every order and keep the best."""
        figures = [self.batch.figures(tried.blocks, tried.c_blocks, tried.p, tried.q, order) for order in ORDERS]
        cycles = np.concatenate([each.bound_cycles for each in figures])
        energy = np.concatenate([each.energy_pj for each in figures])
        values = objective_value(self.objective, energy, cycles)
        best = min(self.size, len(values))
        # Partition first: sorting tens of thousands of values would take most of the time. Ties at the cut are kept.
        near = np.nonzero(values <= np.partition(values, best - 1)[best - 1])[0]
        for index in near[np.lexsort((near, energy[near], cycles[near], values[near]))][:best]:
            tiling = tried.tiling(index % len(tried), ORDERS[index // len(tried)])
            self.found.setdefault(tiling, (float(values[index]), float(cycles[index]), float(energy[index])))
        # Sorting is stable: among equals the one found first stays ahead.
        ranked = sorted(self.found.items(), key=lambda entry: entry[1])[: self.size]
        self.found = dict(ranked)

    @property
    def tilings(self) -> tuple[Tiling, ...]:
        """All of them."""
        return tuple(self.found)

    @property
    def best(self) -> Tiling:
        """The first of them."""
        return next(iter(self.found))
