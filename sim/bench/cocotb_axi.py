"""cocotb side of `sim.bench.axi`: an AXI4-Lite host and an AXI4 memory (cocotbext-axi) that follow a script."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, First, ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from dataflows.axi import LEAST_LATENCY
from sim.bench.axi_top import MONITORED, TRY_CYCLES
from sim.runner import job_directory

PERIOD_NS = 2
LONGEST_PAUSE = 12


class DelayedAddresses:
    """Stands for the memory's AR channel: an address is handed on `latency` cycles after it was taken, pipelined."""

    def __init__(self, channel: Any, latency: int) -> None:
        self.channel, self.latency, self.waiting = channel, latency, Queue()
        cocotb.start_soon(self._collect())

    async def _collect(self) -> None:
        while True:
            address = await self.channel.recv()
            # What is ready before clock edge latency - 1 is driven there and taken at the next.
            due = get_sim_time("ns") + (self.latency - 1) * PERIOD_NS - PERIOD_NS // 2
            self.waiting.put_nowait((address, due))

    async def recv(self) -> Any:
        """Return the next address when its time has come."""
        address, due = await self.waiting.get()
        wait = due - get_sim_time("ns")
        if wait > 0:
            await Timer(wait, "ns")
        return address

    def clear(self) -> None:
        """Forget all addresses."""
        self.channel.clear()
        while not self.waiting.empty():
            self.waiting.get_nowait()


class Bench:
    """Host, memory and script steps; every step is a method and returns what goes to the results."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, dut.aresetn, reset_active_level=False)
        bus = AxiBus.from_prefix(dut, "m_axi")
        size = 1 << min(62, len(dut.m_axi_araddr))  # the model's size must fit what Python calls a length
        self.memory = AxiRam(bus, dut.aclk, dut.aresetn, reset_active_level=False, size=size)
        reads, writes = self.memory.read_if, self.memory.write_if
        self.addresses = reads.ar_channel = DelayedAddresses(reads.ar_channel, LEAST_LATENCY)
        self.paused = [
            self.addresses.channel, reads.r_channel, writes.aw_channel, writes.w_channel, writes.b_channel,
            self.host.write_if.aw_channel, self.host.write_if.w_channel, self.host.write_if.b_channel,
            self.host.read_if.ar_channel, self.host.read_if.r_channel,
        ]  # fmt: skip
        self.faults: dict[str, range] = {"read": range(0), "write": range(0)}
        self._guard(reads, "_read", "read")
        self._guard(writes, "_write", "write")

    def _guard(self, side: Any, method: str, kind: str) -> None:
        """Let accesses to the addresses of ``self.faults[kind]`` fail; the memory model answers SLVERR then."""
        whole = getattr(side, method)

        async def guarded(address: int, what: Any) -> Any:
            if address in self.faults[kind]:
                raise ValueError("an address without memory")
            return await whole(address, what)

        setattr(side, method, guarded)

    async def reset(self) -> None:
        """Hold reset for some cycles."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def timing(self, latency: int, pause: float, seed: int) -> None:
        """Set how the memory behaves: regular, with `latency`, or with random pauses on every channel."""
        self.addresses.latency = latency
        for number, channel in enumerate(self.paused):
            channel.clear_pause_generator()
            channel.pause = False
            if pause:
                channel.set_pause_generator(_pauses(random.Random(f"{seed}.{number}"), pause))

    async def answer_writes(self, on: bool) -> None:
        """Hold all write responses back, or let them go."""
        self.memory.write_if.b_channel.pause = not on

    async def fail(self, kind: str, first: int, size: int) -> None:
        """Let accesses to these byte addresses fail from now on."""
        self.faults[kind] = range(first, first + size)

    async def load(self, address: int, file: str) -> None:
        """Write a file into memory."""
        self.memory.write(address, (job_directory() / file).read_bytes())

    async def dump(self, address: int, size: int, file: str) -> None:
        """Read memory into a file."""
        content: Any = self.memory.read(address, size)
        (job_directory() / file).write_bytes(content)

    async def write(self, offset: int, value: int, size: int = 4) -> int:
        """Write the low `size` bytes to a register; return BRESP."""
        return int((await self.host.write(offset, value.to_bytes(size, "little"))).resp)

    async def read(self, offset: int) -> list[int]:
        """Read a register; return value and RRESP."""
        found = await self.host.read(offset, 4)
        return [int.from_bytes(found.data, "little"), int(found.resp)]

    async def read_block(self, offset: int, words: int) -> list[int]:
        """Read registers one after the other, in order of offset."""
        return [(await self.read(offset + 4 * i))[0] for i in range(words)]

    async def put(self, queue: int, free: int, addresses: list[int], most: int) -> bool:
        """Put descriptors into the queue, looking for room `most` times each; return whether it took them all."""
        for address in addresses:
            for _ in range(most):
                if (await self.read(free))[0]:
                    break
                await ClockCycles(self.dut.aclk, TRY_CYCLES)
            if await self.write(queue, address):
                return False
        return True

    async def until(self, offset: int, value: int, mask: int, most: int) -> bool:
        """Read a register until its masked bits equal `value`; give up after `most` tries."""
        for _ in range(most):
            if (await self.read(offset))[0] & mask == value:
                return True
            await ClockCycles(self.dut.aclk, TRY_CYCLES)
        return False

    async def wait(self, cycles: int) -> None:
        """Let time pass."""
        await ClockCycles(self.dut.aclk, cycles)

    async def wait_interrupt(self, most: int) -> dict[str, Any]:
        """Wait for irq; return whether it came, and the unconfirmed writes in that cycle."""
        if not self.dut.irq.value:
            await First(RisingEdge(self.dut.irq), ClockCycles(self.dut.aclk, most))
        await ReadOnly()
        found = {"irq": bool(self.dut.irq.value), "open_writes": int(self.dut.open_writes.value)}
        await RisingEdge(self.dut.aclk)
        return found

    async def monitor(self) -> dict[str, int]:
        """Return what the protocol monitor has seen, and irq."""
        return {name: int(getattr(self.dut, name).value) for name in MONITORED} | {"irq": int(self.dut.irq.value)}


def _pauses(rng: random.Random, share: float) -> Iterator[bool]:
    """Pause and go in turn, so that `share` of all cycles are pauses."""
    while True:
        length = rng.randint(1, LONGEST_PAUSE)
        for pausing, cycles in ((True, length), (False, max(1, round(rng.uniform(0.5, 1.5) * length * (1 - share) / share)))):
            for _ in range(cycles):
                yield pausing


@cocotb.test()
async def script(dut: Any) -> None:
    """Do the steps of job.json in order."""
    work = job_directory()
    logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)  # the bus models report every burst
    # The bus models notice a reset by its edge, and must not see a clock edge before it: nothing is defined then.
    dut.aclk.value = 0
    dut.aresetn.value = 1
    await Timer(PERIOD_NS, "ns")
    bench = Bench(dut)
    await Timer(PERIOD_NS, "ns")
    dut.aresetn.value = 0
    await Timer(PERIOD_NS, "ns")
    Clock(dut.aclk, PERIOD_NS, "ns", impl="gpi").start()
    results = []
    for step in json.loads((work / "job.json").read_text())["steps"]:
        values = dict(step)
        results.append(await getattr(bench, values.pop("do"))(**values))
    (work / "results.json").write_text(json.dumps({"results": results}))
