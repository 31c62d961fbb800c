"""Evolution of loop nests: CMA-ES over vectors of importances and ratios, as NAAS searches mappings (codesign reference, 1.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture
from dataflows.nest.points import Points
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.best import Best
from mappers.nest.encoding import Encoding, EncodingName
from mappers.nest.opening import opened

if TYPE_CHECKING:
    from cmaes import CMA

__all__ = ["EvolutionNestMapper"]

Floats = NDArray[np.float64]
REDRAWN = 10
"""Times that illegal vectors of a generation are drawn again."""
MISFIT = 1e6
"""Score of what does not fit; others are logarithms of double-precision numbers, at most 710."""
FROM_BEST, REDRAWN_GENES = 0.8, 0.2
"""How likely a run begins near the best vector, and each of its genes is then drawn anew."""
LEAST_GAIN = 1e-9
"""Relative; less is no progress."""


@dataclass(frozen=True, slots=True)
class EvolutionNestMapper:
    """CMA-ES with restarts over the vectors of `mappers.nest.encoding.Encoding`.

    Each generation is drawn from a normal distribution. Vectors that decode to a tile that no repair fits into its level are
    drawn again and cost no evaluation (codesign reference, 1.4); whole generations are costed at once. The optimiser minimises
    the logarithm of the value plus the squared distance from the box (`Encoding.boxed`).

    When a run finds nothing better for some generations, the next one begins: four times of five at the best vector so far,
    centred (`Encoding.centred`) and with a fifth of its genes drawn anew, else anywhere. Both encodings are searched alike.

    Attributes
    ----------
    encoding : str
        ``importance``, or ``index``: the ablation that numbers loop orders and parallel choices.
    population : int
        Vectors of a generation, at least 4.
    sigma : float
        First standard deviation.
    patience : int
        Generations without a better mapping before a restart.
    samples : int
        Mappings to cost where no budget is given.
    plain : bool
        See `Encoding`.
    """

    encoding: EncodingName = "importance"
    population: int = 12
    sigma: float = 0.2
    patience: int = 15
    samples: int = 10_000
    plain: bool = False
    name: str = "evolution"

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """Return the best mapping found; see `mappers.nest.base.NestMapper`.

        Raises
        ------
        SpecError
            Also if the package cmaes is not installed.
        """
        require_cma()
        if budget is None or (budget.seconds is None and budget.evaluations is None):
            budget = Budget(evaluations=self.samples)
        space, rules = opened(layer, arch, objective, rules, options), rules or Rules()
        best = Best(space, objective, rules, budget)
        interrupted = False
        try:
            best.values(space.smallest())
            encoding = Encoding(space, rules, self.encoding, self.plain)
            if encoding.genes:
                self.champion(encoding, best, seed)
        except KeyboardInterrupt:
            if best.point is None:
                raise
            interrupted = True
        return best.result(self.name, seed, interrupted=interrupted)

    def champion(self, encoding: Encoding, best: Best, seed: int) -> tuple[Floats, float]:
        """Run after run until the budget is spent; return the best vector, (genes,), and its value."""
        optimiser, rng = require_cma(), np.random.default_rng(seed)
        mean, champion, least = encoding.middle(), encoding.middle(), math.inf
        with one_thread():
            while not best.spent():
                cma = optimiser(mean=mean, sigma=self.sigma, population_size=self.population, seed=int(rng.integers(1 << 31)))
                for genes, value in self._run(cma, encoding, best):
                    if value < least:
                        champion, least = genes, value
                mean = _beginning(encoding, champion, rng)
        return champion, least

    def _run(self, cma: CMA, encoding: Encoding, best: Best) -> Iterator[tuple[Floats, float]]:
        """Yield the best vector of every generation and its value, until there is no progress."""
        stale, least = 0, math.inf
        while stale < self.patience and not best.spent() and not cma.should_stop():
            genes, points = _legal(cma, encoding, self.population)
            points = points[: best.left(len(points))]
            values = best.values(points)
            at = int(np.argmin(values))
            yield encoding.boxed(genes[at]), float(values[at])
            if len(points) < self.population:
                return
            outside = ((genes - encoding.boxed(genes)) ** 2).sum(axis=1)
            fits = np.isfinite(values)
            scores = np.log(np.maximum(values, 1e-300), where=fits, out=np.full(len(values), MISFIT)) + outside
            cma.tell([(vector, float(score)) for vector, score in zip(genes, scores, strict=True)])
            stale = 0 if values[at] < least * (1 - LEAST_GAIN) else stale + 1
            least = min(least, float(values[at]))


def _beginning(encoding: Encoding, champion: Floats, rng: np.random.Generator) -> Floats:
    """Return where the next run begins."""
    if rng.random() >= FROM_BEST:
        return encoding.anywhere(rng)
    anew = rng.random(encoding.genes)
    return np.where(rng.random(encoding.genes) < REDRAWN_GENES, anew, encoding.centred(champion))


def _legal(cma: CMA, encoding: Encoding, count: int) -> tuple[Floats, Points]:
    """Draw a generation and decode it; draw what is illegal again, so often at most."""
    genes = np.array([cma.ask() for _ in range(count)])
    points, legal = encoding.decode(genes)
    for _ in range(REDRAWN):
        if legal.all():
            break
        genes[~legal] = [cma.ask() for _ in range(int((~legal).sum()))]
        points, legal = encoding.decode(genes)
    return genes, points


def require_cma() -> type[CMA]:
    """Import the optimiser; raise `SpecError` naming the extra when it is missing."""
    try:
        from cmaes import CMA
    except ImportError as error:
        fix = "install it with: pip install 'systolith[dse]'"
        raise SpecError("cmaes", "not installed", "the cmaes package, to search by evolution", fix) from error
    return CMA


def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread where threadpoolctl is installed: on matrices of 50 x 50 more threads only wait."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, "blas")
