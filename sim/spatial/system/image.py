"""Tensors of one layer in memory, as a system reads and writes them."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from dataflows.spatial.program import base
from dataflows.spatial.system.coded import channels_last
from dataflows.spatial.system.deliveries import places
from dataflows.spatial.system.geometry import channel_beats, lanes
from dataflows.spatial.system.placement import Finish, Placement, place_layer
from dataflows.spatial.system.program import SystemProgram
from rtl.spatial.system.pack import fetched_beats, program_words
from sim.formats.words import pack_lanes, to_beats, unpack_lanes
from sim.golden.layer import fold_zero_point
from sim.spatial.system.coded import input_rows, pack_rows
from sim.tensors import LayerTensors

WEIGHT_DIMS = "GKCRS"
Beats = NDArray[np.uint8]


def pack_inputs(program: SystemProgram, inputs: NDArray) -> Beats:
    """Pack (N, G * C, H, W): channels last, filled up to whole beats with 0."""
    system = program.system
    lanes_of = channels_last(program, "inputs", inputs).reshape(-1, system.beat_words("inputs"))
    return to_beats(pack_lanes(lanes_of, system.array.input_bits), system.memory.bus_bytes)


def unpack_outputs(program: SystemProgram, beats: Beats) -> NDArray[np.int64]:
    """Unpack the outputs, (N, G * K, P, Q)."""
    layer, system = program.layer, program.system
    words = system.beat_words("outputs")
    found = unpack_lanes(beats, words, system.array.input_bits)
    found = found.reshape(layer.N, layer.P, layer.Q, -1)[..., : layer.G * layer.K]
    return found.transpose(0, 3, 1, 2)


def pack_weights(program: SystemProgram, weights: NDArray) -> Beats:
    """Pack (G * K, C, R, S) tile by tile, in the order of the deliveries; what is outside the layer is 0."""
    array, layer, system = program.array, program.layer, program.system
    shape = (layer.G, layer.K, layer.C, layer.R, layer.S)
    values = weights.reshape(shape)
    delivery = np.array(list(product(*places(array, "weights"))), np.int64)
    inside = _origins(program, range(program.depth))
    outside = _origins(program, range(program.depth, len(array.outer)))
    ports = np.array([port or (-1, 0, 0, 0, 0) for port in lanes(array, "weights")], np.int64)
    used = np.array([port is not None for port in lanes(array, "weights")])
    bits, row_words, parts = system.array.weight_bits, system.row_words, system.row_parts
    tiles = []
    for origin in outside:
        rows = (origin + inside[:, None, None] + delivery[None, :, None] + ports).reshape(-1, len(ports), 5)
        valid = used & np.all((rows >= 0) & (rows < np.array(shape)), axis=2)
        at = np.where(valid[..., None], rows, 0)
        words = np.zeros((program.weight_beats // parts * system.rows_per_beat, row_words), np.int64)
        words[: len(rows), : len(ports)] = np.where(valid, values[tuple(np.moveaxis(at, 2, 0))], 0)
        tiles.append(words.reshape(-1, system.beat_words("weights")))
    return to_beats(pack_lanes(np.concatenate(tiles), bits), system.memory.bus_bytes)


def _origins(program: SystemProgram, loops: range) -> NDArray[np.int64]:
    """Return the first coordinates of weights in every iteration of those loops that move them, outermost first."""
    outer = program.array.outer
    own = [outer[at] for at in reversed(loops) if outer[at].dim in WEIGHT_DIMS]
    found = []
    for counters in product(*(range(loop.extent) for loop in own)):
        at = dict.fromkeys(WEIGHT_DIMS, 0)
        for loop, index in zip(own, counters, strict=True):
            at[loop.dim] += loop.step * index
        found.append(base(program.layer, "weights", at))
    return np.array(found, np.int64)


def pack_scales(program: SystemProgram, tensors: LayerTensors) -> Beats:
    """Pack bias (zero point folded in), multiplier and shift of every channel; channels beyond the last have multiplier 0."""
    system = program.system
    channels = channel_beats(program.layer, system, "outputs") * system.beat_words("outputs")
    bias = fold_zero_point(tensors.bias, tensors.weights, tensors.input_zero_point)
    fields = []
    for values, bits, rest in ((bias, system.array.acc_bits, 0), (tensors.multiplier, 32, 0), (tensors.shift, 8, 1)):
        padded = np.full(channels, rest, np.int64)
        padded[: len(values)] = values
        fields.append((padded.reshape(-1, system.post_lanes)[:, :, None] >> np.arange(bits) & 1).astype(np.uint8))
    joined = np.concatenate(fields, axis=2)
    packed = np.packbits(joined.reshape(len(joined), -1), axis=1, bitorder="little")
    return to_beats(packed, system.memory.bus_bytes)


def _inputs(program: SystemProgram, tensors: LayerTensors) -> Beats:
    if program.coded[0]:
        return pack_rows(program, "inputs", input_rows(program, tensors))
    return pack_inputs(program, tensors.inputs)


def memory_image(program: SystemProgram, tensors: LayerTensors, base_beat: int = 0, rounding: int = 0) -> tuple[Beats, Placement]:
    """Lay a layer out in memory from `base_beat` on, ready to run; the image ends where the outputs begin."""
    system = program.system
    where = place_layer(program, fetched_beats(system), base_beat)
    finish = Finish(tensors.input_zero_point, tensors.output_zero_point, tensors.low, tensors.high, rounding)
    size = system.memory.bus_bytes
    image = np.zeros((where.outputs - base_beat, size), np.uint8)
    words = b"".join(word.to_bytes(size, "little") for word in program_words(program, where, finish))
    parts = (
        (where.program, np.frombuffer(words, np.uint8).reshape(-1, size)), (where.scales, pack_scales(program, tensors)),
        (where.weights, pack_weights(program, tensors.weights)), (where.inputs, _inputs(program, tensors)),
    )  # fmt: skip
    for start, beats in parts:
        image[start - base_beat : start - base_beat + len(beats)] = beats
    return image, where
