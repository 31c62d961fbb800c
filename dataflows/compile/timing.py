"""Expected cycles of a compiled network."""

from __future__ import annotations

from dataflows.axi import AxiOptions
from dataflows.axi_schedule import AxiSchedule, program_schedule
from dataflows.compile.network import CompiledNetwork


def op_schedules(compiled: CompiledNetwork, axi: AxiOptions) -> list[AxiSchedule]:
    """Return the exact schedule of every operation behind AXI, with a memory that answers as `dataflows.axi_schedule` says."""
    return [program_schedule(op.layer, compiled.acc, op.tiling, op.program, op.program_at.first, axi) for op in compiled.ops]


def op_cycles(compiled: CompiledNetwork, axi: AxiOptions) -> list[int]:
    """Return what the counter ``axi_cycles`` reads after each operation."""
    return [each.axi_cycles for each in op_schedules(compiled, axi)]
