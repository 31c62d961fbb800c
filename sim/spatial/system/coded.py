"""Coded rows of a tensor in memory, in NumPy: a table of lengths, then every row in its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.spatial.system.coded import Codes, codes_of, row_layout, tensor_rows
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.program import SystemProgram
from sim.formats.rlc import decode, encode
from sim.formats.words import to_beats
from sim.tensors import LayerTensors

Beats = NDArray[np.uint8]


def centred_rows(program: SystemProgram, tensor: str, values: NDArray, zero: int, fill: int) -> list[NDArray[np.int64]]:
    """Return the rows of a tensor less their zero point, modulo the width of a word and signed."""
    bits = program.system.array.input_bits
    half = 1 << bits - 1
    return [(row - zero + half) % (1 << bits) - half for row in tensor_rows(program, tensor, values, fill)]


def input_rows(program: SystemProgram, tensors: LayerTensors) -> list[NDArray[np.int64]]:
    """Return the rows of the inputs; channels that fill up a beat are zero."""
    zero = tensors.input_zero_point
    return centred_rows(program, "inputs", tensors.inputs, zero, zero)


def output_rows(program: SystemProgram, tensors: LayerTensors, outputs: NDArray) -> list[NDArray[np.int64]]:
    """Return the rows of outputs; channels that fill up a beat have scale 0, so they are the zero point, clipped."""
    zero = tensors.output_zero_point
    return centred_rows(program, "outputs", outputs, zero, min(max(zero, tensors.low), tensors.high))


def layer_codes(program: SystemProgram, tensors: LayerTensors, outputs: NDArray) -> Codes:
    """Return what the coders do in a layer with these tensors, whose outputs are (N, G * K, P, Q)."""
    return codes_of(program, input_rows(program, tensors), output_rows(program, tensors, outputs))


def pack_rows(program: SystemProgram, tensor: str, rows: list[NDArray[np.int64]]) -> Beats:
    """Return table and rows as beats; what no row needs of its place is 0."""
    system, layout = program.system, row_layout(program, tensor)
    size = system.memory.bus_bytes
    found = np.zeros((layout.beats, size), np.uint8)
    lengths = np.zeros(layout.table_beats * system.table_entries, "<u2")
    for number, row in enumerate(rows):
        beats = to_beats(encode(row, system.array.input_bits, system.code), size)
        at = layout.table_beats + number * layout.slot
        found[at : at + len(beats)], lengths[number] = beats, len(beats)
    found[: layout.table_beats] = lengths.view(np.uint8).reshape(-1, size)
    return found


def wrong_rows(program: SystemProgram, tensor: str, beats: Beats, rows: list[NDArray[np.int64]]) -> list[int]:
    """Return the numbers of coded rows in memory of another length, or with another bit, than the golden code."""
    system, layout = program.system, row_layout(program, tensor)
    lengths, wrong = beats[: layout.table_beats].reshape(-1).view("<u2"), []
    for number, row in enumerate(rows):
        golden = to_beats(encode(row, system.array.input_bits, system.code), system.memory.bus_bytes)
        at = layout.table_beats + number * layout.slot
        if lengths[number] != len(golden) or (beats[at : at + len(golden)] != golden).any():
            wrong.append(number)
    return wrong


def unpack_coded(program: SystemProgram, beats: Beats, zero: int) -> NDArray[np.int64]:
    """Return the outputs, (N, G * K, P, Q), of coded rows in memory; a row that is no code of its length has impossible words."""
    layer, system, layout = program.layer, program.system, row_layout(program, "outputs")
    words, bits = system.beat_words("outputs"), system.array.input_bits
    width = -(-(system.code.pack * (system.code.run_bits + bits) + 1) // 8)
    lengths = beats[: layout.table_beats].reshape(-1).view("<u2")
    pixel = channel_beats(layer, system, "outputs")
    values = np.zeros((layer.N, layer.P, layer.Q, pixel * words), np.int64)
    number, half = 0, 1 << bits - 1
    for image in range(layer.N):
        for y in range(layer.P):
            for block in range(layout.blocks):
                first, last = block * layout.block * words, min(pixel, (block + 1) * layout.block) * words
                at = layout.table_beats + number * layout.slot
                coded = beats[at : at + int(lengths[number])][:, :width]
                number += 1
                try:
                    row = decode(coded, layer.Q * (last - first), bits, system.code)
                except SpecError:
                    values[image, y, :, first:last] = 1 << bits
                    continue
                values[image, y, :, first:last] = ((row + zero + half) % (1 << bits) - half).reshape(layer.Q, -1)
    return values[..., : layer.G * layer.K].transpose(0, 3, 1, 2)
