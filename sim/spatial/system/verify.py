"""Verification of a system: outputs against the golden model, cycles and all counters against the schedule."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dataflows.counters import COUNTERS
from dataflows.spatial.system.counts import count
from dataflows.spatial.system.schedule import SystemSchedule, schedule
from dataflows.spatial.system.spec import SpatialSystem
from rtl.export import top_name
from rtl.spatial.system.export import verilog
from rtl.spatial.system.pack import fetched_beats
from sim.bench.bulk import Job, JobResult, run_jobs
from sim.memories import arbitrary_cells
from sim.runner import Simulator
from sim.spatial.system.cases import SystemCase, random_cases
from sim.spatial.system.image import memory_image
from sim.spatial.system.outputs import wrong_outputs
from sim.verify import SLACK_CYCLES, WAITS, CaseResult, VerifyReport

Progress = Callable[[int, int, str], None]


def verify_system(
    system: SpatialSystem, *, cases: int = 20, seed: int = 0, simulator: Simulator = "verilator",
    waves: Path | None = None, stall: int = 0, pause: int = 0, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Verify `system` on random layers and mappings (see `sim.spatial.system.cases`)."""
    drawn = random_cases(system, cases, seed)
    return verify_cases(system, drawn, simulator=simulator, waves=waves, stall=stall, pause=pause, seed=seed, progress=progress)


def verify_cases(
    system: SpatialSystem, cases: Sequence[SystemCase], *, simulator: Simulator = "verilator",
    waves: Path | None = None, stall: int = 0, pause: int = 0, seed: int = 0, progress: Progress | None = None,
) -> VerifyReport:  # fmt: skip
    """Run cases on the generated Verilog, one after the other without a reset, and compare everything.

    Parameters
    ----------
    system, cases : SpatialSystem, sequence of SystemCase
        The hardware and what runs on it.
    simulator, waves :
        See `sim.bench.bulk.run_jobs`.
    stall, pause : int
        How often memory refuses and pauses, see `sim.bench.bulk.Job`; with either, cycles are not compared.
    seed : int
        For the pauses.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    CheckFailed
        The simulation broke.
    """
    started = time.perf_counter()
    jobs, models = [], []
    for number, case in enumerate(cases):
        image, where = memory_image(case.program, case.tensors)
        model = schedule(case.program, where, case.codes)
        models.append(model)
        jobs.append(Job(
            name=case.name, image=image, program_addr=where.program, dump=(where.outputs, where.end - where.outputs),
            latency=system.memory.latency, interval=system.memory.interval, stall=stall, pause=pause, seed=seed + number + 1,
            timeout_cycles=(30 if stall or pause else 3) * model.cycles + SLACK_CYCLES, reset=not number,
        ))  # fmt: skip
    if progress:
        progress(0, 1, f"building and running on {simulator}")
    depth = max(job.dump[0] + job.dump[1] for job in jobs)
    text = verilog(system) if simulator == "verilator" else arbitrary_cells(verilog(system))
    results = run_jobs(text, system.memory.bus_bytes, depth, jobs, dut=top_name(system), waves=waves, simulator=simulator)
    exact = not (stall or pause)
    compared = tuple(compare(case, model, one, exact=exact) for case, model, one in zip(cases, models, results, strict=True))
    cpu, cycles = sum(one.cpu_seconds for one in results), sum(one.cycles for one in results)
    return VerifyReport(simulator, compared, time.perf_counter() - started, cycles / cpu if cpu else 0.0)


def compare(case: SystemCase, model: SystemSchedule, result: JobResult, *, exact: bool = True) -> CaseResult:
    """Hold one run against golden model and schedule; if not `exact`, nothing that counts cycles."""
    program = case.program
    golden = case.golden
    if not result.finished or result.error:
        first = "did not finish" if not result.finished else f"stopped with error {result.error}"
        wrong = golden.size
    else:
        wrong, first = wrong_outputs(program, case.tensors, golden, result.dump)
    expected = count(program, model, fetched_beats(program.system))
    counts = {name: result.counters[index] for index, (name, _meaning) in enumerate(COUNTERS)}
    if not exact:
        counts, expected = ({name: value for name, value in each.items() if name not in WAITS} for each in (counts, expected))
    cycles = result.cycles if exact else None
    return CaseResult(case.name, wrong, golden.size, first, cycles, model.cycles, counts, expected, program.layer.macs)
