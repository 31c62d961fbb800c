"""A compiled network in words: what memory_map.json and programs.txt say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dataflows.compile.memory import Region, alignment
from dataflows.compile.network import CompiledNetwork, CompiledOp
from dataflows.tiling import Blocking, mapping_of

SCHEMA = 1


def describe(compiled: CompiledNetwork, cycles: Sequence[int]) -> dict[str, Any]:
    """Return the JSON form of a compiled network.

    Parameters
    ----------
    compiled : CompiledNetwork
        The network.
    cycles : sequence of int
        Expected cycles of every operation.
    """
    graph, acc, bus = compiled.graph, compiled.acc, compiled.acc.memory.bus_bytes
    active, unit = compiled.activations, alignment(acc)
    return {
        "schema": SCHEMA, "network": graph.name, "design": acc.name, "bus_bytes": bus, "align_bytes": unit * bus,
        "total_bytes": compiled.end * bus,
        "image": _region(compiled.constants, bus) | {"file": "image.bin"},
        "activations": _region(active.region, bus) | {
            "peak_bytes": active.region.beats * bus, "least_possible_bytes": active.most_alive_beats * bus,
            "without_reuse_bytes": sum(-(-each.beats // unit) * unit for each in active.tensors.values()) * bus,
        },
        "inputs": list(graph.inputs), "outputs": list(graph.outputs), "cycles": sum(cycles),
        "tensors": [_tensor(compiled, name) for name in active.tensors],
        "ops": [_op(compiled, op, number) for op, number in zip(compiled.ops, cycles, strict=True)],
    }  # fmt: skip


def programs_text(compiled: CompiledNetwork, cycles: Sequence[int]) -> str:
    """Return every operation with its addresses and its program as a loop nest."""
    parts = [f"{compiled.graph.name} on {compiled.acc.name}: {len(compiled.ops)} layer programs, {sum(cycles):,} cycles\n"]
    for number, (op, each) in enumerate(zip(compiled.ops, cycles, strict=True)):
        read = ", ".join(f"{name} at beat {compiled.activations.tensors[name].first}" for name in op.op.inputs)
        made = f"{op.op.output} at beat {compiled.activations.tensors[op.op.output].first}"
        parts.append(
            f"{number} {op.name}: {op.layer.op}, program at beat {op.program_at.first}, {each:,} cycles\n{read} -> {made}\n"
        )
        if regrouped(op):
            parts.append(
                f"one group instead of {op.op.layer.G}: the groups do not fill blocks of {compiled.acc.array.rows} channels\n"
            )
        parts.append(f"{mapping_of(op.layer, compiled.acc, op.tiling)}\n")
    return "\n".join(parts)


def regrouped(op: CompiledOp) -> bool:
    """Whether the layer runs as one group though it has several (`dataflows.compile.layout`)."""
    return op.layer.G != op.op.layer.G


def _region(region: Region, bus: int) -> dict[str, int]:
    return {"beat": region.first, "beats": region.beats, "byte": region.first * bus, "bytes": region.beats * bus}


def _tensor(compiled: CompiledNetwork, name: str) -> dict[str, Any]:
    acc, tensor, alive = compiled.acc, compiled.graph.tensor(name), compiled.activations.alive[name]
    return {
        "name": name, **_region(compiled.activations.tensors[name], acc.memory.bus_bytes),
        "shape": [tensor.N, tensor.C, tensor.H, tensor.W], "bits": tensor.bits, "scale": tensor.scale,
        "zero_point": tensor.zero_point, "alive": [alive.first, alive.last],
        "layout": {
            "order": ["n", "channel block", "y", "x"], "blocks": math.ceil(tensor.C / acc.array.rows), "lanes": acc.array.rows,
            "lane_bits": acc.array.input_bits, "word_bytes": acc.beats(acc.input_word_bits) * acc.memory.bus_bytes,
        },
    }  # fmt: skip


def _op(compiled: CompiledNetwork, op: CompiledOp, cycles: int) -> dict[str, Any]:
    bus, tiling = compiled.acc.memory.bus_bytes, op.tiling
    blocking = Blocking.of(op.layer, compiled.acc)
    return {
        "name": op.name, "op": op.layer.op, "inputs": list(op.op.inputs), "output": op.op.output, "table": op.op.table,
        "cycles": cycles, "macs": op.op.layer.macs if op.layer.op == "mac" else 0, "one_group": regrouped(op),
        "program": _region(op.program_at, bus), "scales": _region(op.scales, bus),
        "weights": _region(op.weights, bus) if op.weights.beats else None,
        "tiling": asdict(tiling) | {"order": list(tiling.order)},
        "tiles": tiling.counts(op.layer, blocking),
    }  # fmt: skip
