"""Tensors of the dense engine in memory, as docs/hardware.md lays them out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.program import LayerProgram, Placement, Postprocess, compile_layer, place, program_beats
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer
from sim.formats.words import pack_lanes, to_beats, unpack_lanes
from sim.golden.layer import fold_zero_point
from sim.tensors import LayerTensors


def _input_planes(layer: Layer, acc: Accelerator, inputs: NDArray) -> NDArray:
    """(N, C_total, H, W) to (N * planes, H, W, rows), unused lanes 0; one tensor after the other where there are two."""
    if layer.op == "add":
        one = replace(layer, op="max", C=1)
        return np.concatenate([_input_planes(one, acc, inputs[:, operand::2]) for operand in range(2)])
    blocking = Blocking.of(layer, acc)
    rows = acc.array.rows
    per_block = blocking.packed * layer.C if blocking.packed > 1 else rows
    groups = 1 if blocking.packed > 1 else layer.G
    depth = layer.G * layer.C // groups
    blocks = math.ceil(depth / per_block)
    planes = np.zeros((layer.N, groups, blocks * per_block, layer.H, layer.W), dtype=inputs.dtype)
    planes[:, :, :depth] = inputs.reshape(layer.N, groups, depth, layer.H, layer.W)
    blocked = planes.reshape(layer.N * groups * blocks, per_block, layer.H, layer.W).transpose(0, 2, 3, 1)
    result = np.zeros((*blocked.shape[:3], rows), dtype=inputs.dtype)
    result[..., :per_block] = blocked
    return result


def pack_inputs(layer: Layer, acc: Accelerator, inputs: NDArray) -> NDArray[np.uint8]:
    """Pack an input tensor, shape (N, G * C, H, W), to (beats, bus_bytes); for ``add`` both tensors."""
    planes = _input_planes(layer, acc, inputs)
    packed = pack_lanes(planes.reshape(-1, acc.array.rows).astype(np.int64), acc.array.input_bits)
    return to_beats(packed, acc.memory.bus_bytes)


def pack_weights(layer: Layer, acc: Accelerator, tiling: Tiling, weights: NDArray) -> NDArray[np.uint8]:
    """Pack weights, shape (G * K, C, R, S), tile by tile to (beats, bus_bytes); tiles of a short last K tile leave gaps.

    The factors of ``multiply``, (N * G, 1, 1, 1), lie like a tensor of 1 x 1 pixels.
    """
    if layer.op == "multiply":
        factors = np.asarray(weights, np.int64).reshape(layer.N, layer.G)
        words = np.concatenate([_channel_blocks(layer, acc, image) for image in factors])
        return to_beats(pack_lanes(words, acc.array.weight_bits), acc.memory.bus_bytes)
    blocking = Blocking.of(layer, acc)
    cols, rows_kept = acc.array.cols, blocking.weight_rows
    taps = layer.R * layer.S
    if blocking.packed > 1:
        groups = math.ceil(blocking.group_blocks / tiling.blocks) * tiling.blocks * blocking.packed
        grid = np.zeros((groups, layer.K, layer.C, taps), dtype=np.int64)
        grid[: layer.G] = weights.reshape(layer.G, layer.K, layer.C, taps)
        lanes = grid.reshape(-1, blocking.packed * layer.K, layer.C, taps)  # a group's K channels are adjacent lanes
        words = np.zeros((lanes.shape[0], taps, layer.C, cols), dtype=np.int64)
        words[..., : lanes.shape[1]] = lanes.transpose(0, 3, 2, 1)
        flat = words.reshape(-1, cols)
    else:
        k_tiles = math.ceil(blocking.k_blocks / tiling.blocks)
        c_tiles = math.ceil(blocking.c_blocks / tiling.c_blocks)
        grid = np.zeros((layer.G, k_tiles * tiling.blocks * cols, blocking.c_blocks * rows_kept, taps), dtype=np.int64)
        grid[:, : layer.K, : layer.C] = weights.reshape(layer.G, layer.K, layer.C, taps)
        shaped = grid.reshape(layer.G, k_tiles, tiling.blocks, cols, blocking.c_blocks, rows_kept, taps)
        tiles = []
        for g in range(layer.G):
            for kt in range(k_tiles):
                left = min(tiling.blocks, blocking.k_blocks - kt * tiling.blocks)
                row = np.zeros((tiling.blocks * blocking.c_blocks * taps * rows_kept, cols), dtype=np.int64)
                for ct in range(c_tiles):
                    start = ct * tiling.c_blocks
                    part = shaped[g, kt, :left, :, start : start + tiling.c_blocks]  # block, lane, c block, row, tap
                    words = part.transpose(0, 2, 4, 3, 1).reshape(-1, cols)
                    at = start * tiling.blocks * taps * rows_kept
                    row[at : at + len(words)] = words
                tiles.append(row)
        flat = np.concatenate(tiles)
    return to_beats(pack_lanes(flat, acc.array.weight_bits), acc.memory.bus_bytes)


def _channel_blocks(layer: Layer, acc: Accelerator, values: NDArray) -> NDArray:
    """(G * K,) to (output blocks, cols), unused lanes 0."""
    blocking = Blocking.of(layer, acc)
    cols = acc.array.cols
    if blocking.packed > 1:
        per_block, groups, depth = blocking.packed * layer.K, 1, layer.G * layer.K
    else:
        per_block, groups, depth = cols, layer.G, layer.K
    blocks = math.ceil(depth / per_block)
    padded = np.zeros((groups, blocks * per_block), dtype=np.int64)
    padded[:, :depth] = values.reshape(groups, depth)
    result = np.zeros((groups * blocks, cols), dtype=np.int64)
    result[:, :per_block] = padded.reshape(groups * blocks, per_block)
    return result


def pack_scales(layer: Layer, acc: Accelerator, tensors: LayerTensors) -> NDArray[np.uint8]:
    """Pack bias (zero point folded in), multiplier and shift per output channel to (beats, bus_bytes)."""
    bias = np.asarray(tensors.bias, dtype=np.int64)
    if layer.op == "mac":  # channel by channel, hardware subtracts zero points itself
        bias = fold_zero_point(bias, tensors.weights, tensors.input_zero_point)
    lanes, groups = acc.post_lanes, acc.post_groups
    fields = []
    for values, bits in ((bias, acc.array.acc_bits), (tensors.multiplier, 32), (tensors.shift, 8)):
        blocks = _channel_blocks(layer, acc, np.asarray(values, dtype=np.int64))
        padded = np.zeros((len(blocks), groups * lanes), dtype=np.int64)
        padded[:, : acc.array.cols] = blocks
        shifted = (padded.reshape(-1, lanes)[:, :, None] >> np.arange(bits)) & 1
        fields.append(shifted.astype(np.uint8))
    bits = np.concatenate(fields, axis=2)
    packed = np.packbits(bits.reshape(len(bits), -1), axis=1, bitorder="little")
    return to_beats(packed, acc.memory.bus_bytes)


def unpack_outputs(layer: Layer, acc: Accelerator, beats: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Unpack (beats, bus_bytes) to outputs, shape (N, G * K, P, Q)."""
    blocking = Blocking.of(layer, acc)
    cols, per_word = acc.array.cols, acc.beats(acc.output_word_bits)
    lanes = unpack_lanes(beats.reshape(-1, per_word * acc.memory.bus_bytes), cols, acc.array.input_bits)
    if blocking.packed > 1:
        per_block, groups, depth = blocking.packed * layer.K, 1, layer.G * layer.K
    else:
        per_block, groups, depth = cols, layer.G, layer.K
    blocks = math.ceil(depth / per_block)
    grid = lanes.reshape(layer.N, groups, blocks, layer.P, layer.Q, cols)[..., :per_block]
    channels = grid.transpose(0, 1, 2, 5, 3, 4).reshape(layer.N, groups, blocks * per_block, layer.P, layer.Q)
    return channels[:, :, :depth].reshape(layer.N, groups * depth, layer.P, layer.Q)


def pack_table(acc: Accelerator, table: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Pack an activation table, shape (2**input_bits,), to (beats, bus_bytes); it lies behind the words of the program."""
    return to_beats(pack_lanes(table[None].astype(np.int64), acc.array.input_bits), acc.memory.bus_bytes)


def memory_image(
    layer: Layer, acc: Accelerator, tiling: Tiling, tensors: LayerTensors, base: int = 0
) -> tuple[NDArray[np.uint8], Placement, LayerProgram]:
    """Lay a layer out in memory from beat `base` on, ready to run.

    Returns
    -------
    image : ndarray, shape (beats from `base` up to the outputs, bus_bytes), uint8
    placement : Placement
    program : LayerProgram
    """
    has_table = tensors.table is not None
    where = place(layer, acc, tiling, base, has_table)
    post = Postprocess(
        tensors.input_zero_point, tensors.output_zero_point, tensors.low, tensors.high, tensors.other_zero_point,
        tensors.coefficients, has_table, tensors.rounding,
    )  # fmt: skip
    program = compile_layer(layer, acc, tiling, where, post)
    words = np.array(program.words(), dtype="<u4").view(np.uint8)
    size = acc.memory.bus_bytes
    image = np.zeros((where.outputs - base, size), dtype=np.uint8)
    image.reshape(-1)[: len(words)] = words  # the program comes first
    parts = [(where.scales, pack_scales(layer, acc, tensors)), (where.inputs, pack_inputs(layer, acc, tensors.inputs))]
    if tensors.weights.size:
        parts.append((where.weights, pack_weights(layer, acc, tiling, tensors.weights)))
    if tensors.table is not None:
        parts.append((where.program + program_beats(acc), pack_table(acc, tensors.table)))
    for start, beats in parts:
        image[start - base : start - base + len(beats)] = beats
    return image, where, program
