"""Random search over loop nests: the yardstick that every search has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.best import Best
from mappers.nest.opening import opened

__all__ = ["RandomNestMapper"]

DRAWN = 8192
"""Mappings drawn at a time."""


@dataclass(frozen=True, slots=True)
class RandomNestMapper:
    """Draws mappings as `mappers.nest.space.NestSpace.draw` does and keeps the best that fits.

    Attributes
    ----------
    samples : int
        Mappings to draw where no budget is given; those that do not fit count.
    """

    samples: int = 1 << 18
    name: str = "random"

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """Return the best mapping drawn, or the smallest if none of them fits; see `mappers.nest.base.NestMapper`."""
        budget = budget or Budget(evaluations=self.samples)
        space = opened(layer, arch, objective, rules, options)
        best = Best(space, objective, rules or Rules(), budget)
        rng = np.random.default_rng(seed)
        interrupted = False
        try:
            best.values(space.smallest())
            while not best.spent():
                best.values(space.draw(DRAWN, rng)[: best.left(DRAWN)])
        except KeyboardInterrupt:
            if best.point is None:
                raise
            interrupted = True
        return best.result(self.name, seed, interrupted=interrupted)
