"""A model of the device for host programs: registers, and memory in which the golden model computes what programs ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.axi import AxiOptions
from dataflows.compile.network import CompiledNetwork, CompiledOp
from dataflows.program import MAGIC, PROGRAM_WORDS, LayerProgram
from dataflows.registers import MAP_VERSION, control_registers, parameter_registers
from sim.formats.network import pack_tensor, unpack_tensor
from sim.golden.network import OpTensors, golden_op

BUSY, DONE, EMPTY, ERROR = 1, 2, 4, 8
SOFT_RESET, RESET_READS = 2, 3
QUEUE_DEPTH = 3


@dataclass
class Device:
    """Registers by name, and memory of `compiled`; a layer runs whenever the host looks at STATUS."""

    compiled: CompiledNetwork
    tensors: Mapping[str, OpTensors]
    memory: NDArray[np.uint8]
    fails_at: int = -1
    registers: dict[str, int] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)
    completed: int = 0
    taken: int = 0
    resetting: int = 0  # reads of STATUS until a soft reset is over
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = {register.offset: register.name for register in control_registers(AxiOptions())}
        self.design = {each.offset: each.fields[0].constant or 0 for each in parameter_registers(self.compiled.acc, AxiOptions())}

    def read(self, offset: int) -> int:
        """Return what a register holds."""
        if offset in self.design:
            return self.design[offset]
        name = self.names.get(offset, f"counter {offset:x}")
        if name == "status" and self.resetting:
            self.reset_on()
        elif name == "status":
            self.run_one()
        known = {
            "id": MAGIC, "version": MAP_VERSION, "queue_free": QUEUE_DEPTH - len(self.waiting), "completed": self.completed,
            "error": 2, "error_index": max(0, self.taken - 1),
        }  # fmt: skip
        return known.get(name, self.registers.get(name, 0))

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        name = self.names[offset]
        self.log.append(name)
        if name == "queue":
            self.log += ["SLVERR"] * (len(self.waiting) >= QUEUE_DEPTH)
            self.waiting.append(value)
        elif name == "status":
            self.registers[name] = self.registers.get(name, 0) & ~value
        elif name == "control" and value & SOFT_RESET:
            self.resetting = RESET_READS
        else:
            self.registers[name] = value

    def reset_on(self) -> None:
        """Go on with a soft reset; nothing is cleared before it is over."""
        self.resetting -= 1
        self.registers["status"] = BUSY
        if not self.resetting:
            self.waiting.clear()
            self.completed = self.taken = self.registers["status"] = 0

    def run_one(self) -> None:
        """Run the next layer of the queue."""
        if not self.waiting:
            return
        self.taken += 1
        address = self.waiting.pop(0)
        if self.completed == self.fails_at:
            self.registers["status"] = ERROR
            return
        try:
            run_program(self.compiled, self.tensors, self.memory, address)
        except Exception as error:  # ctypes would swallow it, and the host would wait for ever
            self.log.append(repr(error))
            self.registers["status"] = ERROR
            return
        self.completed += 1
        self.registers["status"] = DONE | (0 if self.waiting else EMPTY)


def run_program(
    compiled: CompiledNetwork, tensors: Mapping[str, OpTensors], memory: NDArray[np.uint8], address: int
) -> CompiledOp:  # fmt: skip
    """Read the program at a beat address, find its operation, and compute it from what memory, (beats, bus_bytes), holds."""
    words = memory[address:].reshape(-1)[: 4 * PROGRAM_WORDS].copy().view("<u4").tolist()
    program = LayerProgram.from_words(words)
    (op,) = [each for each in compiled.ops if each.program_at.first == address]
    assert program.words() == op.program.words()
    graph, acc, regions = compiled.graph, compiled.acc, compiled.activations.tensors
    operands = [unpack_tensor(graph.tensor(name), acc, memory[regions[name].first : regions[name].end]) for name in op.op.inputs]
    made = golden_op(graph, op.op, tensors[op.name], operands, acc_bits=acc.array.acc_bits)
    place = regions[op.op.output]
    memory[place.first : place.end] = pack_tensor(graph.tensor(op.op.output), acc, made)
    return op
