"""cocotb side of test_dram: a random master and a model of the memory, cycle by cycle."""

from __future__ import annotations

import json
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from sim.runner import job_directory


async def exercise(dut, job: dict) -> dict:
    """Drive random requests; return what went wrong first, and how the memory behaved."""
    chance = random.Random(job["seed"])
    model: dict[int, int] = {}
    expected: list[tuple[int, int]] = []  # (cycle of acceptance, data), oldest first
    for name in ("latency", "interval", "stall"):
        getattr(dut, f"cfg_{name}").value = job[name]
    dut.cfg_pause.value = 0
    dut.cfg_seed.value = job["seed"]
    dut.req_valid.value = 0
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    stats = {"wrong": "", "reads": 0, "refused": 0, "late": 0, "fault": 0}
    last, request = -(10**9), None
    for cycle in range(job["cycles"]):
        # One falling edge per cycle: outputs belong to this cycle, inputs set here are taken at the next rising edge.
        await FallingEdge(dut.clk)
        if request is None and chance.random() < job["eagerness"]:
            # First write every address once, then mix.
            write = len(model) < 16 or chance.random() < 0.4
            request = (write, len(model) if len(model) < 16 else chance.randrange(16), chance.getrandbits(64))
            dut.req_write.value, dut.req_addr.value, dut.req_data.value = int(write), request[1], request[2]
        dut.req_valid.value = int(request is not None)
        ready = int(dut.req_ready.value)
        due = cycle >= last + job["interval"]
        if ready != due:
            stats["refused"] += due
            if ready or not job["stall"]:
                stats["wrong"] = stats["wrong"] or f"cycle {cycle}: ready {ready}, last request in {last}"
        if int(dut.rsp_valid.value):
            asked, data = expected.pop(0) if expected else (cycle, None)
            stats["reads"] += 1
            lateness = cycle - asked - job["latency"]
            stats["late"] += lateness > 0
            if int(dut.rsp_data.value) != data or lateness < 0 or (lateness and not job["stall"]):
                stats["wrong"] = stats["wrong"] or f"cycle {cycle}: read of cycle {asked}, late by {lateness}"
        elif expected and not job["stall"] and cycle >= expected[0][0] + job["latency"]:
            stats["wrong"] = stats["wrong"] or f"cycle {cycle}: no data for cycle {expected[0][0]}"
        if request and ready:
            write, address, value = request
            if write:
                model[address] = value
            else:
                expected.append((cycle, model[address]))
            last, request = cycle, None
    stats["fault"] = int(dut.fault.value)
    return stats


@cocotb.test()
async def dram(dut) -> None:
    """Run every job of job.json."""
    idle = ("rst", "load", "dump", "load_beats", "dump_first", "dump_beats", "req_valid", "req_write", "req_addr", "req_data")
    for name in idle:
        getattr(dut, name).value = 0
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    work = job_directory()
    results = [await exercise(dut, job) for job in json.loads((work / "job.json").read_text())["jobs"]]
    (work / "results.json").write_text(json.dumps(results))
