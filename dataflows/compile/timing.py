"""Expected cycles of a compiled network."""

from __future__ import annotations

from dataflows.compile.network import CompiledNetwork
from dataflows.schedule import schedule


def op_cycles(compiled: CompiledNetwork) -> list[int]:
    """Return the exact cycles of every operation on the native memory port."""
    return [schedule(op.layer, compiled.acc, op.tiling).cycles for op in compiled.ops]
