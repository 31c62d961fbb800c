"""The script that verifies an accelerator behind AXI, and the judgement of what came out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dataflows.arch import Accelerator
from dataflows.axi import LEAST_LATENCY, AxiOptions
from dataflows.program import program_beats
from dataflows.registers import (
    ALL_COUNTERS,
    ERROR_CODES,
    LAST_OFFSET,
    MAP_VERSION,
    PARAMETER_OFFSET,
    TOTAL_OFFSET,
    control_registers,
    parameter_registers,
)
from sim.axi.place import PlacedCase, base_address
from sim.bench.axi import Step, counters, step
from sim.bench.axi_top import FAULTS, TRY_CYCLES
from sim.bench.bulk import POISON

BUSY, DONE, EMPTY, ERROR = 1, 2, 4, 8
"""Bits of STATUS; those above the first also of INTERRUPT_ENABLE."""

START, SOFT_RESET, CLEAR_TOTALS = 1, 2, 4
"""Bits of CONTROL."""

PAUSE = 0.3
"""Share of cycles in which each channel pauses in the run with random timing."""

SLVERR = 2
COUNTER_WORDS = 2 * len(ALL_COUNTERS)


class Script:
    """Steps with names; the names of checks say what must come out.

    Parameters
    ----------
    acc, axi : Accelerator, AxiOptions
        The design.
    placed : list of PlacedCase
        The layers.
    seed : int
        For the pauses.
    patience : int
        Cycles after which what is waited for counts as failed.
    """

    def __init__(self, acc: Accelerator, axi: AxiOptions, placed: list[PlacedCase], seed: int, patience: int) -> None:
        self.acc, self.axi, self.placed, self.seed, self.patience = acc, axi, placed, seed, patience
        self.at = {register.name: register.offset for register in control_registers(axi)}
        self.base = base_address(axi)
        self.latency = max(LEAST_LATENCY, acc.memory.latency)
        self.steps: list[Step] = []
        self.files: dict[str, bytes] = {}
        self.expected: list[tuple[str, int, Any]] = []  # name of the check, step, result it must have
        self.named: dict[str, int] = {}

    # Steps

    def add(self, do: str, *, name: str = "", **values: Any) -> int:
        """Append a step and return its number."""
        self.steps.append(step(do, **values))
        if name:
            self.named[name] = len(self.steps) - 1
        return len(self.steps) - 1

    def write(self, register: str, value: int) -> None:
        """Write a register; the answer must be OKAY."""
        self.check(f"write {register}", self.add("write", offset=self.at[register], value=value), 0)

    def expect(self, name: str, register: str, value: int) -> None:
        """Read a register; the value must be this one."""
        self.check(name, self.add("read", offset=self.at[register]), [value, 0])

    def check(self, name: str, number: int, value: Any) -> None:
        """Remember what a step must give."""
        self.expected.append((name, number, value))

    def put(self, cases: Iterable[PlacedCase]) -> None:
        """Put layers into the queue."""
        addresses, most = [case.program for case in cases], self.patience // TRY_CYCLES
        number = self.add("put", queue=self.at["queue"], free=self.at["queue_free"], addresses=addresses, most=most)
        self.check("a queue with room takes descriptors", number, True)

    def load(self, address: int, content: bytes) -> None:
        """Write to memory."""
        name = f"load{len(self.files)}"
        self.files[name] = content
        self.add("load", address=address, file=name)

    def finish(self, name: str, completed: int, status: int, *, open_writes: int = 0) -> None:
        """Wait until so many layers have completed and irq is high, look at STATUS, and clear it."""
        until = self.add("until", offset=self.at["completed"], value=completed, mask=0xFFFFFFFF, most=self.patience // TRY_CYCLES)
        self.check(f"{name}: completes", until, True)
        self.interrupt(name, status, open_writes=open_writes)

    def interrupt(self, name: str, status: int, *, open_writes: int = 0) -> None:
        """Wait for irq, look at STATUS, and clear it."""
        irq = self.add("wait_interrupt", most=self.patience)
        self.check(f"{name}: irq, after the last write response", irq, {"irq": True, "open_writes": open_writes})
        self.expect(f"{name}: STATUS", "status", status)
        self.write("status", DONE)
        self.expect("flags are cleared one by one", "status", status & ~DONE)
        self.write("status", EMPTY | ERROR)
        self.add("wait", cycles=2)

    def outputs(self, name: str, case: PlacedCase) -> None:
        """Keep a layer's outputs as `name` and spoil them for the next run."""
        self.add("dump", address=case.outputs, size=case.output_bytes, file=name)
        self.load(case.outputs, case.poison)

    # Parts of the verification

    def begin(self) -> None:
        """Reset, identify the hardware, set the base address, load memory."""
        self.add("reset")
        size = len(parameter_registers(self.acc, self.axi))
        words = self.add("read_block", offset=PARAMETER_OFFSET, words=size)
        values = [register.fields[0].constant for register in parameter_registers(self.acc, self.axi)]
        self.check("parameters", words, values)
        self.expect("VERSION", "version", MAP_VERSION)
        self.write("base_low", self.base & 0xFFFFFFFF)
        self.write("base_high", self.base >> 32)
        self.expect("BASE_LOW", "base_low", self.base & 0xFFFFF000)
        for case in self.placed:
            self.load(case.start, case.image)
            self.load(case.outputs, case.poison)

    def accesses(self) -> None:
        """Try byte strobes, and what is not there."""
        self.write("program", 0x11223344)
        self.check("one byte", self.add("write", offset=self.at["program"] + 1, value=0xAA, size=1), 0)
        self.check("two bytes", self.add("write", offset=self.at["program"] + 2, value=0xBBCC, size=2), 0)
        self.expect("byte strobes", "program", 0xBBCCAA44)
        self.check("read of nothing", self.add("read", offset=0xFFC), [0, SLVERR])
        self.check("write to nothing", self.add("write", offset=0xFFC, value=0), SLVERR)
        self.check("write to a constant", self.add("write", offset=self.at["id"], value=0), SLVERR)
        self.check("part of a descriptor", self.add("write", offset=self.at["queue"], value=0, size=2), SLVERR)
        self.expect("nothing was queued", "queue_free", self.axi.queue_depth)

    def alone(self) -> None:
        """Run each layer by itself, memory regular, with an interrupt after it."""
        self.add("timing", latency=self.latency, pause=0, seed=0)
        self.write("interrupt_enable", DONE | ERROR)
        for number, case in enumerate(self.placed):
            self.put([case])
            self.finish(f"layer {number} alone", number + 1, DONE | EMPTY)
            self.add("read_block", offset=LAST_OFFSET, words=COUNTER_WORDS, name=f"last{number}")
            self.outputs(f"alone{number}", case)

    def queued(self) -> None:
        """Run all layers from the queue, every channel with random pauses, with an interrupt when the queue is empty."""
        self.write("control", CLEAR_TOTALS)
        self.write("interrupt_enable", EMPTY)
        self.add("timing", latency=self.latency, pause=PAUSE, seed=self.seed)
        self.put(self.placed)
        self.finish("queue", 2 * len(self.placed), DONE | EMPTY)
        self.add("timing", latency=self.latency, pause=0, seed=0)
        self.add("read_block", offset=TOTAL_OFFSET, words=COUNTER_WORDS, name="total")
        for number, case in enumerate(self.placed):
            self.outputs(f"queued{number}", case)

    def unanswered(self, case: PlacedCase, cycles: int) -> None:
        """Hold write responses back: the layer must not complete until they come."""
        done = 2 * len(self.placed)
        self.write("interrupt_enable", DONE | ERROR)
        self.add("answer_writes", on=False)
        self.put([case])
        self.add("wait", cycles=cycles)
        self.expect("no layer completes without write responses: COMPLETED", "completed", done)
        self.expect("no layer completes without write responses: STATUS", "status", BUSY)
        self.add("answer_writes", on=True)
        self.finish("write responses come late", done + 1, DONE | EMPTY)
        self.outputs("after_late_responses", case)

    def failures(self, case: PlacedCase) -> None:
        """Fail for want of a program, of memory to read, of memory to write; after each the queue goes on when told to."""
        done, size = 2 * len(self.placed) + 1, self.acc.memory.bus_bytes
        nothing = self.placed[-1].outputs + self.placed[-1].output_bytes + 8 * size
        self.load(nothing, bytes([POISON]) * program_beats(self.acc) * size)
        last_beat = case.outputs + case.output_bytes - size
        causes = (
            ("program", ("read", 0, 0), (nothing - self.base) // size, 0),
            ("read", ("read", case.inputs, size), case.program, SLVERR),
            ("write", ("write", last_beat, size), case.program, SLVERR),
        )
        self.write("interrupt_enable", ERROR)
        for number, (name, (kind, first, length), descriptor, response) in enumerate(causes):
            self.add("fail", kind=kind, first=first, size=length)
            self.write("queue", descriptor)
            self.put([case])
            irq = self.add("wait_interrupt", most=self.patience)
            self.check(f"{name} error: irq", irq, {"irq": True, "open_writes": 0})
            self.add("wait", cycles=200)
            self.expect(f"{name} error: STATUS", "status", ERROR)
            self.expect(f"{name} error: ERROR", "error", response << 8 | ERROR_CODES[name])
            self.expect(f"{name} error: ERROR_INDEX", "error_index", done + 2 * number)
            self.expect(f"{name} error: queue stops", "queue_free", self.axi.queue_depth - 1)
            self.add("fail", kind=kind, first=0, size=0)
            self.write("interrupt_enable", DONE)
            self.write("status", ERROR)
            self.finish(f"after {name} error", done + number + 1, DONE | EMPTY)
            self.write("interrupt_enable", ERROR)
            self.outputs(f"after_{name}", case)

    def resets(self, case: PlacedCase, cycles: int) -> None:
        """Give up layers half-way, empty a full queue, and use CONTROL.start."""
        for number, wait in enumerate((cycles // 3, 2 * cycles // 3)):
            self.put([case])
            self.add("wait", cycles=wait)
            self._soft_reset(f"soft reset {number}")
        self.write("queue", (self.placed[-1].outputs - self.base) // self.acc.memory.bus_bytes)  # poison is no program
        self.interrupt("full queue: error", ERROR)  # clears it: the queue is empty, so nothing starts
        self.write("queue", (self.placed[-1].outputs - self.base) // self.acc.memory.bus_bytes)
        self.add("wait_interrupt", most=self.patience)
        for _ in range(self.axi.queue_depth):
            self.write("queue", case.program)
        self.check("full queue", self.add("write", offset=self.at["queue"], value=case.program), SLVERR)
        self.check("start, full queue", self.add("write", offset=self.at["control"], value=START), SLVERR)
        self.expect("full queue: QUEUE_FREE", "queue_free", 0)
        self._soft_reset("soft reset of a full queue")
        self.write("interrupt_enable", EMPTY)
        self.write("program", case.program)
        self.write("control", START)
        self.finish("after soft reset", 1, DONE | EMPTY)
        self.outputs("after_reset", case)
        self.add("monitor", name="monitor")

    def _soft_reset(self, name: str) -> None:
        self.write("control", SOFT_RESET)
        over = self.add("until", offset=self.at["status"], value=0, mask=BUSY, most=self.patience // TRY_CYCLES)
        self.check(f"{name} ends", over, True)
        self.expect(f"{name}: STATUS", "status", 0)
        self.expect(f"{name}: COMPLETED", "completed", 0)
        self.expect(f"{name}: QUEUE_FREE", "queue_free", self.axi.queue_depth)
        zeros = self.add("read_block", offset=TOTAL_OFFSET, words=2)
        self.check(f"{name}: totals", zeros, [0, 0])

    # Judgement

    def checks(self, found: list[Any]) -> list[tuple[str, bool]]:
        """Return every check by name, equal ones together, and the rules of the protocol."""
        held: dict[str, bool] = {}
        for name, number, value in self.expected:
            held[name] = held.get(name, True) and found[number] == value
        monitor = found[self.named["monitor"]]
        held |= {f"protocol: never {text}": not monitor["faults"] >> bit & 1 for bit, text in enumerate(FAULTS)}
        held["every read and write is answered"] = not (monitor["open_reads"] or monitor["open_writes"])
        held["the memory has the latency asked for"] = monitor["read_latency"] == self.latency
        return list(held.items())

    def counters(self, found: list[Any], name: str) -> dict[str, int]:
        """Return the 64-bit counters that step `name` has read."""
        return counters(found[self.named[name]])
