"""How tensors lie between operations, and how every operation is made to read and write them so.

All activation tensors have one layout: n, channel block, y, x, with words of `rows` channels (docs/hardware.md, "Tensors in
DRAM"). With as many rows as columns, what an operation writes is then what the next one reads, except for groups that fill their
blocks only in part. Such a layer runs as one group instead, with weights of zero between what were groups: the same sums.
"""

from __future__ import annotations

import math
from dataclasses import replace

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphTensor
from dataflows.tiling import Blocking
from dataflows.workload import Layer


def require_chaining(acc: Accelerator) -> None:
    """Raise `SpecError` for a design whose outputs are not laid out like its inputs."""
    rows, cols = acc.array.rows, acc.array.cols
    if rows != cols:
        side = max(rows, cols)
        fix = f"choose a square array, as {side} x {side}: outputs lie in blocks of columns, inputs in blocks of rows"
        raise SpecError(f"{acc.name}.array", f"{rows} x {cols}", "as many rows as columns, to run whole networks", fix)


def tensor_beats(tensor: GraphTensor, acc: Accelerator) -> int:
    """Memory beats of an activation tensor."""
    blocks = math.ceil(tensor.C / acc.array.rows)
    return tensor.N * blocks * tensor.H * tensor.W * acc.beats(acc.input_word_bits)


def fills_blocks(layer: Layer, acc: Accelerator) -> bool:
    """Whether a layer reads and writes channels in blocks that are full but for the last."""
    if layer.op != "mac":
        return True
    blocking = Blocking.of(layer, acc)
    if blocking.packed > 1:
        whole = blocking.packed * layer.C == acc.array.rows and blocking.packed * layer.K == acc.array.cols
        return whole or blocking.group_blocks == 1
    return layer.G == 1 or (layer.C % acc.array.rows == 0 and layer.K % acc.array.cols == 0)


def as_run(layer: Layer, acc: Accelerator) -> Layer:
    """Return the layer that the accelerator runs, which is the one to map: one group where groups leave gaps, and flattened.

    The layer reads and writes the same tensors as the one given.
    """
    if not fills_blocks(layer, acc):
        layer = replace(layer, K=layer.G * layer.K, C=layer.G * layer.C, G=1)
    return layer.flattened()


def check_operands(graph: Graph, acc: Accelerator) -> None:
    """Raise `SpecError` for tensors and operations that the design stores or computes in another width."""
    for tensor in graph.tensors:
        if tensor.bits > acc.array.input_bits:
            fix = f"use an array with input_bits: {tensor.bits}, or requantise"
            raise SpecError(f"{graph.name}.{tensor.name}.bits", tensor.bits, f"at most {acc.array.input_bits}", fix)
    for op in graph.ops:
        if op.layer.op == "multiply" and acc.array.weight_bits != acc.array.input_bits:
            found = f"inputs of {acc.array.input_bits} bits, weights of {acc.array.weight_bits}"
            fix = "use an array with weight_bits equal to input_bits: one tensor is read as weights"
            raise SpecError(f"{graph.name}.{op.layer.name}", found, "equal widths to multiply two tensors", fix)
