"""Mutation run of a complete accelerator: its own bench, layer by layer, on every mutant."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.schedule import Schedule
from rtl.accelerator.top import ERROR_PROGRAM, AcceleratorTop
from rtl.emit import SRAM_1R1W
from rtl.export import prefix, top_name
from rtl.library import Modules
from sim.bench.bulk import Job, staged
from sim.bench.top import PORTS, TOP, bench_verilog
from sim.cases import LayerCase, random_cases
from sim.large import large_cases
from sim.mutation.mutants import SELECT, SELECT_BITS, Mutants, draw
from sim.mutation.verdict import Verdict, order, verdicts
from sim.runner import build, run
from sim.verify import stage

__all__ = ["ARRAY", "CASES", "CONTROL", "Run", "accelerator_mutants", "accelerator_runs", "run_accelerator"]

CASES = "cases.pickle"
CONTROL = (
    "program_registers", "fetch", "sequencer", "load_requests", "load_responses", "issue", "bus_order", "post_process", "store",
    "load_queue", "compute_queue", "post_queue", "store_queue",
)  # fmt: skip
ARRAY = ("array",)
"""Parts of the accelerator."""
IRREGULAR: tuple[dict[str, int], ...] = ({"stall": 20_000}, {"pause": 300})
MOST = 60
LATE = 16
"""Cycles after the model's last one in which a layer that has not ended has failed, whatever comes."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One layer on the bench.

    Attributes
    ----------
    job, staged : Job, dict
        As the bench takes it.
    acc : Accelerator
    case : LayerCase
    timing, golden : Schedule, ndarray
        What must come out.
    exact : bool
        Whether cycles are compared.
    error : int
        The error that must be reported instead of outputs; 0 for a layer.
    """

    job: Job
    staged: dict[str, Any]
    acc: Accelerator
    case: LayerCase
    timing: Schedule
    golden: np.ndarray
    exact: bool
    error: int = 0


def accelerator_mutants(acc: Accelerator, number: int, seed: int, parts: Sequence[str]) -> Mutants:
    """Draw mutants of parts of an accelerator; see `sim.mutation.mutants.draw`."""
    top = top_name(acc)
    modules = Modules(prefix=f"{prefix(acc)}_", source=True)
    modules.add(top, AcceleratorTop(acc=acc, modules=modules))
    return draw(modules, top, number, seed, only=parts, extra=[SRAM_1R1W])


def accelerator_runs(acc: Accelerator, seed: int, number: int = MOST) -> list[tuple[Job, LayerCase, Schedule, np.ndarray, int]]:
    """Return what `verify_layers` runs: on a regular memory, after a reset and without; on irregular ones; no program; large."""
    found = []
    for at, case in enumerate(_small_first(random_cases(acc, number, seed))):
        job, timing, golden = stage(case, acc, seed=seed + at)
        job = replace(job, reset=at % 3 == 0, timeout_cycles=timing.cycles + LATE)
        found.append((job, case, timing, golden, 0))
    broken = found[0][0].image.copy()
    broken[0, seed % 4] ^= 1 << seed % 8
    found.append((replace(found[0][0], image=broken, reset=False), *found[0][1:4], ERROR_PROGRAM))
    found.append(found[1])
    for at, memory in enumerate(IRREGULAR):
        for case in _small_first(random_cases(acc, number // 3, seed + 1 + at)):
            found.append((*_staged(case, acc, memory, seed + at), 0))
    for case in large_cases(acc, seed):
        job, timing, golden = stage(case, acc, seed=seed)
        found.append((replace(job, timeout_cycles=timing.cycles + LATE), case, timing, golden, 0))
    return found


def run_accelerator(
    acc: Accelerator, drawn: Mutants, todo: Sequence[tuple[Job, LayerCase, Schedule, np.ndarray, int]], timeout: float = 36000
) -> list[Verdict]:
    """Run every layer on every mutant until a check fails.

    Raises
    ------
    CheckFailed
        The simulation broke, or the design without mutants fails.
    """
    text = "\n".join([drawn.verilog, SRAM_1R1W.read_text(encoding="utf-8")])
    depth = max(sum(job.dump) for job, *_ in todo)
    inputs = {SELECT: SELECT_BITS}
    bench = bench_verilog(text, bus_bytes=acc.memory.bus_bytes, depth_beats=depth, dut=drawn.top, inputs=inputs)
    made = build(bench, TOP, [*PORTS, SELECT])
    with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
        work = Path(scratch)
        runs = []
        for at, (job, case, timing, golden, error) in enumerate(todo):
            data = staged(job, work / f"load{at}.bin")
            exact = not (job.stall or job.pause)
            small = replace(job, image=job.image[:0])
            runs.append(Run(small, data, acc, case, timing, golden, exact, error))
        (work / CASES).write_bytes(pickle.dumps(runs))
        params = {"order": order(drawn.mutants), "bus_bytes": acc.memory.bus_bytes}
        found = run(made, "sim.mutation.cocotb_bulk", params=params, work=work, timeout=timeout)
    return verdicts(drawn.mutants, found["runs"])


def _staged(case: LayerCase, acc: Accelerator, memory: dict[str, int], seed: int) -> tuple[Job, LayerCase, Schedule, np.ndarray]:
    job, timing, golden = stage(case, acc, seed=seed, **memory)
    return job, case, timing, golden


def _small_first(cases: list[LayerCase]) -> list[LayerCase]:
    """Most mutants fail on any layer, so the quick ones come first."""
    return sorted(cases, key=lambda case: case.layer.macs)
