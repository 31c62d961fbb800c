"""cocotb side of `sim.bench.bulk`: runs inside the simulator, woken a few times per job and never per cycle."""

from __future__ import annotations

import json
import time

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from sim.bench.top import COUNTER_BITS, COUNTERS
from sim.runner import job_directory

INPUTS = (
    "rst", "go", "cfg_program_addr", "cfg_base", "cfg_latency", "cfg_interval", "cfg_stall", "cfg_pause", "cfg_seed",
    "cfg_timeout", "load", "load_beats", "dump", "dump_first", "dump_beats",
)  # fmt: skip
CONFIG = ("program_addr", "base", "latency", "interval", "stall", "pause", "seed", "timeout")


async def hold(dut, **values: int) -> None:
    """Set inputs at a falling edge, so that no rising edge sees them half-way."""
    await FallingEdge(dut.clk)
    for name, value in values.items():
        getattr(dut, name).value = value


async def run_job(dut, number: int, job: dict, reset: bool) -> dict:
    """Load, start, wait once, read back; return what `sim.bench.bulk.JobResult` is made of."""
    work = job_directory()
    (work / "load.bin").unlink(missing_ok=True)
    (work / "load.bin").hardlink_to(work / f"load{number}.bin")
    config = {f"cfg_{name}": job[name] for name in CONFIG}
    await hold(dut, rst=int(reset), load=1, load_beats=job["load_beats"], **config)
    await hold(dut, load=0)
    await hold(dut)
    await hold(dut, rst=0)
    before = time.process_time()
    await hold(dut, go=1)
    await RisingEdge(dut.finished)
    seconds = time.process_time() - before
    await hold(dut, go=0, dump=1, dump_first=job["dump"][0], dump_beats=job["dump"][1])
    await hold(dut, dump=0)
    await FallingEdge(dut.clk)
    if job["dump"][1]:
        (work / "dump.bin").replace(work / f"dump{number}.bin")
    packed = dut.counters.value.to_unsigned()
    mask = (1 << COUNTER_BITS) - 1
    return {
        "cycles": int(dut.cycles.value),
        "timed_out": bool(dut.timed_out.value),
        "error": int(dut.error.value),
        "fault": int(dut.fault.value),
        "file_fault": bool(dut.file_fault.value),
        "counters": [packed >> (COUNTER_BITS * i) & mask for i in range(COUNTERS)],
        "cpu_seconds": seconds,
    }


@cocotb.test()
async def jobs(dut) -> None:
    """Run every job of job.json in order."""
    work = job_directory()
    for name in INPUTS:
        getattr(dut, name).value = 0
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    results = []
    for number, job in enumerate(json.loads((work / "job.json").read_text())["jobs"]):
        reset = job["reset"] or number == 0 or results[-1]["timed_out"]
        results.append(await run_job(dut, number, job, bool(reset)))
    (work / "results.json").write_text(json.dumps({"jobs": results}))
