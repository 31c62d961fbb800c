"""The mapping a designer writes down first: fill the buffers in a fixed order of dimensions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from dataflows.arch import Accelerator
from dataflows.cost import evaluate
from dataflows.program import program_beats
from dataflows.tech import Technology, technology
from dataflows.tiling import Blocking, Tiling, violations
from dataflows.workload import Layer
from mappers.base import MapResult, Objective, prepare

FILL_ORDER = ("q", "p", "c_blocks", "blocks")


@dataclass(frozen=True, slots=True)
class NaiveMapper:
    """Grows each tile size in turn to the largest that fits: whole rows first, then more rows, channels, blocks.

    No cost is consulted and the tile loops keep their default order, so the objective changes nothing.

    Attributes
    ----------
    tech : Technology or None
        Energy table for the cost reported; 45 nm by default.
    """

    tech: Technology | None = None
    name: str = "naive"

    def map(self, layer: Layer, acc: Accelerator, objective: Objective = "edp", seed: int = 0) -> MapResult:
        """Return the one tiling this rule gives; see `mappers.base.Mapper`."""
        started = time.perf_counter()
        layer = prepare(layer, acc, objective)
        bk, beats = Blocking.of(layer, acc), program_beats(acc)
        most = {"q": layer.Q, "p": layer.P, "c_blocks": bk.c_blocks, "blocks": bk.walked}
        tiling, tried = Tiling(1, 1, 1, 1), 0
        for name in FILL_ORDER:
            low, high = 1, most[name]
            while low < high:  # legality ends once as a size grows
                middle = (low + high + 1) // 2
                fits = not violations(layer, acc, replace(tiling, **{name: middle}))
                low, high = (middle, high) if fits else (low, middle - 1)
                tried += 1
            tiling = replace(tiling, **{name: low})
        cost = evaluate(layer, acc, tiling, self.tech or technology(), program_beats=beats)
        return MapResult(layer, tiling, cost, objective, tried + 1, time.perf_counter() - started, (tiling,))
