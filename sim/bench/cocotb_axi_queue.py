"""cocotb side of `sim.bench.axi_queue`: an AXI4-Lite host (cocotbext-axi) that sleeps while layers run."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, First, RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from sim.bench.axi_top import MONITORED
from sim.runner import job_directory

PERIOD_NS = 2


async def hold(dut: Any, **values: int) -> None:
    """Set inputs at a falling edge, so that no rising edge sees them half-way."""
    await FallingEdge(dut.aclk)
    for name, value in values.items():
        getattr(dut, name).value = value


class Host:
    """Register accesses by offset."""

    def __init__(self, dut: Any, at: dict[str, int]) -> None:
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, dut.aresetn, reset_active_level=False)
        self.at = at

    async def write(self, register: str, value: int) -> None:
        """Write a register."""
        await self.bus.write_dword(self.at[register], value)

    async def read(self, register: str) -> int:
        """Read a register."""
        return await self.bus.read_dword(self.at[register])

    async def bank(self, offset: int, words: int) -> list[int]:
        """Read a bank of counters."""
        return [await self.bus.read_dword(offset + 4 * i) for i in range(words)]


class Span:
    """Nanoseconds from the first address taken to the last rise of irq."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.first, self.last = dut, 0.0, 0.0
        cocotb.start_soon(self._begin())
        cocotb.start_soon(self._end())

    async def _begin(self) -> None:
        await self.dut.open_reads.value_change
        self.first = get_sim_time("ns")

    async def _end(self) -> None:
        while True:
            await RisingEdge(self.dut.irq)
            self.last = get_sim_time("ns")

    def cycles(self) -> int:
        """Return it in cycles."""
        return round((self.last - self.first) / PERIOD_NS) if self.first else 0


async def run_layers(dut: Any, host: Host, job: dict, cycles: dict[int, int]) -> float:
    """Keep the queue full until every layer has completed or one has failed; return the nanoseconds that took.

    Between two layers the cycles of the one before are noted: a handful of accesses, far fewer cycles than any layer takes.
    """
    waiting, started = list(job["programs"]), get_sim_time("ns")
    await host.write("interrupt_enable", job["irq"])
    while True:
        for _ in range(min(len(waiting), await host.read("queue_free"))):
            await host.write("queue", waiting.pop(0))
        if not dut.irq.value:
            await First(RisingEdge(dut.irq), ClockCycles(dut.aclk, job["timeout"]))
        status = await host.read("status")
        completed = await host.read("completed")
        low, high = await host.bank(job["last_cycles"], 2)
        cycles[completed] = high << 32 | low
        over = not status or status & job["error"] or completed == len(job["programs"])
        await host.write("status", status & ~job["error"])
        await ClockCycles(dut.aclk, 2)
        if over:
            return get_sim_time("ns") - started


@cocotb.test()
async def layers(dut: Any) -> None:
    """Load memory, run the queue, read counters, dump memory."""
    work = job_directory()
    job = json.loads((work / "job.json").read_text())
    logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)
    for name in ("load", "dump", "load_beats", "dump_first", "dump_beats", "cfg_latency", "cfg_base", "aclk"):
        getattr(dut, name).value = job.get(name, 0)
    dut.aresetn.value = 1
    await Timer(PERIOD_NS, "ns")
    host = Host(dut, job["at"])
    await Timer(PERIOD_NS, "ns")
    dut.aresetn.value = 0
    await Timer(PERIOD_NS, "ns")
    Clock(dut.aclk, PERIOD_NS, "ns", impl="gpi").start()
    await hold(dut, load=1, load_beats=job["beats"])
    await hold(dut, load=0)
    await ClockCycles(dut.aclk, 4)
    await hold(dut, aresetn=1)
    await ClockCycles(dut.aclk, 2)
    await host.write("base_low", job["cfg_base"] & 0xFFFFFFFF)
    await host.write("base_high", job["cfg_base"] >> 32)
    before, span = time.process_time(), Span(dut)
    cycles: dict[int, int] = {}
    nanoseconds = await run_layers(dut, host, job, cycles)
    seconds = time.process_time() - before
    found = {name: await host.read(name) for name in ("completed", "error", "error_index", "status")}
    found |= {bank: await host.bank(offset, job["words"]) for bank, offset in job["banks"].items()}
    await hold(dut, dump=1)
    await hold(dut, dump=0)
    await FallingEdge(dut.aclk)
    found |= {name: int(getattr(dut, name).value) for name in MONITORED}
    layer_cycles = [cycles.get(number + 1) for number in range(found["completed"])]
    found |= {
        "span": span.cycles(), "cycles": int(nanoseconds) // PERIOD_NS, "layer_cycles": layer_cycles,
        "cpu_seconds": seconds, "file_fault": bool(dut.file_fault.value),
    }  # fmt: skip
    (work / "results.json").write_text(json.dumps(found))
