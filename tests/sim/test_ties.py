"""Sums on the edge of an output: one bit more or less in what makes them is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.rounding import ROUNDINGS, Rounding
from dataflows.workload import Layer
from sim.golden.layer import golden_layer
from sim.tensors import LayerTensors, random_tensors
from sim.ties import at_ties


def drawn(seed: int, rounding: Rounding, channels: int = 300, acc_bits: int = 32) -> tuple[Layer, LayerTensors]:
    layer, rng = Layer.gemm("gemv", M=1, N=channels, K=5), np.random.default_rng(seed)
    tensors = replace(random_tensors(layer, rng, acc_bits=acc_bits), rounding=rounding)
    found = at_ties(layer, tensors, rng, acc_bits=acc_bits)
    found.check(layer)
    return layer, found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from(ROUNDINGS), st.sampled_from([20, 32]))
def test_the_next_sum_often_gives_another_output(seed: int, rounding: Rounding, acc_bits: int):
    layer, tensors = drawn(seed, rounding, acc_bits=acc_bits)
    edge = 1 << acc_bits - 1
    assert ((tensors.bias >= -edge) & (tensors.bias < edge)).all()
    assert np.array_equal(at_ties(layer, tensors, np.random.default_rng(5)).inputs, tensors.inputs)
    before, after = (
        golden_layer(layer, replace(tensors, bias=np.clip(tensors.bias + by, -edge, edge - 1)), acc_bits=acc_bits)
        for by in (-1, 1)
    )
    assert np.mean(before != after) > 0.5


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_bit_of_bias_and_multiplier_decides_an_output(rounding: Rounding):
    layer, tensors = drawn(1, rounding)
    golden = golden_layer(layer, tensors)
    for bit in range(31):
        for name in ("bias", "multiplier"):
            wrong = replace(tensors, **{name: getattr(tensors, name) ^ (1 << bit)})
            assert (golden_layer(layer, wrong) != golden).any(), (name, bit)
