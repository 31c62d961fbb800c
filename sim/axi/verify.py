"""Verification behind AXI: values, counts, cycles and protocol of an accelerator with its shell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.axi import LEAST_LATENCY, AxiOptions
from dataflows.bound import bound
from dataflows.errors import SpecError
from dataflows.program import program_beats
from dataflows.registers import SHELL_COUNTERS
from dataflows.schedule import Schedule, schedule
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from sim.axi.place import PlacedCase, place_cases
from sim.axi.report import AxiCase, AxiReport
from sim.axi.script import Script
from sim.bench.axi import build_axi, run_script
from sim.cases import LayerCase, random_cases
from sim.runner import Simulator
from sim.verify import WAITS, Progress, model_counters

READ_PATH_CYCLES = 4
"""Cycles that the shell adds to the latency of a beat that is a burst of its own: held, queued, on AR, register of R."""

PATIENCE, PATIENCE_CYCLES = 20, 3000
"""Times the schedule's cycles of all layers, and cycles more, after which a run counts as hung: a bus that pauses is slow."""

WRITE_PATH_CYCLES = 8
"""Cycles of the last write beat beside those of its burst and the one before: held, queued, on AW, and memory's answer."""


def verify_axi(
    acc: Accelerator, axi: AxiOptions | None = None, *, cases: int = 6, seed: int = 0, simulator: Simulator = "verilator",
    waves: Path | None = None, progress: Progress | None = None,
) -> AxiReport:  # fmt: skip
    """Verify the accelerator with its shell on random layers (`sim.cases`), error paths and resets.

    Parameters
    ----------
    acc, axi : Accelerator, AxiOptions
        The design.
    cases : int
        Layers.
    seed : int
        Of layers, placement and pauses.
    simulator, waves :
        See `sim.runner`.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    CheckFailed
        The simulation broke, or a bus model found its protocol violated.
    """
    return verify_axi_layers(
        acc, axi or AxiOptions(), random_cases(acc, cases, seed), seed=seed, simulator=simulator, waves=waves, progress=progress
    )


def verify_axi_layers(
    acc: Accelerator, axi: AxiOptions, cases: Sequence[LayerCase], *, seed: int = 0, simulator: Simulator = "verilator",
    waves: Path | None = None, progress: Progress | None = None,
) -> AxiReport:  # fmt: skip
    """Run layers behind AXI and compare everything; see `verify_axi`.

    Raises
    ------
    SpecError
        There is no case.
    """
    started = time.perf_counter()
    if not cases:
        raise SpecError("cases", 0, "at least one layer", "name a layer to verify")
    placed = place_cases(acc, axi, cases, np.random.default_rng(seed))
    # The bench's memory takes a beat in every cycle.
    acc = replace(acc, memory=replace(acc.memory, interval=1, latency=max(LEAST_LATENCY, acc.memory.latency)))
    timings = [schedule(case.layer, acc, case.tiling, case.table) for case in cases]
    least = min(range(len(cases)), key=lambda number: timings[number].cycles)
    patience = PATIENCE_CYCLES + PATIENCE * sum(timing.cycles for timing in timings)
    script = Script(acc, axi, placed, seed, patience)
    script.begin()
    script.accesses()
    script.alone()
    script.queued()
    script.unanswered(placed[least], 2 * limit(acc, axi, cases[least].layer, cases[least].tiling, cases[least].table))
    script.failures(placed[least])
    script.resets(placed[least], timings[least].cycles)
    if progress:
        progress(0, 2, f"building for {simulator}")
    made = build_axi(acc, axi, simulator=simulator, waves=waves is not None)
    if progress:
        progress(1, 2, f"running on {simulator}")
    found, dumps = run_script(made, script.steps, script.files, waves=waves)
    results, totals = _cases(script, timings, found, dumps)
    checks = [*script.checks(found), ("totals of the queue", totals)]
    checks += [
        (f"outputs {name.replace('_', ' ')}", placed[least].mismatches(acc, dump)[0] == 0)
        for name, dump in dumps.items() if name.startswith("after")
    ]  # fmt: skip
    return AxiReport(simulator, tuple(results), tuple(checks), time.perf_counter() - started)


def _cases(script: Script, timings: list[Schedule], found: list[Any], dumps: dict[str, bytes]) -> tuple[list[AxiCase], bool]:
    """Return the outcome of each layer, and whether the queue's totals are the sums of the models'."""
    results, sums, acc = [], {}, script.acc
    for number, (case, timing) in enumerate(zip(script.placed, timings, strict=True)):
        exact = case.schedule(acc, script.axi)
        model = model_counters(case.case.layer, acc, case.case.tiling, exact, case.case.table)
        sums = {name: sums.get(name, 0) + value for name, value in model.items() if name not in WAITS}
        counters = script.counters(found, f"last{number}")
        model |= {name: getattr(exact, name) for name, _meaning in SHELL_COUNTERS}
        results.append(_case(script, case, timing, model, counters, [dumps[f"alone{number}"], dumps[f"queued{number}"]]))
    total = script.counters(found, "total")
    return results, {name: total[name] for name in sums} == sums


def _case(
    script: Script, placed: PlacedCase, timing: Schedule, model: dict[str, int], counters: dict[str, int], dumps: list[bytes]
) -> AxiCase:
    acc, layer, tiling, table = script.acc, placed.case.layer, placed.case.tiling, placed.case.table
    wrong = [placed.mismatches(acc, dump) for dump in dumps]
    return AxiCase(
        name=placed.case.name, mismatches=sum(number for number, _where in wrong), checked=len(dumps) * placed.golden.size,
        first_mismatch=next((where for _number, where in wrong if where), ""), cycles_axi=counters["axi_cycles"],
        cycles_exact=model["axi_cycles"], cycles_model=timing.cycles,
        cycles_bound=bound(layer, acc, tiling, program_beats=program_beats(acc, table)).cycles,
        cycles_limit=limit(acc, script.axi, layer, tiling, table) + counters["axi_read_wait"] + counters["axi_write_wait"],
        read_wait=counters["axi_read_wait"], write_wait=counters["axi_write_wait"],
        counts_equal=counters == model,
    )  # fmt: skip


def limit(acc: Accelerator, axi: AxiOptions, layer: Layer, tiling: Tiling, table: bool = False) -> int:
    """Return the most cycles of a layer behind AXI if nothing ever waits for the bus (docs/axi.md, "Cycles").

    The memory must answer a read after `acc.memory.latency` cycles, a write within three, and take or give a beat per
    direction in every cycle.
    """
    latency = acc.memory.latency + READ_PATH_CYCLES + axi.burst_beats - 1
    slow = replace(acc, memory=replace(acc.memory, latency=latency))
    return schedule(layer, slow, tiling, table).cycles + 2 * axi.burst_beats + WRITE_PATH_CYCLES
