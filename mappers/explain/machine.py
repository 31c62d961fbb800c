"""Explanations of tilings on our own accelerators: what larger buffers and a wider bus would buy, by mapping again."""

from __future__ import annotations

import math
from collections.abc import Callable

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
from mappers.explain.model import Explanation, Proof, Worth
from mappers.optimal import OptimalMapper

__all__ = ["explain_machine"]

Progress = Callable[[int, int, str], None]


def explain_machine(
    result: MapResult, acc: Accelerator, *, mapper: OptimalMapper | None = None, progress: Progress | None = None
) -> Explanation:
    """Explain a tiling found by `mappers.optimal.OptimalMapper.exactly`.

    Larger buffers take more energy to access and leak more: a step can be worth less than nothing, what another mapping saves
    cannot (`Worth.by_mapping`).

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
    asked, worths, stopped = steps(acc), list[Worth](), result.interrupted
    for done, step in enumerate(asked):
        if stopped:
            break
        tick(done, len(asked), f"explain: {step.field}")
        worth, stopped = _worth(result, step, mapper)
        worths.append(worth)
    layer, gap, objective = result.layer, result.gap or 0.0, result.objective
    busy = bound(layer, acc, result.tiling, count(layer, acc, result.tiling, program_beats(acc)))
    times = {"compute": busy.compute, "scale_buffer": busy.post, "dram": busy.dram}
    return Explanation(
        layer.name, objective, result.value, result.cost.latency_cycles, math.ceil(result.cost.macs / acc.array.macs),
        busy.binds, times, Proof(float(tilings(layer, acc)), result.evaluated, result.value / (1 + gap), gap),
        rooms(layer, acc, result.tiling, lambda tiling: _value(layer, acc, tiling, objective)), None, tuple(worths), stopped,
    )  # fmt: skip


def _worth(result: MapResult, step: Step, mapper: OptimalMapper) -> tuple[Worth, bool]:
    layer, objective = result.layer, result.objective
    kept = _value(layer, step.changed, result.tiling, objective)
    found = mapper.exactly(layer, step.changed, objective)
    value = min(kept, found.value)
    lower = min(value, found.value / (1 + (found.gap or 0.0)))
    worth = Worth(step.field, step.text, step.before, step.after, step.unit, result.value, kept, value, lower)
    return worth, found.interrupted


def _value(layer: Layer, acc: Accelerator, tiling: Tiling, objective: Objective) -> float:
    """Return the objective of a tiling by exact cycles."""
    cycles = native_cycles(layer, acc, tiling)
    cost = evaluate(layer, acc, tiling, technology(), cycles=cycles, program_beats=program_beats(acc))
    return objective_value(objective, cost.energy_pj, cost.latency_cycles)
