"""The search: an evolution strategy over hardware points, with the mapping search inside every evaluation.

CatCMAwM (Hamano et al., "CatCMA with Margin", GECCO 2025), as implemented by the package cmaes, draws continuous, integer
and categorical variables together. Generations have a fixed size and are told in the order in which they were asked, so
the answer depends on the seed and the number of evaluations alone, not on how many processes evaluate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dse.encoding import GENES, TILE_BLOCKS, Genotype, decode, lane_choices
from dse.evaluate import Trial
from dse.space import BUFFERS, Space
from dse.study import Study
from dse.workers import Evaluator
from mappers.base import Objective

if TYPE_CHECKING:
    from cmaes import CatCMAwM

POPULATION = 16
FIRST = {"rows": (0.5, 0.12), "cols": (0.9, 0.2)} | dict.fromkeys(BUFFERS, (0.6, 0.25))
"""Mean and deviation of the first generation: near-square arrays with most multipliers in use, buffers of all sizes."""

FURTHER_ROWS = (0.2, 0.8)
"""Every second fresh start takes the mean of the rows gene from here, to look elsewhere; the others look closely round the
best point so far."""

CLOSE = {"rows": 0.1, "cols": 0.1} | dict.fromkeys(BUFFERS, 0.5)
"""What a close look multiplies the first deviations by: mostly the same array, other buffers."""

PATIENCE = 7
"""Generations without a better value than the start's best after which the optimiser starts afresh from another seed."""

MOST_IDLE_STARTS = 20
"""Fresh starts in a row that found nothing new, after which the space is taken to be exhausted."""

Watch = Callable[[int, Trial], None]


@dataclass(slots=True)
class Progress:
    """How far a search is; what `Search.run` returns.

    Attributes
    ----------
    trials : list of Trial
        Distinct points in the order in which they were first asked for; at most the number of evaluations.
    best : Trial or None
        The best of them; the first one among equals.
    drawn : Genotype or None
        What it was decoded from.
    generations, starts : int
        Generations told, and fresh starts of the optimiser.
    """

    trials: list[Trial] = field(default_factory=list)
    best: Trial | None = None
    drawn: Genotype | None = None
    generations: int = 0
    starts: int = 0


@dataclass(frozen=True)
class Search:
    """A search with its settings.

    Attributes
    ----------
    space : Space
        Where to search.
    objective : str
        ``edp``, ``energy`` or ``latency`` of the whole network, on exact cycles.
    evaluations : int
        Distinct points to evaluate.
    seed : int
        Of everything random.
    """

    space: Space
    objective: Objective
    evaluations: int
    seed: int

    def run(self, study: Study, evaluator: Evaluator, watch: Watch = lambda _count, _best: None) -> Progress:
        """Search until `evaluations` distinct points are known; trials in `study` are not evaluated again.

        Parameters
        ----------
        study : Study
            Keeps every trial as soon as it is finished.
        evaluator : Evaluator
            Evaluates points that the study does not know.
        watch : callable
            Called with the number of finished trials and the best of them.
        """
        done = Progress()
        known: dict[Accelerator, Trial] = {}
        for generation in self._generations(done):
            points = generation.points
            new = list(dict.fromkeys(acc for acc in points if acc not in known))[: self.evaluations - len(known)]
            found = self._evaluate(new, study, evaluator, done, watch)
            known.update(found)
            self._account(done, generation, [found[acc] for acc in new])
            if len(known) >= self.evaluations:
                return done
            generation.tell([self._value(known[acc]) for acc in points], len(new))
        return done

    def _evaluate(
        self, points: list[Accelerator], study: Study, evaluator: Evaluator, done: Progress, watch: Watch
    ) -> dict[Accelerator, Trial]:
        found = {acc: trial for acc in points if (trial := study.find(acc)) is not None}
        known = [*found.values(), *([done.best] if done.best else [])]
        best = min(known, key=self._value) if known else None
        for trial in evaluator.run([acc for acc in points if acc not in found]):
            study.add(trial)
            found[trial.accelerator] = trial
            best = trial if best is None or self._value(trial) < self._value(best) else best
            watch(len(done.trials) + len(found), best)
        return found

    def _value(self, trial: Trial) -> float:
        return trial.value(self.objective)

    def _account(self, done: Progress, generation: _Generation, trials: list[Trial]) -> None:
        """Add the trials of a generation in asking order."""
        for trial in trials:
            done.trials.append(trial)
            if done.best is None or self._value(trial) < self._value(done.best):
                done.best = trial
                done.drawn = generation.drawn[generation.points.index(trial.accelerator)]

    def _generations(self, done: Progress) -> Iterator[_Generation]:
        idle_starts = 0
        while idle_starts < MOST_IDLE_STARTS:
            optimiser = self._optimiser(done.starts, done.drawn)
            done.starts += 1
            best, stale, fresh = math.inf, 0, 0
            while stale < PATIENCE:
                generation = _Generation(self, optimiser)
                yield generation
                done.generations += 1
                fresh += generation.new
                stale = 0 if generation.best < best else stale + 1
                best = min(best, generation.best)
            idle_starts = 0 if fresh else idle_starts + 1

    def _optimiser(self, start: int, best: Genotype | None) -> CatCMAwM:
        cat = require_cmaes()
        rng = np.random.default_rng([self.seed, start])
        mean, deviation = (np.array([FIRST[gene][which] for gene in GENES]) for which in range(2))
        lanes, flows = lane_choices(self.space), self.space.dataflows
        choices = [each for each in (lanes, TILE_BLOCKS) if len(each) > 1]
        middle = [(len(each) - 1) / 2 for each in choices]
        if start % 2 and best is not None:
            mean, deviation = np.clip(best.genes, 0, 1), deviation * [CLOSE[gene] for gene in GENES]
            middle = [float(each.index(best.lanes if each is lanes else best.tile_blocks)) for each in choices]
        elif start:
            mean[GENES.index("rows")] = rng.uniform(*FURTHER_ROWS)
        spread = [(len(each) - 1) / 4 for each in choices]
        return cat(
            x_space=[[0.0, 1.0]] * len(GENES), z_space=[list(range(len(each))) for each in choices],
            c_space=[len(flows)] if len(flows) > 1 else None, population_size=POPULATION, seed=int(rng.integers(2**32)),
            sigma=1.0, mean=np.concatenate([mean, middle]), cov=np.diag(np.concatenate([deviation, spread]) ** 2),
        )  # fmt: skip


class _Generation:
    """One generation: what was asked, and where to tell its values."""

    def __init__(self, search: Search, optimiser: CatCMAwM) -> None:
        self.optimiser, self.new, self.best = optimiser, 0, math.inf
        self.asked = [optimiser.ask() for _ in range(POPULATION)]
        self.drawn = [_genotype(search.space, solution) for solution in self.asked]
        self.points = [decode(search.space, drawn) for drawn in self.drawn]

    def tell(self, values: list[float], new: int) -> None:
        """Give the optimiser its values; `new` of the points had not been seen before."""
        self.new, self.best = new, min(values)
        ordered = sorted(values)
        if ordered[3 * POPULATION // 4] > ordered[POPULATION // 4]:  # the optimiser cannot scale its penalty on a plateau
            self.optimiser.tell(list(zip(self.asked, values, strict=True)))


def _genotype(space: Space, solution: Any) -> Genotype:
    lanes, flows = list(lane_choices(space)), list(space.dataflows)
    whole = [int(value) for value in solution.z]
    lane = lanes[whole[0]] if len(lanes) > 1 else lanes[0]
    flow = flows[int(np.argmax(solution.c[0]))] if len(flows) > 1 else flows[0]
    return Genotype(tuple(float(x) for x in solution.x), lane, TILE_BLOCKS[whole[-1]], flow)


def require_cmaes() -> type[CatCMAwM]:
    """Import the optimiser; raise `SpecError` naming the extra when it is missing."""
    try:
        from cmaes import CatCMAwM
    except ImportError as error:
        fix = "install it with: pip install 'systolith[dse]'"
        raise SpecError("cmaes", "not installed", "the cmaes package, to search", fix) from error
    return CatCMAwM
