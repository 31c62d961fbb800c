"""cocotb side of `sim.mutation.accelerator`: the bench of `sim.bench.bulk`, once for every mutant."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cocotb
from cocotb.clock import Clock

from dataflows.errors import CheckFailed
from sim.bench.bulk import result_of
from sim.bench.cocotb_bulk import INPUTS, run_job
from sim.mutation.accelerator import CASES, Run
from sim.mutation.verdict import failed_checks
from sim.runner import job_directory
from sim.verify import compare


async def run_layer(dut, number: int, run: Run, work: Path, bus_bytes: int) -> str:
    """Run one layer; return the checks that failed."""
    data = await run_job(dut, number, run.staged, run.job.reset)
    try:
        result = result_of(run.job, data, work / f"dump{number}.bin", bus_bytes)
    except CheckFailed:
        return "memory port"
    if run.error:
        return "" if result.error == run.error and result.finished else "refusal"
    assert run.case is not None
    return failed_checks(compare(run.case, run.acc, run.timing, run.golden, result, exact=run.exact))


@cocotb.test()
async def mutants(dut) -> None:
    """Run every layer on every mutant of job.json until a check fails."""
    work = job_directory()
    runs: list[Run] = pickle.loads((work / CASES).read_bytes())
    params = json.loads((work / "job.json").read_text())
    for name in INPUTS:
        getattr(dut, name).value = 0
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    results = []
    for number in params["order"]:
        dut.mutant.value = number
        failed, jobs = "", 0
        for at, run in enumerate(runs):
            failed, jobs = await run_layer(dut, at, run, work, params["bus_bytes"]), at + 1
            if failed:
                break
        results.append({"number": number, "failed": failed, "jobs": jobs})
    (work / "results.json").write_text(json.dumps({"runs": results}))
