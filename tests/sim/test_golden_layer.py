"""Whole layers: the definition, the folded form the hardware uses, and the reach of random tensors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.workload import Layer
from sim.golden.accumulate import conv, gemm, wrap
from sim.golden.layer import fold_zero_point, golden_accumulators, golden_layer
from sim.golden.requantize import requantize
from sim.tensors import LayerTensors, random_tensors


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    groups = draw(st.sampled_from([1, 1, 2, 6]))
    return Layer.conv(
        "x", K=groups * draw(st.integers(1, 4)), C=groups * draw(st.integers(1, 4)), H=draw(st.integers(5, 9)),
        W=draw(st.integers(5, 9)), R=draw(st.integers(1, 3)), S=draw(st.integers(1, 3)), G=groups, N=draw(st.integers(1, 2)),
        stride=draw(st.integers(1, 2)), dilation=draw(st.integers(1, 2)), padding=draw(st.integers(0, 2)),
        input_bits=draw(st.sampled_from([4, 8, 16])), weight_bits=draw(st.sampled_from([4, 8, 16])),
        activation=draw(st.sampled_from(["none", "relu", "relu6"])),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(layers(), st.sampled_from([24, 32, 48]), st.integers(0, 2**32))
def test_folded_form_is_equal(layer: Layer, acc_bits: int, seed: int) -> None:
    """docs/hardware.md: stored inputs, padding with the zero point, folded bias, everything modulo 2**acc_bits."""
    t = random_tensors(layer, np.random.default_rng(seed), acc_bits=acc_bits)
    sums = conv(
        t.inputs, t.weights, stride=layer.stride, dilation=layer.dilation, padding=layer.padding, groups=layer.G,
        pad_value=t.input_zero_point,
    )  # fmt: skip
    bias = wrap(fold_zero_point(t.bias, t.weights, t.input_zero_point), acc_bits)
    acc = wrap(wrap(sums, acc_bits) + bias[:, None, None], acc_bits)
    expected = requantize(
        acc, t.multiplier[:, None, None], t.shift[:, None, None], zero_point=t.output_zero_point, low=t.low, high=t.high
    )
    found = golden_layer(layer, t, acc_bits=acc_bits)
    assert found.shape == (layer.N, layer.G * layer.K, layer.P, layer.Q)
    np.testing.assert_array_equal(found, expected)


def test_gemm_layer() -> None:
    layer = Layer.gemm("g", M=7, N=5, K=9)
    t = random_tensors(layer, np.random.default_rng(3))
    a, b = t.inputs[0, :, 0].T.astype(int) - t.input_zero_point, t.weights[:, :, 0, 0].T
    np.testing.assert_array_equal(golden_accumulators(layer, t)[0, :, 0], (gemm(a, b) + t.bias).T)


def test_cropped_output() -> None:
    """A layer may want fewer outputs than its input allows."""
    layer = Layer("x", K=2, C=3, P=2, Q=3, R=3, S=3, H=9, W=9, stride=(2, 2))
    whole = replace(layer, P=4, Q=4)
    t = random_tensors(layer, np.random.default_rng(0))
    np.testing.assert_array_equal(golden_layer(layer, t), golden_layer(whole, t)[:, :, :2, :3])


def test_by_hand() -> None:
    layer = Layer.conv("x", K=1, C=1, H=2, W=2, R=2, S=2, padding=(1, 0, 0, 0))
    one = np.array([1 << 30])
    t = LayerTensors(
        np.array([[[[3, -1], [4, 6]]]]), np.array([[[[1, 2], [-3, 5]]]]), np.array([10]), one, np.array([31]), 1, -2, -128, 127
    )
    # Row 0 is padding: -3 (3-1) + 5 (-1-1) + 10 = -6 -> -3 - 2. Row 1: (3-1) + 2 (-1-1) - 3 (4-1) + 5 (6-1) + 10 = 24 -> 12 - 2.
    assert golden_layer(layer, t).tolist() == [[[[-5], [10]]]]


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("acc_bits", [32, 48])
def test_random_tensors_reach_the_corners(bits: int, acc_bits: int) -> None:
    layer = Layer.conv("x", K=64, C=16, H=12, W=12, R=3, S=3, padding=1, input_bits=bits, weight_bits=bits)
    t = random_tensors(layer, np.random.default_rng(1), acc_bits=acc_bits)
    t.check(layer)
    half = 1 << (bits - 1)
    for operand in (t.inputs, t.weights):
        assert operand.min() == -half
        assert operand.max() == half - 1
    exact = golden_accumulators(layer, t)
    assert (wrap(exact, acc_bits) != exact).any()
    out = golden_layer(layer, t, acc_bits=acc_bits)
    assert {-half, half - 1} <= set(out.ravel().tolist())
    inside = out[(out > -half) & (out < half - 1)]
    assert inside.size > out.size / 3
    assert len(np.unique(inside)) > min(2 * half, 2000) * 0.8


def test_rejects_foreign_tensors() -> None:
    layer = Layer.conv("x", K=2, C=2, H=4, W=4, R=1, S=1)
    t = random_tensors(layer, np.random.default_rng(0))
    for wrong in (
        replace(t, inputs=t.inputs[:, :1]), replace(t, weights=t.weights.astype(int) * 1000), replace(t, low=5, high=4),
        replace(t, shift=t.shift * 0), replace(t, input_zero_point=128), replace(t, bias=t.bias[:1]),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=r"x\."):
            golden_layer(layer, wrong)
