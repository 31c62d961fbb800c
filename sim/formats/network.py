"""A compiled network in memory: activation tensors as all operations read and write them, and the image of what is constant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.compile.network import CompiledNetwork, CompiledOp
from dataflows.errors import SpecError
from dataflows.graph import GraphTensor
from dataflows.program import program_beats
from sim.formats.dense import pack_scales, pack_table, pack_weights
from sim.formats.words import pack_lanes, to_beats, unpack_lanes
from sim.tensors import LayerTensors

if TYPE_CHECKING:
    from sim.golden.network import OpTensors


def pack_tensor(tensor: GraphTensor, acc: Accelerator, values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Pack an activation tensor, shape (N, C, H, W), to (beats, bus_bytes): n, channel block, y, x; unused lanes 0.

    Raises
    ------
    SpecError
        Another shape, or values that `tensor.bits` cannot hold.
    """
    shape, half = (tensor.N, tensor.C, tensor.H, tensor.W), 1 << (tensor.bits - 1)
    if values.shape != shape:
        raise SpecError(f"{tensor.name}", values.shape, f"shape {shape}", "reshape the tensor")
    if values.min() < -half or values.max() >= half:
        found = [int(values.min()), int(values.max())]
        raise SpecError(f"{tensor.name}", found, f"signed {tensor.bits}-bit values", "quantise the tensor")
    lanes = acc.array.rows
    blocks = math.ceil(tensor.C / lanes)
    padded = np.zeros((tensor.N, blocks * lanes, tensor.H, tensor.W), np.int64)
    padded[:, : tensor.C] = values
    words = padded.reshape(tensor.N, blocks, lanes, tensor.H, tensor.W).transpose(0, 1, 3, 4, 2)
    return to_beats(pack_lanes(words.reshape(-1, lanes), acc.array.input_bits), acc.memory.bus_bytes)


def unpack_tensor(tensor: GraphTensor, acc: Accelerator, beats: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Inverse of `pack_tensor`."""
    lanes, bits = acc.array.rows, acc.array.input_bits
    blocks = math.ceil(tensor.C / lanes)
    words = unpack_lanes(beats.reshape(-1, acc.beats(acc.input_word_bits) * acc.memory.bus_bytes), lanes, bits)
    planes = words.reshape(tensor.N, blocks, tensor.H, tensor.W, lanes).transpose(0, 1, 4, 2, 3)
    return planes.reshape(tensor.N, blocks * lanes, tensor.H, tensor.W)[:, : tensor.C]


def one_group(weights: NDArray[np.integer], groups: int) -> NDArray[np.integer]:
    """Return weights of a grouped layer, (G * K, C, R, S), as those of one group, (G * K, G * C, R, S), with zeros between."""
    channels, depth = weights.shape[:2]
    whole = np.zeros((channels, groups * depth, *weights.shape[2:]), weights.dtype)
    for group, part in enumerate(np.split(weights, groups)):
        at = group * len(part)
        whole[at : at + len(part), group * depth : (group + 1) * depth] = part
    return whole


def constant_image(compiled: CompiledNetwork, tensors: Mapping[str, OpTensors]) -> NDArray[np.uint8]:
    """Return programs, tables, scales and weights as they lie in memory, shape (beats of `compiled.constants`, bus_bytes).

    Raises
    ------
    SpecError
        Integers that are missing, or do not belong to their operation.
    """
    base, size = compiled.constants.first, compiled.acc.memory.bus_bytes
    image = np.zeros((compiled.constants.beats, size), np.uint8)
    for op in compiled.ops:
        if op.name not in tensors:
            raise SpecError(f"tensors.{op.name}", "missing", "the integers of every operation", "quantise the network")
        for first, beats in _parts(compiled, op, tensors[op.name]):
            image[first - base : first - base + len(beats)] = beats
    return image


def _parts(compiled: CompiledNetwork, op: CompiledOp, found: OpTensors) -> list[tuple[int, NDArray[np.uint8]]]:
    """Beats of one operation and where they begin."""
    acc, size = compiled.acc, compiled.acc.memory.bus_bytes
    words = np.array(op.program.words(), "<u4").view(np.uint8)
    tensors = _layer_tensors(compiled, op, found)
    parts = [(op.program_at.first, to_beats(words[None], size)), (op.scales.first, pack_scales(op.layer, acc, tensors))]
    if op.weights.beats:
        parts.append((op.weights.first, pack_weights(op.layer, acc, op.tiling, tensors.weights)))
    if op.op.table:
        if found.table is None or found.table.shape != (1 << acc.array.input_bits,):
            shape = None if found.table is None else found.table.shape
            allowed = f"a table of {1 << acc.array.input_bits} entries"
            raise SpecError(f"tensors.{op.name}.table", shape, allowed, "quantise to the width of the design")
        parts.append((op.program_at.first + program_beats(acc), pack_table(acc, found.table)))
    return parts


def _layer_tensors(compiled: CompiledNetwork, op: CompiledOp, found: OpTensors) -> LayerTensors:
    """Return what the packers take: weights in the groups that run, a bias of zeros where there is none."""
    layer, graph = op.op.layer, compiled.graph
    channels = layer.G * layer.K
    shapes: dict[str, tuple[int, ...] | None] = {"multiplier": found.multiplier.shape, "shift": found.shift.shape}
    if layer.op == "mac":
        shapes["weights"] = found.weights.shape if found.weights is not None else None
    for name, shape in shapes.items():
        wanted = (channels, layer.C, layer.R, layer.S) if name == "weights" else (channels,)
        if shape != wanted:
            raise SpecError(f"tensors.{op.name}.{name}", shape, f"shape {wanted}", "quantise the network again")
    weights = np.zeros((0, 1, 1, 1), np.int8) if found.weights is None else found.weights
    if op.layer.G != layer.G:
        weights = one_group(weights, layer.G)
    return LayerTensors(
        inputs=np.zeros((0,), np.int8), weights=weights,
        bias=np.zeros(channels, np.int64) if found.bias is None else found.bias.astype(np.int64),
        multiplier=found.multiplier, shift=found.shift, input_zero_point=graph.tensor(op.op.inputs[0]).zero_point,
        output_zero_point=graph.output_zero(op.op), low=op.op.low, high=op.op.high,
    )  # fmt: skip
