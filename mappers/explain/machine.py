"""Explanations of tilings on our own accelerators: what larger buffers and a wider bus would buy, by mapping again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from dataflows.arch import Accelerator
from dataflows.bound import bound
from dataflows.cost import evaluate
from dataflows.counts import count
from dataflows.program import program_beats
from dataflows.tech import technology
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from mappers.base import MapResult, Objective, native_cycles, objective_value
from mappers.explain.machine_knobs import Step, steps
from mappers.explain.machine_rooms import rooms, tilings
from mappers.explain.model import TINY, Explanation, Proof, Worth
from mappers.optimal import OptimalMapper

__all__ = ["explain_machine"]

Progress = Callable[[int, int, str], None]


def explain_machine(
    result: MapResult, acc: Accelerator, *, mapper: OptimalMapper | None = None, progress: Progress | None = None
) -> Explanation:
    """Explain a tiling found by `mappers.optimal.OptimalMapper.exactly`.

    Larger buffers take more energy to access and leak more: a step can be worth less than nothing, what another mapping saves
    cannot (`Worth.by_mapping`). Where a larger buffer lets another mapping be better, the least that does is looked for, too.

    Parameters
    ----------
    result : MapResult
        The tiling, with exact cycles, and what is proved about it.
    acc : Accelerator
        What it was found on.
    mapper : OptimalMapper, optional
        Maps again.
    progress : callable, optional
        Told (done, total, text).
    """
    mapper, tick = mapper or OptimalMapper(), progress or (lambda _done, _total, _text: None)
    again, worths = _Again(result, mapper, result.interrupted), list[Worth]()
    try:
        _steps(again, acc, worths, tick)
    except KeyboardInterrupt:
        again.interrupted = True
    layer, gap, objective = result.layer, result.gap or 0.0, result.objective
    busy = bound(layer, acc, result.tiling, count(layer, acc, result.tiling, program_beats(acc)))
    times = {"compute": busy.compute, "scale_buffer": busy.post, "dram": busy.dram}
    return Explanation(
        layer.name, objective, result.value, result.cost.latency_cycles, math.ceil(result.cost.macs / acc.array.macs),
        busy.binds, times, Proof(float(tilings(layer, acc)), True, result.evaluated, result.value / (1 + gap), gap),
        rooms(layer, acc, result.tiling, lambda tiling: _value(layer, acc, tiling, objective)), None, tuple(worths),
        again.interrupted,
    )  # fmt: skip


def _steps(again: _Again, acc: Accelerator, worths: list[Worth], tick: Progress) -> None:
    """Append what all steps are worth, until Ctrl-C."""
    asked = steps(acc)
    for done, step in enumerate(asked):
        if again.interrupted:
            return
        tick(done, len(asked), f"explain: {step.field}")
        worth = again.on(step)
        first = worth.by_mapping > TINY and not any(each.field == step.field and each.by_mapping > TINY for each in worths)
        if first and step.unit == "words" and (least := _least(again, acc, step)) is not None:
            worths.append(least)
        worths.append(worth)


def _least(again: _Again, acc: Accelerator, step: Step) -> Worth | None:
    """Return the worth of the least words with which another mapping is better, where that is less than `step`.

    Found by halving: with a word less none is better.
    """
    low, high, found = step.before, step.after, None
    while high - low > 1 and not again.interrupted:
        middle = (low + high) // 2
        text = "least for another mapping"
        worth = again.on(Step(step.field, text, step.before, middle, step.unit, replace(acc, **{step.field: middle})))
        if worth.by_mapping > TINY:
            high, found = middle, worth
        else:
            low = middle
    return found


@dataclass
class _Again:
    """Maps a layer again on changed hardware."""

    result: MapResult
    mapper: OptimalMapper
    interrupted: bool

    def on(self, step: Step) -> Worth:
        """Return what a step is worth."""
        layer, objective = self.result.layer, self.result.objective
        kept = _value(layer, step.changed, self.result.tiling, objective)
        found = self.mapper.exactly(layer, step.changed, objective)
        self.interrupted |= found.interrupted
        value = min(kept, found.value)
        lower = min(value, found.value / (1 + (found.gap or 0.0)))
        return Worth(step.field, step.text, step.before, step.after, step.unit, self.result.value, kept, value, lower)


def _value(layer: Layer, acc: Accelerator, tiling: Tiling, objective: Objective) -> float:
    """Return the objective of a tiling by exact cycles."""
    cycles = native_cycles(layer, acc, tiling)
    cost = evaluate(layer, acc, tiling, technology(), cycles=cycles, program_beats=program_beats(acc))
    return objective_value(objective, cost.energy_pj, cost.latency_cycles)
