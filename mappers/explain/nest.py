"""Explanations of mappings on loop-nest architectures: what larger memories and faster ports would buy, by mapping again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import evaluate
from dataflows.nest.limits import effort
from dataflows.nest.rules import Rules
from mappers.base import objective_value
from mappers.explain.model import TINY, Explanation, Proof, Worth
from mappers.explain.nest_knobs import Knob, knobs, unlimited
from mappers.explain.nest_rooms import rooms
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.optimal import OptimalMapper

__all__ = ["explain_nest"]

EVALUATIONS = 2_000_000
"""Effort of mapping once more, so that an explanation takes no more than a few times as long as hard layers do."""
Progress = Callable[[int, int, str], None]


def explain_nest(
    result: NestResult, arch: Architecture, *, rules: Rules | None = None, options: Options | None = None,
    seconds: float | None = None, mapper: OptimalMapper | None = None, progress: Progress | None = None,
) -> Explanation:  # fmt: skip
    """Explain a mapping found by `mappers.nest.optimal.OptimalMapper`.

    Limits are only ever raised, and energies stay as they are, so that no step makes anything worse, and none is worth more
    than having no limit. All limits are therefore taken away first: where that buys nothing, nothing does.

    Parameters
    ----------
    result : NestResult
        The mapping, and what is proved about it.
    arch : Architecture
        What it was found on.
    rules, options : Rules, Options, optional
        Those it was found with.
    seconds : float, optional
        Most time for mapping once more. Without it, too, `EVALUATIONS` is an end; what is not proved then is said to be so.
    mapper : OptimalMapper, optional
        Maps again.
    progress : callable, optional
        Told (done, total, text).
    """
    again = _Again(result, rules or Rules(), options or Options(), seconds, mapper or OptimalMapper(), result.interrupted)
    macs = result.layer.macs * effort(result.layer, arch).cycles
    work = math.ceil(macs / arch.pes)
    ceiling, worths = _all(again, arch, work, progress or (lambda _done, _total, _text: None))
    lower = result.value if result.bound is None else min(result.bound, result.value)
    return Explanation(
        result.layer.name, result.objective, result.value, result.cost.cycles, work, result.cost.bound,
        result.cost.times, Proof(result.space, False, result.evaluated, lower, result.gap or 0.0),
        rooms(result.layer, arch, result.mapping, result.objective, again.rules), ceiling, tuple(worths), again.interrupted,
    )  # fmt: skip


def _all(again: _Again, arch: Architecture, work: int, tick: Progress) -> tuple[Worth | None, list[Worth]]:
    """Return what no limits at all are worth and, if that is anything, what single steps are; as far as Ctrl-C lets it."""
    turns, worths = knobs(arch), list[Worth]()
    ceiling = None
    try:
        if not again.interrupted:
            tick(0, 1 + len(turns), "explain: no limits")
            floor = float(work) if again.result.objective == "latency" else 0.0
            ceiling = again.on(unlimited(arch), "all", "no limit", None, None, "", floor)
        if ceiling is not None and ceiling.most > TINY:
            for done, knob in enumerate(turns):
                if again.interrupted:
                    break
                tick(1 + done, 1 + len(turns), f"explain: {knob.field}")
                worths += _steps(again, knob, ceiling.lower)
    except KeyboardInterrupt:
        again.interrupted = True
    return ceiling, worths


def _steps(again: _Again, knob: Knob, floor: float) -> list[Worth]:
    """Return what a limit is worth: gone, and if that is worth something, by every step."""
    free = again.on(knob.turned(None), knob.field, "no limit", knob.before, None, knob.unit, floor)
    found: list[Worth] = []
    if free.most > TINY:
        for step, after in knob.steps:
            if again.interrupted:
                break
            found.append(again.on(knob.turned(after), knob.field, step, knob.before, after, knob.unit, free.lower))
    return [*found, free]


@dataclass
class _Again:
    """Maps a layer again on changed hardware."""

    result: NestResult
    rules: Rules
    options: Options
    seconds: float | None
    mapper: OptimalMapper
    interrupted: bool

    def on(
        self, arch: Architecture, what: str, step: str, before: float | None, after: float | None, unit: str, floor: float = 0.0
    ) -> Worth:
        """Return what `arch` is worth; no mapping there has a value below `floor`."""
        base, layer, objective = self.result, self.result.layer, self.result.objective
        cost = evaluate(layer, arch, base.mapping, self.rules)
        kept = objective_value(objective, cost.energy_pj, cost.cycles)
        if kept <= floor * (1 + TINY):
            return Worth(what, step, before, after, unit, base.value, kept, kept, kept)
        budget = Budget(self.seconds, EVALUATIONS)
        mapper = replace(self.mapper, start=base.mapping)
        found = mapper.map(layer, arch, objective, rules=self.rules, options=self.options, budget=budget)
        self.interrupted |= found.interrupted
        value = min(kept, found.value)
        lower = min(value, max(floor, value if found.gap == 0 else found.bound or 0.0))
        return Worth(what, step, before, after, unit, base.value, kept, value, lower)
