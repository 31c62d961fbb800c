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
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer
from cocotb.utils import get_sim_time

from sim.runner import job_directory

OPERANDS = ("weights", "inputs")
PERIOD = 2  # ns
QUIET = 8
"""Cycles after the last result in which no other may come."""


class Feed:
    """One stream into the array: the words of all layers, one after the other, with random pauses."""

    def __init__(self, dut, tensor: str, beats: list[int], rng: random.Random, junk: random.Random) -> None:
        self.junk = junk
        self.valid, self.ready, self.payload = (getattr(dut, f"{tensor}__{part}") for part in ("valid", "ready", "payload"))
        self.beats, self.rng, self.next, self.offered = beats, rng, 0, False

    def cycle(self, gaps: float) -> None:
        """Offer the next beat, or junk in a pause; a beat that is offered stays until it is taken."""
        if not self.offered:
            self.offered = self.next < len(self.beats) and self.rng.random() >= gaps
            self.payload.value = self.beats[self.next] if self.offered else self.junk.getrandbits(len(self.payload))
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


def leave(dut, junk: random.Random) -> None:
    """Change what must stay while the array is busy, and not longer: the program and the tags."""
    dut.prog.value = junk.getrandbits(len(dut.prog))
    dut.tag.value = junk.getrandbits(len(dut.tag))
    dut.tag_shift.value = 1


async def run_job(dut, job: dict, feeds: list[Feed], rng: random.Random, junk: random.Random, stop: int | None = None) -> dict:
    """Run one layer until the array is idle; `cycles` counts from that of start to that of the last result.

    `busy` is the last cycle in which the array was busy, from the first on without a break. From then on the program and the
    tags are junk, and every cycle in which it is busy again counts as a result too many.

    A job with a `deadline` is given up in that cycle if results are missing: whoever sets it knows that this is too late.
    """
    await load(dut, job)
    began = [feed.next for feed in feeds]
    before, cycle, last, busy, again, found = time.process_time(), 0, 0, 0, 0, []
    dut.start.value = 1
    most, deadline = job["timeout"] if stop is None else stop, job.get("deadline")
    while cycle < most and (len(found) < job["results"] or dut.busy.value != 0 or cycle < last + QUIET):
        await FallingEdge(dut.clk)
        cycle += 1
        dut.start.value = 0
        if dut.busy.value == 1 and busy == cycle - 1:
            busy = cycle
        elif dut.busy.value == 1:
            again += 1
        else:
            leave(dut, junk)
        for feed in feeds:
            feed.cycle(job["gaps"])
        take = rng.random() >= job["stalls"]
        dut.results__ready.value = int(take)
        if cycle == deadline and len(found) < job["results"]:
            break
        if take and dut.results__valid.value == 1:
            found.append(f"{dut.results__payload.value.to_unsigned():x}")
            last = cycle
    extra = len(found[job["results"] :]) + int(dut.busy.value != 0) + again
    return {
        "cycles": last, "busy": busy, "results": found[: job["results"]], "extra": extra,
        "beats": [
            feed.next - first - job["foreign"][tensor] for tensor, feed, first in zip(OPERANDS, feeds, began, strict=True)
        ],
        "cpu_seconds": time.process_time() - before,
    }  # fmt: skip


async def run_long(dut, job: dict) -> dict:
    """Run one layer whose words are all the same and which has one result; wake up when it comes, or at the limit."""
    await load(dut, job)
    for tensor in OPERANDS:
        getattr(dut, f"{tensor}__valid").value = 1
        getattr(dut, f"{tensor}__payload").value = int(job[tensor], 16)
    dut.results__ready.value = 1
    dut.start.value = 1
    before = get_sim_time("ns")
    await FallingEdge(dut.clk)
    dut.start.value = 0
    await First(RisingEdge(dut.results__valid), Timer(PERIOD * job["limit"], "ns"))
    cycles = round((get_sim_time("ns") - before) / PERIOD + 0.25)  # a result comes half a cycle before the falling edge
    await FallingEdge(dut.clk)
    found, extra = [], 0
    for _ in range(QUIET):
        if dut.results__valid.value == 1:
            found.append(dut.results__payload.value.to_unsigned())
        await FallingEdge(dut.clk)
        extra = int(dut.busy.value != 0)
    for tensor in OPERANDS:
        getattr(dut, f"{tensor}__valid").value = 0
    return {"cycles": cycles, "results": [f"{each:x}" for each in found], "extra": extra}


@cocotb.test()
async def jobs(dut) -> None:
    """Run every job of job.json in order, after one reset, or two with the first job interrupted between them.

    Or, instead, its long jobs.
    """
    work = job_directory()
    params = json.loads((work / "job.json").read_text())
    everything = params.get("jobs", [])
    Clock(dut.clk, PERIOD, "ns", impl="gpi").start()
    await reset(dut)
    if "long" in params:
        (work / "results.json").write_text(json.dumps({"long": [await run_long(dut, job) for job in params["long"]]}))
        return
    if params["interrupt"]:
        rng = random.Random(1)
        feeds = [Feed(dut, tensor, [int(beat, 16) for beat in everything[0][tensor]], rng, rng) for tensor in OPERANDS]
        await run_job(dut, everything[0], feeds, rng, rng, params["interrupt"])
        await reset(dut)
    rng, junk = random.Random(everything[0]["seed"]), random.Random(2)
    feeds = [Feed(dut, tensor, [int(beat, 16) for job in everything for beat in job[tensor]], rng, junk) for tensor in OPERANDS]
    results = [await run_job(dut, job, feeds, rng, junk) for job in everything]
    (work / "results.json").write_text(json.dumps({"jobs": results}))
