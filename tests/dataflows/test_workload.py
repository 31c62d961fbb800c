"""Layers against brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.traffic import TrafficLayer
from dataflows.workload import DIMS, OPERAND_BITS, OUTPUT_BITS, Layer, Network
from tests.strategies import layers


@given(layers(most=3))
def test_macs_are_the_points_of_the_loop_nest(layer):
    extents = [range(getattr(layer, dim)) for dim in DIMS]
    assert layer.macs == sum(1 for _ in itertools.product(*extents))
    outputs = set(itertools.product(*(range(getattr(layer, dim)) for dim in "NGKPQ")))
    weights = set(itertools.product(*(range(getattr(layer, dim)) for dim in "GKCRS")))
    assert (layer.output_words, layer.parameters) == (len(outputs), len(weights))


@given(layers())
def test_every_read_lies_in_the_padded_image(layer):
    for out, taps, size, axis in ((layer.P, layer.R, layer.H, 0), (layer.Q, layer.S, layer.W, 1)):
        reads = {o * layer.stride[axis] + t * layer.dilation[axis] for o in range(out) for t in range(taps)}
        assert max(reads) < size + layer.padding[axis] + layer.padding[axis + 2]


@given(layers(), st.data())
def test_conv_fits_as_many_outputs_as_the_image_holds(layer, data):
    if layer.kind == "gemm":
        return
    built = Layer.conv(
        "c", K=layer.G * layer.K, C=layer.G * layer.C, H=layer.H, W=layer.W, R=layer.R, S=layer.S, stride=layer.stride,
        padding=layer.padding, dilation=layer.dilation, G=layer.G, N=layer.N,
    )  # fmt: skip
    for out, taps, size, axis in ((built.P, built.R, built.H, 0), (built.Q, built.S, built.W, 1)):
        whole = size + built.padding[axis] + built.padding[axis + 2]
        fits = [o for o in range(whole) if o * built.stride[axis] + (taps - 1) * built.dilation[axis] < whole]
        assert out == len(fits)
    assert (built.K, built.C) == (layer.K, layer.C)
    axis = data.draw(st.sampled_from("PQ"))
    with pytest.raises(SpecError, match="at least"):
        replace(built, **{axis: getattr(built, axis) + 1})


@given(layers())
def test_a_missing_image_size_is_the_least_that_serves(layer):
    least = replace(layer, H=0, W=0)
    assert least.H <= layer.H
    assert least.W <= layer.W
    for size in ("H", "W"):
        if getattr(least, size) > 1:
            with pytest.raises(SpecError):
                replace(least, **{size: getattr(least, size) - 1})


@given(
    layers(), st.sampled_from(OPERAND_BITS), st.sampled_from(("none", "relu", "relu6")), st.floats(0.01, 1), st.booleans(),
    st.sampled_from((None, *OUTPUT_BITS)),
)  # fmt: skip
def test_dictionary_round_trip(layer, bits, activation, density, signed, output):
    layer = replace(
        layer, weight_bits=bits, activation=activation, input_density=density, input_signed=signed, weight_signed=not signed,
        output_bits=output,
    )  # fmt: skip
    again = Layer.from_dict(layer.to_dict())
    assert again == layer
    assert hash(again) == hash(layer)


@given(layers())
def test_flattened_layers_do_the_same_work(layer):
    flat = layer.flattened()
    assert (flat.macs, flat.parameters, flat.output_words) == (layer.macs, layer.parameters, layer.output_words)
    if flat is not layer:
        assert flat.input_words == layer.input_words
        assert (flat.P, flat.H) == (1, 1)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(2, 9))
def test_kinds(m, n, k, groups):
    gemm = Layer.gemm("g", M=m, N=n, K=k)
    assert (gemm.kind, gemm.macs, gemm.parameters) == ("gemm", m * n * k, n * k)
    assert gemm.input_words == m * k
    conv = {"H": 4, "W": 4, "R": 3, "S": 3}
    assert Layer.conv("c", K=n, C=k, **conv).kind == "conv"
    assert Layer.conv("d", K=groups, C=groups, G=groups, **conv).kind == "depthwise"
    assert Layer.conv("e", K=groups * n, C=2 * groups, G=groups, **conv).kind == "grouped"


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(2, 9))
def test_a_batch_of_products_is_that_many_products(m, n, k, batch):
    one, many = Layer.gemm("g", M=m, N=n, K=k), Layer.gemm("g", M=m, N=n, K=k, G=batch)
    for field in ("macs", "parameters", "input_words", "output_words"):
        assert getattr(many, field) == batch * getattr(one, field)


def test_density_is_part_of_the_shape_but_of_no_count():
    dense = Layer.gemm("g", M=2, N=3, K=4)
    sparse = replace(dense, weight_density=0.25)
    assert dense.shape != sparse.shape
    assert (sparse.macs, sparse.parameters) == (dense.macs, dense.parameters)
    assert Layer.from_dict({key: value for key, value in dense.to_dict().items() if "density" not in key}) == dense


def test_operands_are_part_of_the_shape_and_older_dictionaries_have_none():
    plain = Layer.gemm("g", M=2, N=3, K=4)
    assert (plain.input_signed, plain.weight_signed, plain.output_width) == (True, True, 8)
    for change in ({"input_signed": False}, {"weight_signed": False}, {"output_bits": 32}):
        other = replace(plain, **change)
        assert other.shape != plain.shape
        assert (other.macs, other.parameters, other.flattened().shape) == (plain.macs, plain.parameters, other.shape)
        assert Layer.from_dict({key: value for key, value in other.to_dict().items() if key not in change}) == plain
    assert replace(plain, input_bits=16).output_width == 16
    assert replace(plain, output_bits=4).output_width == 4


def test_a_pointwise_layer_flattens_and_a_strided_one_does_not():
    plain = Layer.conv("p", K=4, C=3, H=5, W=6, R=1, S=1)
    assert (plain.flattened().Q, plain.flattened().kind) == (30, "gemm")
    strided = Layer.conv("p", K=4, C=3, H=5, W=6, R=1, S=1, stride=2)
    assert strided.flattened() is strided


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((dim, 0) for dim in DIMS),
        ("K", True), ("C", 2.0), ("P", "3"), ("stride", (0, 1)), ("dilation", (1, -1)), ("padding", (0, 0, -1, 0)),
        ("input_bits", 1), ("weight_bits", 32), ("input_density", 0.0), ("weight_density", 1.5), ("weight_density", True),
        ("output_bits", 33), ("input_signed", 1), ("weight_signed", "no"),
    ],
)  # fmt: skip
def test_bad_fields_are_named(field, value):
    with pytest.raises(SpecError, match=rf"layer\.{field}"):
        Layer(**{"name": "layer", "K": 1, "C": 1, "P": 1, "Q": 1, field: value})


def test_groups_divide_channels():
    with pytest.raises(SpecError, match=r"c\.G"):
        Layer.conv("c", K=4, C=3, H=4, W=4, R=1, S=1, G=2)
    with pytest.raises(SpecError, match=r"c\.H,W"):
        Layer.conv("c", K=4, C=3, H=4, W=2, R=1, S=3)


@given(st.lists(layers(), min_size=1, max_size=6), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_networks_group_equal_shapes(shapes, picks):
    chosen = tuple(replace(shapes[pick % len(shapes)], name=f"l{i}") for i, pick in enumerate(picks))
    network = Network("n", chosen, 7, "test", (TrafficLayer("sum", "add", 6, 3),))
    groups = network.distinct()
    assert sum(count for _, count in groups) == len(chosen)
    assert sum(layer.macs * count for layer, count in groups) == network.macs
    assert len({layer.shape for layer, _ in groups}) == len(groups)
    assert [layer.name for layer, _ in groups] == sorted((layer.name for layer, _ in groups), key=lambda name: int(name[1:]))
    assert Network.from_dict(network.to_dict()) == network
