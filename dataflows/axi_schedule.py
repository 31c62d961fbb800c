"""Exact cycles behind the AXI shell with a regular memory: each layer, and layers that run back to back from the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.axi import LEAST_LATENCY, AxiOptions
from dataflows.axi_port import AxiPort, line
from dataflows.axi_requests import transactions
from dataflows.program import LayerProgram, Placement, Postprocess, compile_layer, program_beats
from dataflows.registers import CAPTURE_CYCLES
from dataflows.schedule import Schedule, run_port
from dataflows.steps import walk
from dataflows.tiling import Tiling
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class AxiSchedule(Schedule):
    """When things happen behind AXI; `cycles` and what else `Schedule` has are those of the accelerator in the shell.

    Attributes
    ----------
    axi_cycles : int
        From the cycle the layer is started to the cycle after its last write response.
    axi_read_wait, axi_write_wait : int
        Cycles in which a request or a burst waits for the bus.
    """

    axi_cycles: int
    axi_read_wait: int
    axi_write_wait: int


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
    beats = port.reads.beats + port.writes.beats
    return AxiSchedule(
        cycles=found.cycles, array_busy=found.array_busy, wait_load=found.wait_load, wait_accumulator=found.wait_accumulator,
        post_busy=found.post_busy, bus_busy=beats, steps=found.steps,
        axi_cycles=confirmed, axi_read_wait=read_wait, axi_write_wait=write_wait,
    )  # fmt: skip


def queue_cycles(layers: Sequence[AxiSchedule]) -> int:
    """Return the cycles from the one in which the first of several layers is started to the one in which irq rises.

    The queue holds a layer whenever one has ended, and the interrupt is the one of the last layer's end. After each layer its
    counters are copied; a flag and the register before irq take a cycle each, the first while the next layer could start.
    """
    return sum(layer.axi_cycles + CAPTURE_CYCLES for layer in layers) + 1
