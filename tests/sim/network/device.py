"""A model of the device for host programs: registers, and memory in which the golden model computes what programs ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.axi import AxiOptions
from dataflows.compile.network import CompiledNetwork, CompiledOp
from dataflows.program import MAGIC, PROGRAM_WORDS, LayerProgram
from dataflows.registers import MAP_VERSION, control_registers
from sim.formats.network import pack_tensor, unpack_tensor
from sim.golden.network import OpTensors, golden_op

DONE, EMPTY, ERROR = 2, 4, 8
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
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = {register.offset: register.name for register in control_registers(AxiOptions())}

    def read(self, offset: int) -> int:
        """Return what a register holds."""
        name = self.names.get(offset, f"counter {offset:x}")
        if name == "status":
            self.run_one()
        known = {
            "id": MAGIC, "version": MAP_VERSION, "queue_free": QUEUE_DEPTH - len(self.waiting), "completed": self.completed,
            "error": 2,
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
        else:
            self.registers[name] = value

    def run_one(self) -> None:
        """Run the next layer of the queue."""
        if not self.waiting:
            return
        if self.completed == self.fails_at:
            self.registers["status"] = ERROR
            return
        try:
            run_program(self.compiled, self.tensors, self.memory, self.waiting.pop(0))
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
