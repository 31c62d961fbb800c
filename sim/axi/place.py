"""Layers in one memory, side by side, with what they should give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions
from dataflows.axi_schedule import AxiSchedule, program_schedule
from dataflows.program import LayerProgram
from sim.bench.bulk import POISON
from sim.cases import LayerCase
from sim.formats.dense import memory_image, unpack_outputs
from sim.golden.layer import golden_layer

BASE = 0x12_3456_7000
"""Byte address of beat 0, cut to the width of the bus."""

MOST_GAP = 300
"""Beats between two layers at most: enough to begin anywhere in a page."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedCase:
    """A case in memory.

    Attributes
    ----------
    case : LayerCase
        Layer, tiling and tensors.
    program : int
        Beat address for the queue.
    compiled : LayerProgram
        What lies there.
    image : bytes
        From the program up to the outputs.
    start, inputs, outputs : int
        Byte addresses of the image, of its input tensor and of the outputs.
    output_bytes : int
        Length of the outputs.
    golden : ndarray
        What the layer should give.
    """

    case: LayerCase
    program: int
    compiled: LayerProgram
    image: bytes
    start: int
    inputs: int
    outputs: int
    output_bytes: int
    golden: NDArray[np.int64]

    @property
    def poison(self) -> bytes:
        """What the outputs hold before a run."""
        return bytes([POISON]) * self.output_bytes

    def schedule(self, acc: Accelerator, axi: AxiOptions) -> AxiSchedule:
        """Return the layer's exact schedule behind AXI, on a memory without pauses."""
        return program_schedule(self.case.layer, acc, self.case.tiling, self.compiled, self.program, axi)

    def mismatches(self, acc: Accelerator, dump: bytes) -> tuple[int, str]:
        """Return how many outputs in `dump` are wrong, and where the first one is."""
        beats = np.frombuffer(dump, np.uint8).reshape(-1, acc.memory.bus_bytes)
        found = unpack_outputs(self.case.layer, acc, beats)
        wrong = np.argwhere(found != self.golden)
        if not len(wrong):
            return 0, ""
        at = tuple(int(x) for x in wrong[0])
        return len(wrong), f"(n, k, p, q) = {at}: found {int(found[at])}, expected {int(self.golden[at])}"


def base_address(axi: AxiOptions) -> int:
    """Return the byte address of beat 0 that benches use: not 0, and above 4 GB where the bus is that wide."""
    return BASE & ((1 << axi.address_bits) - 1)


def place_cases(acc: Accelerator, axi: AxiOptions, cases: Sequence[LayerCase], rng: np.random.Generator) -> list[PlacedCase]:
    """Lay cases out one after the other, with random gaps."""
    beat, size, base = int(rng.integers(0, MOST_GAP)), acc.memory.bus_bytes, base_address(axi)
    placed = []
    for case in cases:
        image, where, compiled = memory_image(case.layer, acc, case.tiling, case.tensors, beat)
        golden = golden_layer(case.layer, case.tensors, acc_bits=acc.array.acc_bits)
        addresses = (base + size * at for at in (where.program, where.inputs, where.outputs))
        length = size * (where.end - where.outputs)
        placed.append(PlacedCase(case, where.program, compiled, image.tobytes(), *addresses, length, golden))
        beat = where.end + int(rng.integers(0, MOST_GAP))
    return placed
