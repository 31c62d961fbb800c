"""Run many layers back to back through the descriptor queue: memory image in, outputs and counters out, at full speed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataflows.axi import LEAST_LATENCY, PAGE_BYTES, AxiOptions
from dataflows.counters import Design
from dataflows.errors import CheckFailed, SpecError
from dataflows.registers import ALL_COUNTERS, LAST_OFFSET, TOTAL_OFFSET, control_registers, counter_offsets
from sim.bench.axi import build_axi, counters
from sim.bench.axi_top import FAULTS
from sim.runner import Simulator, run

MIN_DEPTH = 1 << 18  # beats; smaller runs share one build
DONE_OR_ERROR, ERROR = 0b1010, 0b1000


@dataclass(frozen=True, slots=True, eq=False)
class QueueResult:
    """What came out of one run of the queue.

    Attributes
    ----------
    completed : int
        Layers that completed; fewer than were asked for after an error or a timeout.
    error, error_index : int
        ERROR.code (0: none) and the layer that failed.
    totals, last : dict of str to int
        Counters of all layers together, and of the last one (`dataflows.registers.ALL_COUNTERS`).
    span : int
        From the cycle after the one in which the first address of the first layer is taken to the one in which irq rises for the
        last time; 0 without an address.
    cycles : int
        From before the first descriptor to after the last interrupt, the host's accesses included.
    layer_cycles : tuple of int or None
        `axi_cycles` of each layer that completed; None where the host came too late to read it.
    dump : (beats, bus_bytes) array of uint8
        The beats asked for.
    cpu_seconds : float
        CPU time of the simulation in between.
    """

    completed: int
    error: int
    error_index: int
    totals: dict[str, int]
    last: dict[str, int]
    span: int
    cycles: int
    layer_cycles: tuple[int | None, ...]
    dump: NDArray[np.uint8]
    cpu_seconds: float


def run_queue(
    acc: Design, axi: AxiOptions, image: NDArray[np.uint8], programs: Sequence[int], dump: tuple[int, int], *,
    base: int = PAGE_BYTES, timeout_cycles: int = 100_000_000, simulator: Simulator = "verilator", waves: Path | None = None,
    timeout: float = 36000,
) -> QueueResult:  # fmt: skip
    """Run layers from the queue on a behavioural memory that answers after ``acc.memory.latency`` cycles (2 or more).

    Parameters
    ----------
    acc, axi : Accelerator or SpatialSystem, AxiOptions
        The design.
    image : (beats, bus_bytes) array of uint8
        Memory from beat 0; beats not in it hold anything.
    programs : sequence of int
        Beat addresses of layer programs, in order.
    dump : (int, int)
        First beat and number of beats to read back.
    base : int
        Byte address of beat 0, a multiple of 4096.
    timeout_cycles : int
        Cycles without an interrupt after which the run is given up.
    simulator, waves, timeout :
        See `sim.runner.run`.

    Raises
    ------
    CheckFailed
        The simulation broke, or the accelerator violated the protocol.
    SpecError
        No program, a malformed image, or a base that is no page.
    """
    if not programs:
        raise SpecError("programs", 0, "at least one layer", "name a program")
    if image.dtype != np.uint8 or image.ndim != 2 or image.shape[1] != acc.memory.bus_bytes or not len(image):
        raise SpecError("image", f"{image.dtype} {image.shape}", f"uint8 (beats, {acc.memory.bus_bytes})", "reshape to beats")
    if base % PAGE_BYTES or not 0 <= base < 1 << axi.address_bits:
        raise SpecError("base", base, f"a multiple of {PAGE_BYTES} below 2**{axi.address_bits}", "move the memory")
    depth = max(MIN_DEPTH, 1 << (max(len(image), sum(dump)) - 1).bit_length())
    made = build_axi(acc, axi, depth_beats=depth, simulator=simulator, waves=waves is not None)
    params = {
        "at": {register.name: register.offset for register in control_registers(axi)}, "programs": [int(p) for p in programs],
        "irq": DONE_OR_ERROR, "error": ERROR, "timeout": timeout_cycles, "beats": len(image), "words": 2 * len(ALL_COUNTERS),
        "banks": {"last": LAST_OFFSET, "totals": TOTAL_OFFSET}, "cfg_base": base,
        "last_cycles": counter_offsets()["last_axi_cycles"],
        "cfg_latency": max(LEAST_LATENCY, acc.memory.latency), "dump_first": dump[0], "dump_beats": dump[1],
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="systolith-") as scratch:
        work = Path(scratch)
        image[:, ::-1].tofile(work / "load.bin")
        found = run(made, "sim.bench.cocotb_axi_queue", params=params, work=work, waves=waves, timeout=timeout)
        beats = np.fromfile(work / "dump.bin", np.uint8) if dump[1] else np.zeros(0, np.uint8)
    faults = [text for bit, text in enumerate(FAULTS) if found["faults"] >> bit & 1]
    if found["file_fault"]:
        faults.append("the memory's files could not be read or written")
    if faults:
        raise CheckFailed(f"{acc.name} behind AXI: {'; '.join(faults)}")
    return QueueResult(
        completed=found["completed"], error=found["error"] & 0xFF, error_index=found["error_index"],
        totals=counters(found["totals"]), last=counters(found["last"]), span=found["span"], cycles=found["cycles"],
        layer_cycles=tuple(found["layer_cycles"]),
        dump=beats.reshape(dump[1], acc.memory.bus_bytes), cpu_seconds=found["cpu_seconds"],
    )  # fmt: skip
