"""cocotb side of `sim.mutation.arrays`: the bench of `sim.bench.cocotb_streams`, once for every mutant."""

from __future__ import annotations

import json
import pickle
import random

import cocotb
from cocotb.clock import Clock

from sim.bench.cocotb_streams import OPERANDS, Feed, reset, run_job, run_long
from sim.mutation.arrays import CASES, Pass
from sim.mutation.verdict import failed_checks
from sim.runner import job_directory
from sim.spatial.long import LongLoop
from sim.spatial.run import collect
from sim.spatial.verify import compare, compare_long


async def run_pass(dut, one: Pass) -> tuple[str, int]:
    """Run the layers of a pass until one fails; return the check that failed, or nothing, and how many ran."""
    junk = random.Random(2)
    await reset(dut)
    if one.interrupt:
        rng = random.Random(1)
        feeds = [Feed(dut, tensor, [int(beat, 16) for beat in one.jobs[0][tensor]], rng, junk) for tensor in OPERANDS]
        await run_job(dut, one.jobs[0], feeds, rng, junk, one.interrupt)
        await reset(dut)
    rng = random.Random(one.jobs[0]["seed"])
    feeds = [Feed(dut, tensor, list(one.beats[tensor]), rng, junk) for tensor in OPERANDS]
    for at, (job, case, known) in enumerate(zip(one.jobs, one.cases, one.known, strict=True), 1):
        data = await run_job(dut, job, feeds, rng, junk)
        found = compare(case, collect(case.program, data), exact=one.exact, known=known)
        if not found.passed:
            return failed_checks(found), at
    return "", len(one.jobs)


async def run_loops(dut, loops: list[LongLoop]) -> tuple[str, int]:
    """Run long loops until one fails; as `run_pass`."""
    await reset(dut)
    for at, loop in enumerate(loops, 1):
        found = compare_long(loop, await run_long(dut, loop.job))
        if not found.passed:
            return failed_checks(found), at
    return "", len(loops)


@cocotb.test()
async def mutants(dut) -> None:
    """Run every pass on every mutant of job.json until a check fails, and long loops on those that may need them."""
    work = job_directory()
    passes, loops = pickle.loads((work / CASES).read_bytes())
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    results = []
    params = json.loads((work / "job.json").read_text())
    for number in params["order"]:
        dut.mutant.value = number
        failed, jobs = "", 0
        for one in passes:
            failed, ran = await run_pass(dut, one)
            jobs += ran
            if failed:
                break
        if not failed and number in params["loops"]:
            failed, ran = await run_loops(dut, loops)
            jobs += ran
        results.append({"number": number, "failed": failed, "jobs": jobs})
    (work / "results.json").write_text(json.dumps({"runs": results}))
