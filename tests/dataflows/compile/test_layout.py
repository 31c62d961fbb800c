"""One layout for all activations: what packers of single layers write and read is what whole networks expect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.compile.layout import as_run, fills_blocks
from dataflows.graph import GraphTensor
from dataflows.workload import Layer
from sim.formats.dense import pack_inputs, unpack_outputs
from sim.formats.network import one_group, pack_tensor, unpack_tensor
from sim.golden.accumulate import conv


def square(side: int, bus: int = 8) -> Accelerator:
    return Accelerator("square", Array(side, side), Memory(bus_bytes=bus), post_lanes=1)


@st.composite
def grouped(draw: st.DrawFn) -> Layer:
    """Layers with groups of any size, one group and depthwise among them."""
    groups, depth, filters = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    if draw(st.booleans()):
        depth = filters = 1
    return Layer.conv("g", K=groups * filters, C=groups * depth, H=3, W=2, R=1, S=2, G=groups, N=draw(st.integers(1, 2)))


@given(grouped(), st.sampled_from((1, 2, 3, 4, 6, 8)), st.sampled_from((4, 16)))
@settings(max_examples=200)
def test_single_layers_read_and_write_the_layout_of_networks(layer: Layer, side: int, bus: int) -> None:
    acc, ran = square(side, bus), as_run(layer, square(side))
    rng = np.random.default_rng(0)
    inputs = rng.integers(-128, 128, (layer.N, layer.G * layer.C, layer.H, layer.W))
    outputs = rng.integers(-128, 128, (layer.N, layer.G * layer.K, layer.P, layer.Q))
    read, made = (GraphTensor(name, *each.shape, 1.0, 0) for name, each in (("x", inputs), ("y", outputs)))
    assert np.array_equal(pack_inputs(ran, acc, inputs), pack_tensor(read, acc, inputs))
    assert np.array_equal(unpack_outputs(ran, acc, pack_tensor(made, acc, outputs)), outputs)
    assert np.array_equal(unpack_tensor(made, acc, pack_tensor(made, acc, outputs)), outputs)
    assert (ran.G == layer.G) == (fills_blocks(layer, acc))


@given(grouped(), st.sampled_from((2, 3, 4, 8)))
def test_a_layer_stays_in_groups_exactly_where_its_own_packing_is_that_of_networks(layer: Layer, side: int) -> None:
    acc = square(side)
    ids = {name: np.arange(1, 1 + count) for name, count in (("x", layer.G * layer.C), ("y", layer.G * layer.K))}
    x = np.broadcast_to(ids["x"][None, :, None, None], (1, len(ids["x"]), layer.H, layer.W))
    read = GraphTensor("x", *x.shape, 1.0, 0)
    alone = replace(layer, N=1)
    y = np.broadcast_to(ids["y"][None, :, None, None], (1, len(ids["y"]), layer.P, layer.Q))
    packed = pack_tensor(GraphTensor("y", *y.shape, 1.0, 0), acc, y)
    reads = np.array_equal(pack_inputs(alone, acc, x), pack_tensor(read, acc, x))
    writes = len(packed) == acc.beats(acc.output_word_bits) * _words(alone, acc) and np.array_equal(
        unpack_outputs(alone, acc, packed), y
    )
    assert fills_blocks(alone, acc) == (reads and writes)


def _words(layer: Layer, acc: Accelerator) -> int:
    """Words of a layer's outputs, as the layer alone counts them."""
    from dataflows.program import place
    from dataflows.tiling import Tiling

    where = place(layer, acc, Tiling(1, 1, 1, 1))
    return (where.end - where.outputs) // acc.beats(acc.output_word_bits)


@given(grouped())
def test_one_group_computes_the_sums_of_many(layer: Layer) -> None:
    rng = np.random.default_rng(1)
    inputs = rng.integers(-128, 128, (1, layer.G * layer.C, layer.H, layer.W))
    weights = rng.integers(-128, 128, (layer.G * layer.K, layer.C, layer.R, layer.S))
    shape = {"stride": layer.stride, "dilation": layer.dilation, "padding": layer.padding}
    apart = conv(inputs, weights, groups=layer.G, **shape)
    assert np.array_equal(conv(inputs, one_group(weights, layer.G), groups=1, **shape), apart)
