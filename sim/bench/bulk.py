"""Run whole jobs on an accelerator's Verilog: DRAM image in, outputs, cycles and counters out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import CheckFailed, SpecError
from sim.bench.top import PORTS, TOP, bench_verilog
from sim.runner import Simulator, build, run

POISON = 0xA5  # what a beat holds that neither the image nor the accelerator has written
_FAULTS = (
    "a memory request changed or went away before it was taken",
    "a memory request went beyond the memory",
    "a memory request was taken outside start .. done",
)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One run of the accelerator.

    Attributes
    ----------
    name : str
        For messages.
    image : (beats, bus_bytes) array of uint8
        DRAM contents from beat `base`.
    program_addr : int
        Beat address handed over with start.
    dump : tuple of int
        First beat and number of beats to read back; beats of the image, not addresses.
    latency, interval : int
        The memory profile (docs/hardware.md).
    stall : int
        Share of cycles, in 1/65536, in which the memory randomly refuses requests or delays data; 0 never. Cycles
        mean nothing then.
    pause : int
        Of every 1024 cycles, how many bring no read data while requests are taken; 0 never. Cycles mean nothing then.
    seed : int
        For the random stalls.
    timeout_cycles : int
        Cycles after which the run is given up.
    base : int
        Beat address of the first beat of the memory.
    reset : bool
        Reset the accelerator first; False starts it as the job before has left it (unless that one timed out).
    """

    name: str
    image: NDArray[np.uint8]
    program_addr: int = 0
    dump: tuple[int, int] = (0, 0)
    latency: int = 32
    interval: int = 1
    stall: int = 0
    pause: int = 0
    seed: int = 1
    timeout_cycles: int = 1_000_000
    base: int = 0
    reset: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class JobResult:
    """What came out.

    Attributes
    ----------
    name : str
        The job's.
    cycles : int
        From the cycle of the start pulse to the cycle of done (or the timeout).
    finished : bool
        False when the timeout struck.
    error : int
        The accelerator's error register at done.
    counters : list of int
        All 64 counters.
    dump : (n_beats, bus_bytes) array of uint8
        The beats asked for.
    cpu_seconds : float
        CPU time of the simulation between start and done.
    """

    name: str
    cycles: int
    finished: bool
    error: int
    counters: list[int]
    dump: NDArray[np.uint8]
    cpu_seconds: float

    @property
    def cycles_per_cpu_second(self) -> float:
        """Simulation speed."""
        return self.cycles / self.cpu_seconds if self.cpu_seconds > 0 else float("inf")


def run_jobs(
    verilog: str,
    bus_bytes: int,
    depth_beats: int,
    jobs: Sequence[Job],
    *,
    dut: str = "accelerator",
    waves: Path | None = None,
    simulator: Simulator = "verilator",
    timeout: float = 3600,
) -> list[JobResult]:
    """Run jobs one after the other in one simulator process.

    Parameters
    ----------
    verilog : str
        Holds module `dut`, see `sim.bench.top.bench_verilog`.
    bus_bytes, depth_beats : int
        Memory width and the least depth; images and dumps may ask for more depth.
    jobs : sequence of Job
        At least one.
    dut : str
        Top module of the accelerator.
    waves : Path, optional
        Record waves of all jobs to this file.
    simulator : str
        ``verilator`` or ``icarus``.
    timeout : float
        Seconds for all jobs together.

    Raises
    ------
    CheckFailed
        The simulation broke, or the accelerator broke the memory port's contract. A timeout in cycles is not an
        error here: see `JobResult.finished`.
    SpecError
        A malformed job or a missing tool.
    """
    for job in jobs:
        _check(job, bus_bytes)
    depth = max([depth_beats, *(len(_image(job)) for job in jobs)])
    text = bench_verilog(verilog, bus_bytes=bus_bytes, depth_beats=depth, dut=dut)
    made = build(text, TOP, PORTS, waves=waves is not None, simulator=simulator)
    with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
        work = Path(scratch)
        params = {"jobs": [staged(job, work / f"load{i}.bin") for i, job in enumerate(jobs)]}
        found = run(made, "sim.bench.cocotb_bulk", params=params, work=work, waves=waves, timeout=timeout)["jobs"]
        dumps = (work / f"dump{i}.bin" for i in range(len(jobs)))
        return [result_of(job, data, dump, bus_bytes) for job, data, dump in zip(jobs, found, dumps, strict=True)]


def _check(job: Job, bus_bytes: int) -> None:
    if job.image.dtype != np.uint8 or job.image.ndim != 2 or job.image.shape[1] != bus_bytes:
        found = f"{job.image.dtype} {job.image.shape}"
        raise SpecError(f"{job.name}.image", found, f"uint8 (beats, {bus_bytes})", "reshape the image to beats")
    ranges = {
        "latency": (1, 1000), "interval": (1, 65535), "stall": (0, 60000), "pause": (0, 900), "timeout_cycles": (1, 1 << 40),
        "base": (0, (1 << 32) - 1),
    }  # fmt: skip
    for field, (low, high) in ranges.items():
        if not low <= getattr(job, field) <= high:
            raise SpecError(f"{job.name}.{field}", getattr(job, field), f"{low} to {high}", "change the job")
    if min(job.dump) < 0:
        raise SpecError(f"{job.name}.dump", job.dump, "a first beat and a count", "change the job")


def _image(job: Job) -> NDArray[np.uint8]:
    """Return the image, stretched with poison over the beats to be read back: nothing of an earlier job shows there."""
    missing = sum(job.dump) - len(job.image)
    if missing <= 0 or not job.dump[1]:
        return job.image
    return np.vstack([job.image, np.full((missing, job.image.shape[1]), POISON, np.uint8)])


def staged(job: Job, path: Path) -> dict[str, Any]:
    """Write the image as the DRAM reads it, most significant byte first, and return the job's parameters."""
    image = _image(job)
    image[:, ::-1].tofile(path)
    return {
        "load_beats": len(image), "program_addr": job.program_addr, "dump": list(job.dump), "latency": job.latency,
        "interval": job.interval, "stall": job.stall, "pause": job.pause,
        "seed": job.seed & 0xFFFFFFFF, "timeout": job.timeout_cycles,
        "reset": int(job.reset), "base": job.base,
    }  # fmt: skip


def result_of(job: Job, data: dict[str, Any], dump: Path, bus_bytes: int) -> JobResult:
    """Return what `sim.bench.cocotb_bulk.run_job` brought back.

    Raises
    ------
    CheckFailed
        The accelerator broke the memory port's contract.
    """
    faults = [text for bit, text in enumerate(_FAULTS) if data["fault"] >> bit & 1]
    if data["file_fault"]:
        faults.append("the DRAM's files could not be read or written")
    if faults:
        raise CheckFailed(f"{job.name}: {'; '.join(faults)}")
    beats = np.fromfile(dump, np.uint8) if job.dump[1] else np.zeros(0, np.uint8)
    return JobResult(
        name=job.name, cycles=data["cycles"], finished=not data["timed_out"], error=data["error"], counters=data["counters"],
        dump=beats.reshape(job.dump[1], bus_bytes), cpu_seconds=data["cpu_seconds"],
    )  # fmt: skip
