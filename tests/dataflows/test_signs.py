"""Unsigned operands on hardware that takes signed ones: the same numbers at the same cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.cost import evaluate
from dataflows.feasible import InfeasibleError
from dataflows.tiling import Tiling, violations
from dataflows.workload import OPERAND_BITS, Layer
from sim.golden.layer import golden_accumulators
from sim.tensors import LayerTensors
from tests.strategies import jobs


@given(st.data(), st.sampled_from(OPERAND_BITS), st.sampled_from(OPERAND_BITS), st.integers(0, 2**32 - 1))
def test_moving_the_zero_point_makes_unsigned_operands_signed(data, input_bits, weight_bits, seed):
    """Products of uint8 with zero point z are those of int8 with zero point z - 128, padding included.

    The golden model refuses stored values that do not fit their signed width.
    """
    rng = np.random.default_rng(seed)
    x, w = rng.integers(0, 1 << input_bits, (1, 4, 5, 4)), rng.integers(0, 1 << weight_bits, (6, 2, 3, 2))
    half_x, half_w = 1 << (input_bits - 1), 1 << (weight_bits - 1)
    zero = data.draw(st.integers(0, 2 * half_x - 1))
    padding = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
    layer = Layer.conv(
        "c", K=6, C=4, G=2, H=5, W=4, R=3, S=2, padding=padding, input_bits=input_bits, weight_bits=weight_bits,
        input_signed=False, weight_signed=False,
    )  # fmt: skip
    nothing, one = np.zeros(6, np.int64), np.ones(6, np.int64)
    tensors = LayerTensors(x - half_x, w - half_w, nothing, one, one, zero - half_x, 0, -1, 1)
    assert np.array_equal(golden_accumulators(layer, tensors), _sums(x - zero, w - half_w, padding))


def _sums(x, w, padding):
    """Add up true values product by product."""
    top, left, bottom, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows, cols = padded.shape[2] - 2, padded.shape[3] - 1
    sums = np.zeros((1, 6, rows, cols), np.int64)
    for k in range(6):
        for p in range(rows):
            for q in range(cols):
                group = slice(2 * (k // 3), 2 * (k // 3) + 2)
                sums[0, k, p, q] = (padded[0, group, p : p + 3, q : q + 2] * w[k]).sum()
    return sums


@settings(max_examples=30, deadline=None)
@given(jobs(), st.booleans(), st.booleans())
def test_signs_change_no_cost(job, inputs, weights):
    layer, acc, tiling = job
    other = replace(layer, input_signed=inputs, weight_signed=weights)
    assert violations(other, acc, tiling) == violations(layer, acc, tiling)
    assert evaluate(other, acc, tiling).to_dict() == evaluate(layer, acc, tiling).to_dict()


def test_outputs_wider_than_the_next_inputs_are_infeasible():
    acc = Accelerator("a", Array(4, 4))
    wide = Layer.gemm("g", M=2, N=3, K=4, output_bits=32)
    with pytest.raises(InfeasibleError, match="24 output bits: needs 32, has 8"):
        evaluate(wide, acc, Tiling(1, 1, 1, 1))
    assert violations(replace(wide, output_bits=4), acc, Tiling(1, 1, 1, 1)) == []
