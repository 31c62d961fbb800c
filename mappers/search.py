"""The standard mapper: every useful tile size in every useful order, evaluated by the bound."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from dataflows.arch import Accelerator
from dataflows.batch import Batch
from dataflows.cost import evaluate
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.workload import Layer
from mappers.base import MapResult, Objective, objective_value, prepare
from mappers.space import ORDERS, candidates


@dataclass(frozen=True, slots=True)
class SearchMapper:
    """Evaluates all of `mappers.space` and returns the best by the objective, on bound cycles.

    Where every legal size is tried the result is the optimum of the bound and its gap is 0.
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
        tried = candidates(layer, acc)
        batch = Batch(layer, acc, tech, beats)
        figures = [batch.figures(tried.blocks, tried.c_blocks, tried.p, tried.q, order) for order in ORDERS]
        cycles = np.concatenate([each.bound_cycles for each in figures])
        energy = np.concatenate([each.energy_pj for each in figures])
        values = objective_value(objective, energy, cycles)
        best = min(self.shortlist, len(values))
        # Partition first: sorting tens of thousands of values would take most of the time. Ties at the cut are kept.
        near = np.nonzero(values <= np.partition(values, best - 1)[best - 1])[0]
        ranked = near[np.lexsort((near, energy[near], cycles[near], values[near]))][:best]
        tilings = tuple(tried.tiling(index % len(tried), ORDERS[index // len(tried)]) for index in ranked)
        cost = evaluate(layer, acc, tilings[0], tech, program_beats=beats)
        gap = 0.0 if tried.complete else None
        return MapResult(layer, tilings[0], cost, objective, len(values), time.perf_counter() - started, tilings, gap)
