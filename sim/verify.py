"""Verification of a complete accelerator: outputs against NumPy, cycles and counters against the cost model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.counters import COUNTERS
from dataflows.counts import count
from dataflows.errors import SpecError
from dataflows.program import place, program_beats
from dataflows.schedule import Schedule, schedule
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from rtl.export import top_name, verilog
from sim.bench.bulk import Job, JobResult, run_jobs
from sim.cases import LayerCase, random_cases
from sim.formats.dense import memory_image, unpack_outputs
from sim.golden.layer import golden_layer
from sim.runner import Simulator

SLACK_CYCLES = 10_000
"""Cycles over three times the model's after which a run counts as hung."""

WAITS = ("cycles", "wait_load", "wait_accumulator")
"""Counters that depend on when memory answers."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Outcome of one layer.

    Attributes
    ----------
    name : str
        The layer's.
    mismatches, checked : int
        Output elements that differ from the golden model, and how many there are.
    first_mismatch : str
        Where the first one is and what was found, or empty.
    cycles_rtl : int or None
        Simulated cycles; None under irregular memory timing, where they mean nothing.
    cycles_model : int
        `dataflows.schedule`.
    counts_rtl, counts_model : dict
        Performance counters by name; under irregular memory timing without those that count cycles.
    macs : int
        Multiply-accumulates of the layer.
    """

    name: str
    mismatches: int
    checked: int
    first_mismatch: str
    cycles_rtl: int | None
    cycles_model: int
    counts_rtl: dict[str, int]
    counts_model: dict[str, int]
    macs: int

    @property
    def counts_equal(self) -> bool:
        """All counters equal the model's."""
        return self.counts_rtl == self.counts_model

    @property
    def passed(self) -> bool:
        """Values, counters and, where they were measured, cycles agree."""
        return not self.mismatches and self.cycles_rtl in (None, self.cycles_model) and self.counts_equal

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        different = sorted(name for name, value in self.counts_model.items() if self.counts_rtl.get(name) != value)
        return {
            "name": self.name, "passed": self.passed, "mismatches": self.mismatches, "checked": self.checked,
            "first_mismatch": self.first_mismatch, "cycles_rtl": self.cycles_rtl, "cycles_model": self.cycles_model,
            "counts_equal": self.counts_equal, "counts_different": different, "counts_rtl": self.counts_rtl,
            "counts_model": self.counts_model, "macs": self.macs,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Outcome of a verification run."""

    simulator: str
    cases: tuple[CaseResult, ...]
    seconds: float
    cycles_per_cpu_second: float

    @property
    def passed(self) -> bool:
        """Every case passed, and there was one."""
        return bool(self.cases) and all(case.passed for case in self.cases)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of ``verify``."""
        return {
            "passed": self.passed, "simulator": self.simulator, "cases": [case.to_dict() for case in self.cases],
            "seconds": round(self.seconds, 3), "cycles_per_cpu_second": round(self.cycles_per_cpu_second),
        }  # fmt: skip


def model_counters(layer: Layer, acc: Accelerator, tiling: Tiling, timing: Schedule, table: bool = False) -> dict[str, int]:
    """Return what every performance counter must read after the layer; `table`: it has an activation table."""
    levels = count(layer, acc, tiling, program_beats(acc, table)).levels
    values = {
        "cycles": timing.cycles, "array_busy": timing.array_busy, "wait_load": timing.wait_load,
        "wait_accumulator": timing.wait_accumulator, "post_busy": timing.post_busy,
    }  # fmt: skip
    for level, tensors in levels.items():
        for tensor, entry in tensors.items():
            values |= {f"{level}_{tensor}_{way}": number for way, number in entry.items()}
    drains = values["output_buffer_outputs_writes"]
    values["accumulator_psums_drains"] = drains
    values["accumulator_psums_updates"] = values["accumulator_psums_reads"] - drains
    return {name: values[name] for name, _meaning in COUNTERS}


def verify_layers(
    acc: Accelerator, cases: Sequence[LayerCase], *, simulator: Simulator = "verilator", waves: Path | None = None,
    stall: int = 0, pause: int = 0, seed: int = 1, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Run layers on the generated Verilog and compare everything.

    Parameters
    ----------
    acc : Accelerator
        The design; its memory profile is the simulated memory's.
    cases : sequence of LayerCase
        Layers as they are mapped (flattened), tilings and tensors.
    simulator, waves :
        See `sim.bench.bulk.run_jobs`.
    stall : int
        Share of cycles, in 1/65536, in which memory randomly refuses or delays.
    pause : int
        Of every 1024 cycles, how many bring no read data. With either, cycles are not compared.
    seed : int
        For the stalls.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    SpecError
        There is no case.
    CheckFailed
        The simulation crashed.
    InfeasibleError
        A tiling does not fit.
    """
    started = time.perf_counter()
    if not cases:
        raise SpecError("cases", 0, "at least one layer", "name a layer to verify")
    jobs, expected = [], []
    for index, case in enumerate(cases):
        if progress:
            progress(index, 2 * len(cases), f"golden model of {case.name}")
        job, timing, golden = stage(case, acc, stall=stall, pause=pause, seed=seed + index)
        jobs.append(job)
        expected.append((timing, golden))
    depth = max(job.dump[0] + job.dump[1] for job in jobs)
    if progress:
        progress(len(cases), 2 * len(cases), f"building and running on {simulator}")
    results = run_jobs(verilog(acc), acc.memory.bus_bytes, depth, jobs, dut=top_name(acc), waves=waves, simulator=simulator)
    compared = tuple(
        compare(case, acc, timing, golden, result, exact=not (stall or pause))
        for case, (timing, golden), result in zip(cases, expected, results, strict=True)
    )
    cpu = sum(result.cpu_seconds for result in results)
    total = sum(result.cycles for result in results)
    return VerifyReport(simulator, compared, time.perf_counter() - started, total / cpu if cpu else 0.0)


def stage(
    case: LayerCase, acc: Accelerator, *, stall: int = 0, pause: int = 0, seed: int = 1
) -> tuple[Job, Schedule, np.ndarray]:
    """Return a case as a job in a memory that begins anywhere, its schedule and its outputs."""
    room = place(case.layer, acc, case.tiling, 0, case.table).end
    base = Random(seed).randrange((1 << 32) - room)
    image, where, _program = memory_image(case.layer, acc, case.tiling, case.tensors, base)
    timing = schedule(case.layer, acc, case.tiling, case.table)
    golden = golden_layer(case.layer, case.tensors, acc_bits=acc.array.acc_bits)
    job = Job(
        name=case.name, image=image, program_addr=where.program, dump=(where.outputs - base, where.end - where.outputs),
        latency=acc.memory.latency, interval=acc.memory.interval, stall=stall, pause=pause, seed=seed, base=base,
        timeout_cycles=(30 if stall or pause else 3) * timing.cycles + SLACK_CYCLES,
    )  # fmt: skip
    return job, timing, golden


def verify_accelerator(
    acc: Accelerator, *, cases: int = 20, seed: int = 0, simulator: Simulator = "verilator", waves: Path | None = None,
    progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Verify `acc` on `cases` random layers of all kinds that it runs, with edge tiles (see `sim.cases`)."""
    return verify_layers(acc, random_cases(acc, cases, seed), simulator=simulator, waves=waves, progress=progress)


def compare(
    case: LayerCase, acc: Accelerator, timing: Schedule, golden: np.ndarray, result: JobResult, *, exact: bool
) -> CaseResult:
    """Hold one run against golden model and cost model; if not `exact`, nothing that counts cycles."""
    model = model_counters(case.layer, acc, case.tiling, timing, case.table)
    found = unpack_outputs(case.layer, acc, result.dump)
    wrong = np.argwhere(found != golden)
    if not result.finished or result.error:
        why = "did not finish" if not result.finished else f"stopped with error {result.error}"
        wrong, first = np.argwhere(np.ones_like(golden)), why
    elif len(wrong):
        at = tuple(int(x) for x in wrong[0])
        first = f"(n, k, p, q) = {at}: found {int(found[at])}, expected {int(golden[at])}"
    else:
        first = ""
    counts = {name: result.counters[index] for index, (name, _meaning) in enumerate(COUNTERS)}
    if not exact:
        counts, model = ({k: v for k, v in each.items() if k not in WAITS} for each in (counts, model))
    cycles = result.cycles if exact else None
    return CaseResult(case.name, len(wrong), golden.size, first, cycles, timing.cycles, counts, model, case.layer.macs)
