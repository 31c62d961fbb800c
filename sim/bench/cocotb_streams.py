"""cocotb side of `sim.spatial.run`: tags, a program and two streams in, results out.

Everything that the array shows depends on its registers alone, so one look and one change per cycle, at the falling edge, see
and make every transfer.
"""

from __future__ import annotations

import json
import random
import time

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from sim.runner import job_directory

OPERANDS = ("weights", "inputs")


class Feed:
    """One stream into the array, with random pauses."""

    def __init__(self, dut, tensor: str, beats: list[int], gaps: float, rng: random.Random) -> None:
        self.valid, self.ready, self.payload = (getattr(dut, f"{tensor}__{part}") for part in ("valid", "ready", "payload"))
        self.beats, self.gaps, self.rng, self.next = beats, gaps, rng, 0
        self.offered = False

    def cycle(self) -> None:
        """Offer the next beat, unless there is a pause; a beat that is offered stays until it is taken."""
        if self.next == len(self.beats):
            self.valid.value = 0
            return
        if not self.offered and self.rng.random() >= self.gaps:
            self.offered = True
            self.payload.value = self.beats[self.next]
        self.valid.value = int(self.offered)
        if self.offered and self.ready.value == 1:
            self.next, self.offered = self.next + 1, False


async def load(dut, job: dict) -> None:
    """Shift the tags in and present the program."""
    dut.start.value = 0
    dut.results__ready.value = 0
    for tensor in OPERANDS:
        getattr(dut, f"{tensor}__valid").value = 0
    dut.rst.value = int(job["reset"])
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    dut.tag_shift.value = 1
    for tag in job["tags"]:
        dut.tag.value = int(tag, 16)
        await FallingEdge(dut.clk)
    dut.tag_shift.value = 0
    dut.prog.value = int(job["program"], 16)


async def run_job(dut, job: dict) -> dict:
    """Run one layer; `cycles` counts from that of start to that of the last result."""
    await load(dut, job)
    rng = random.Random(job["seed"])
    feeds = [Feed(dut, tensor, [int(beat, 16) for beat in job[tensor]], job["gaps"], rng) for tensor in OPERANDS]
    before, cycle, found = time.process_time(), 0, []
    dut.start.value = 1
    while len(found) < job["results"] and cycle < job["timeout"]:
        await FallingEdge(dut.clk)
        cycle += 1
        dut.start.value = 0
        for feed in feeds:
            feed.cycle()
        take = rng.random() >= job["stalls"]
        dut.results__ready.value = int(take)
        if take and dut.results__valid.value == 1:
            found.append(f"{dut.results__payload.value.to_unsigned():x}")
    return {
        "cycles": cycle, "results": found, "beats": [feed.next for feed in feeds], "cpu_seconds": time.process_time() - before,
    }  # fmt: skip


@cocotb.test()
async def jobs(dut) -> None:
    """Run every job of job.json in order, without a reset between them unless one asks for it."""
    work = job_directory()
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    results = []
    for job in json.loads((work / "job.json").read_text())["jobs"]:
        results.append(await run_job(dut, job))
        await FallingEdge(dut.clk)
    (work / "results.json").write_text(json.dumps({"jobs": results}))
