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
QUIET = 8
"""Cycles after the last result in which no other may come."""


class Feed:
    """One stream into the array: the words of all layers, one after the other, with random pauses."""

    def __init__(self, dut, tensor: str, beats: list[int], rng: random.Random) -> None:
        self.valid, self.ready, self.payload = (getattr(dut, f"{tensor}__{part}") for part in ("valid", "ready", "payload"))
        self.beats, self.rng, self.next, self.offered = beats, rng, 0, False

    def cycle(self, gaps: float) -> None:
        """Offer the next beat, unless there is a pause; a beat that is offered stays until it is taken."""
        if self.next == len(self.beats):
            self.valid.value = 0
            return
        if not self.offered and self.rng.random() >= gaps:
            self.offered = True
            self.payload.value = self.beats[self.next]
        self.valid.value = int(self.offered)
        if self.offered and self.ready.value == 1:
            self.next, self.offered = self.next + 1, False


def idle(dut) -> None:
    """Drive every input."""
    for name in ("start", "tag_shift", "tag", "prog", "results__ready"):
        getattr(dut, name).value = 0
    for tensor in OPERANDS:
        getattr(dut, f"{tensor}__valid").value = 0
        getattr(dut, f"{tensor}__payload").value = 0


async def reset(dut) -> None:
    """Hold reset over several rising edges."""
    idle(dut)
    dut.rst.value = 1
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def load(dut, job: dict) -> None:
    """Shift the tags in and present the program."""
    dut.tag_shift.value = 1
    for tag in job["tags"]:
        dut.tag.value = int(tag, 16)
        await FallingEdge(dut.clk)
    dut.tag_shift.value = 0
    dut.prog.value = int(job["program"], 16)


async def run_job(dut, job: dict, feeds: list[Feed], rng: random.Random, stop: int | None = None) -> dict:
    """Run one layer until the array is idle; `cycles` counts from that of start to that of the last result."""
    await load(dut, job)
    began = [feed.next for feed in feeds]
    before, cycle, last, found = time.process_time(), 0, 0, []
    dut.start.value = 1
    most = job["timeout"] if stop is None else stop
    while cycle < most and (len(found) < job["results"] or dut.busy.value != 0 or cycle < last + QUIET):
        await FallingEdge(dut.clk)
        cycle += 1
        dut.start.value = 0
        for feed in feeds:
            feed.cycle(job["gaps"])
        take = rng.random() >= job["stalls"]
        dut.results__ready.value = int(take)
        if take and dut.results__valid.value == 1:
            found.append(f"{dut.results__payload.value.to_unsigned():x}")
            last = cycle
    return {
        "cycles": last, "results": found[: job["results"]], "extra": len(found[job["results"] :]) + int(dut.busy.value != 0),
        "beats": [feed.next - first for feed, first in zip(feeds, began, strict=True)],
        "cpu_seconds": time.process_time() - before,
    }  # fmt: skip


@cocotb.test()
async def jobs(dut) -> None:
    """Run every job of job.json in order, after one reset, or two with the first job interrupted between them."""
    work = job_directory()
    params = json.loads((work / "job.json").read_text())
    everything = params["jobs"]
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    await reset(dut)
    if params["interrupt"]:
        rng = random.Random(1)
        feeds = [Feed(dut, tensor, [int(beat, 16) for beat in everything[0][tensor]], rng) for tensor in OPERANDS]
        await run_job(dut, everything[0], feeds, rng, params["interrupt"])
        await reset(dut)
    rng = random.Random(everything[0]["seed"])
    feeds = [Feed(dut, tensor, [int(beat, 16) for job in everything for beat in job[tensor]], rng) for tensor in OPERANDS]
    results = [await run_job(dut, job, feeds, rng) for job in everything]
    (work / "results.json").write_text(json.dumps({"jobs": results}))
