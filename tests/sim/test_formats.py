"""Packing of tensors: bits by hand, round trips, and layouts against the addresses of docs/hardware.md."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.program import place, program_beats
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer
from sim.formats.dense import memory_image, pack_inputs, pack_weights, unpack_outputs
from sim.formats.words import pack_lanes, to_beats, unpack_lanes
from sim.tensors import random_tensors
from tests.strategies import jobs


def test_lanes_lie_low_bits_first() -> None:
    assert pack_lanes(np.array([[1, -1, 7]]), 4).tolist() == [[0xF1, 0x07]]
    assert pack_lanes(np.array([[-2, 3]]), 8).tolist() == [[0xFE, 0x03]]
    assert pack_lanes(np.array([[-2]]), 16).tolist() == [[0xFE, 0xFF]]
    assert to_beats(np.array([[1, 2, 3]], dtype=np.uint8), 2).tolist() == [[1, 2], [3, 0]]


@given(st.sampled_from((4, 8, 16)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_lanes_round_trip(bits: int, words: int, lanes: int, seed: int) -> None:
    half = 1 << (bits - 1)
    values = np.random.default_rng(seed).integers(-half, half, (words, lanes))
    assert (unpack_lanes(pack_lanes(values, bits), lanes, bits) == values).all()


@given(st.sampled_from((4, 8)), st.sampled_from((4, 16, 128)), st.data())
def test_a_table_lies_behind_the_program_entry_by_entry(bits: int, bus_bytes: int, data: st.DataObject) -> None:
    acc = Accelerator("a", Array(2, 2, input_bits=bits, weight_bits=bits), Memory(bus_bytes), post_lanes=2)
    layer, tiling = Layer.gemm("g", M=3, N=3, K=3, input_bits=bits, weight_bits=bits), Tiling(1, 1, 1, 3)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    table = rng.permutation(1 << bits) - (1 << bits - 1)
    image, where, _ = memory_image(layer, acc, tiling, replace(random_tensors(layer, rng), table=table), 9)
    start = program_beats(acc)
    number = int.from_bytes(image[start : where.scales - 9].tobytes(), "little")
    value = data.draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
    index = value + (1 << bits - 1)
    assert number >> bits * index & ((1 << bits) - 1) == int(table[index]) & ((1 << bits) - 1)
    assert where.scales - where.program == start + max(1, bits * (1 << bits) // (8 * bus_bytes))


@settings(max_examples=60)
@given(jobs(), st.integers(0, 2**32 - 1), st.data())
def test_any_input_and_weight_is_where_the_manual_says(
    job: tuple[Layer, Accelerator, Tiling], seed: int, data: st.DataObject
) -> None:
    layer, acc, tiling = job
    blocking = Blocking.of(layer, acc)
    tensors = random_tensors(layer, np.random.default_rng(seed), acc_bits=acc.array.acc_bits)
    g, k, c, y, x, r, s, n = (
        data.draw(st.integers(0, extent - 1))
        for extent in (layer.G, layer.K, layer.C, layer.H, layer.W, layer.R, layer.S, layer.N)
    )
    packed, rows, cols = blocking.packed, acc.array.rows, acc.array.cols
    if packed > 1:
        plane, lane, block, out_lane = g // packed, g % packed * layer.C + c, g // packed, g % packed * layer.K + k
        c_block, row = 0, c
    else:
        c_block, row = c // rows, c % rows
        plane, lane, block, out_lane = g * blocking.c_blocks + c_block, row, k // cols, k % cols
    inputs = pack_inputs(layer, acc, tensors.inputs)
    beats = acc.beats(acc.input_word_bits)
    planes = blocking.group_blocks * blocking.c_blocks
    at = (((n * planes + plane) * layer.H + y) * layer.W + x) * beats
    word = inputs[at : at + beats].reshape(1, -1)
    assert unpack_lanes(word, rows, acc.array.input_bits)[0, lane] == tensors.inputs[n, g * layer.C + c, y, x]

    weights = pack_weights(layer, acc, tiling, tensors.weights)
    beats = acc.beats(acc.weight_word_bits)
    tile, inside = divmod(block, tiling.blocks)
    c_tile, c_inside = divmod(c_block, tiling.c_blocks)
    if packed == 1:
        tile += g * -(-blocking.k_blocks // tiling.blocks)
    here_c = min(tiling.c_blocks, blocking.c_blocks - c_tile * tiling.c_blocks)
    taps = layer.R * layer.S * blocking.weight_rows
    start = (tile * blocking.c_blocks + c_tile * tiling.c_blocks) * tiling.blocks * taps
    at = start + ((inside * here_c + c_inside) * layer.R * layer.S + r * layer.S + s) * blocking.weight_rows + row
    word = weights[at * beats : (at + 1) * beats].reshape(1, -1)
    assert unpack_lanes(word, cols, acc.array.weight_bits)[0, out_lane] == tensors.weights[g * layer.K + k, c, r, s]


@settings(max_examples=40)
@given(jobs())
def test_outputs_unpack_to_their_places(job: tuple[Layer, Accelerator, Tiling]) -> None:
    layer, acc, tiling = job
    where = place(layer, acc, tiling)
    blocking = Blocking.of(layer, acc)
    beats, cols = acc.beats(acc.output_word_bits), acc.array.cols
    words = (where.end - where.outputs) // beats
    rng = np.random.default_rng(words)
    lanes = rng.integers(-128, 128, (words, cols))
    outputs = unpack_outputs(layer, acc, to_beats(pack_lanes(lanes, 8), acc.memory.bus_bytes))
    for n, channel, p, q in zip(*(rng.integers(0, extent, 8) for extent in outputs.shape), strict=True):
        g, k = divmod(channel, layer.K)
        if blocking.packed > 1:
            block, lane = g // blocking.packed, g % blocking.packed * layer.K + k
        else:
            block, lane = g * blocking.k_blocks + k // cols, k % cols
        per_image = blocking.group_blocks * blocking.k_blocks
        assert outputs[n, channel, p, q] == lanes[((n * per_image + block) * layer.P + p) * layer.Q + q, lane]


def test_image_ends_where_the_outputs_begin() -> None:
    layer = Layer.conv("c", K=5, C=3, H=6, W=6, R=3, S=3)
    acc = Accelerator("a", Array(4, 4))
    tensors = random_tensors(layer, np.random.default_rng(0))
    image, where, program = memory_image(layer, acc, Tiling(1, 1, 2, 4), tensors)
    assert image.shape == (where.outputs, 16)
    assert image[:16].reshape(-1)[:12].tobytes() == np.array(program.words()[:3], dtype="<u4").tobytes()
