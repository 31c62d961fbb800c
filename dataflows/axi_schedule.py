"""Exact cycles behind the AXI shell with a regular memory: each layer, and layers that run back to back from the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dataflows.arch import Accelerator
from dataflows.axi import LEAST_LATENCY, AxiOptions
from dataflows.axi_port import AxiPort, line
from dataflows.axi_requests import transactions
from dataflows.program import LayerProgram, Placement, Postprocess, compile_layer, program_beats
from dataflows.registers import CAPTURE_CYCLES
from dataflows.schedule import run_port
from dataflows.steps import walk
from dataflows.tiling import Tiling
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class AxiSchedule:
    """When things happen behind AXI, as the counters of the same names say.

    Attributes
    ----------
    cycles : int
        From the cycle start is taken to the cycle done rises.
    axi_cycles : int
        From the cycle the layer is started to the cycle after its last write response.
    array_busy, wait_load, wait_accumulator, post_busy : int
        As in `dataflows.schedule.Schedule`.
    axi_read_wait, axi_write_wait : int
        Cycles in which a request or a burst waits for the bus.
    bus_busy : int
        Beats, in both directions.
    steps : int
        Iterations of the tile loops.
    """

    cycles: int
    axi_cycles: int
    array_busy: int
    wait_load: int
    wait_accumulator: int
    post_busy: int
    axi_read_wait: int
    axi_write_wait: int
    bus_busy: int
    steps: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def axi_schedule(
    layer: Layer, acc: Accelerator, tiling: Tiling, placement: Placement, axi: AxiOptions, *, latency: int | None = None,
    table: bool = False,
) -> AxiSchedule:  # fmt: skip
    """Return the exact schedule of a layer behind the AXI shell on a memory without pauses.

    Parameters
    ----------
    layer, acc, tiling : Layer, Accelerator, Tiling
        What runs where and how; the tiling must be feasible.
    placement : Placement
        Where program and tensors lie: bursts end at pages.
    axi : AxiOptions
        The shell.
    latency : int, optional
        Cycles from a read address to its first beat, `acc.memory.latency` unless given; at least 2. Further beats follow one
        per cycle, bursts in order; write data are taken from the cycle of their address on, and answered two cycles after the
        last beat (`sim/verilog/axi_dram.v`).
    table : bool
        Whether the layer has an activation table, behind its program.

    Raises
    ------
    InfeasibleError
        If a tile does not fit.
    """
    program = compile_layer(layer, acc, tiling, placement, Postprocess(table=table))
    return program_schedule(layer, acc, tiling, program, placement.program, axi, latency=latency)


def program_schedule(
    layer: Layer, acc: Accelerator, tiling: Tiling, program: LayerProgram, at: int, axi: AxiOptions, *,
    latency: int | None = None,
) -> AxiSchedule:  # fmt: skip
    """Return the same for a compiled program that lies at beat `at`."""
    steps = walk(layer, acc, tiling)
    made = transactions(acc, program, steps)
    programs = [line(at, program_beats(acc))]
    if program["table"]:
        programs.append(line(programs[0].end, acc.table_beats))
    port = AxiPort(
        axi, latency=max(LEAST_LATENCY, acc.memory.latency if latency is None else latency), bus_bytes=acc.memory.bus_bytes,
        programs=programs, loads=made.loads, stores=made.stores,
    )  # fmt: skip
    found = run_port(layer, acc, steps, port)
    confirmed = port.confirmed()
    read_wait, write_wait = port.waits()
    return AxiSchedule(
        cycles=found.cycles, axi_cycles=confirmed, array_busy=found.array_busy, wait_load=found.wait_load,
        wait_accumulator=found.wait_accumulator, post_busy=found.post_busy, axi_read_wait=read_wait,
        axi_write_wait=write_wait, bus_busy=port.reads.beats + port.writes.beats, steps=found.steps,
    )  # fmt: skip


def queue_cycles(layers: Sequence[AxiSchedule]) -> int:
    """Return the cycles from the start of the first layer to the end of the last, of layers that wait in the queue."""
    return sum(layer.axi_cycles for layer in layers) + CAPTURE_CYCLES * (len(layers) - 1)
