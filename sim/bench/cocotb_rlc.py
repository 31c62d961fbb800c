"""cocotb side of `sim.rlc`: streams in, streams out, pauses anywhere.

A stream's ready may depend on another one's in the same cycle, so everything is driven at the falling edge and looked at when it
has settled.
"""

from __future__ import annotations

import json
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from sim.runner import job_directory


class Port:
    """One stream of the codec."""

    def __init__(self, dut, name: str) -> None:
        self.payload, self.valid, self.ready = (getattr(dut, f"{name}__{part}") for part in ("payload", "valid", "ready"))

    @property
    def moves(self) -> bool:
        """Whether a payload changes hands in this cycle."""
        return self.valid.value == 1 and self.ready.value == 1


async def run_job(dut, job: dict) -> dict:
    """Offer every payload of every feed, take what comes out; return it with its cycles, counted from 1."""
    rng, pauses = random.Random(job["seed"]), job["pauses"]
    feeds = {name: (Port(dut, name), [int(text, 16) for text in texts]) for name, texts in job["feeds"].items()}
    takes = {name: Port(dut, name) for name in job["takes"]}
    sent, offered = dict.fromkeys(feeds, 0), dict.fromkeys(feeds, False)
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in takes}
    cycle, quiet = 0, 0
    while cycle < job["timeout"] and quiet < job["quiet"]:
        cycle += 1
        for name, (port, payloads) in feeds.items():
            offered[name] = sent[name] < len(payloads) and (offered[name] or rng.random() >= pauses)
            port.valid.value = int(offered[name])
            if offered[name]:
                port.payload.value = payloads[sent[name]]
        for port in takes.values():
            port.ready.value = int(rng.random() >= pauses)
        await ReadOnly()
        quiet += 1
        for name, (port, _payloads) in feeds.items():
            if port.moves:
                sent[name], offered[name], quiet = sent[name] + 1, False, 0
        for name, port in takes.items():
            if port.moves:
                found[name].append((f"{port.payload.value.to_unsigned():x}", cycle))
                quiet = 0
        await FallingEdge(dut.clk)
    left = {name: len(payloads) - sent[name] for name, (_port, payloads) in feeds.items()}
    return {"found": found, "left": left, "fault": int(dut.fault.value)}


@cocotb.test()
async def jobs(dut) -> None:
    """Run every job of job.json, each after a reset."""
    work = job_directory()
    everything = json.loads((work / "job.json").read_text())["jobs"]
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    results = []
    for job in everything:
        for name in job["feeds"]:
            Port(dut, name).valid.value = 0
        for name in job["takes"]:
            Port(dut, name).ready.value = 0
        dut.rst.value = 1
        for _ in range(4):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        results.append(await run_job(dut, job))
    (work / "results.json").write_text(json.dumps({"jobs": results}))
