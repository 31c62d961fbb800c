"""Exact sums against onnxruntime's integer operators and against Python's own integers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from dataflows.errors import SpecError
from sim.golden.accumulate import conv, gemm, wrap


def onnx_node(kind: str, feeds: dict[str, np.ndarray], **attributes: Any) -> np.ndarray:
    """Run one node in onnxruntime."""
    inputs = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()]
    out = helper.make_tensor_value_info("y", onnx.TensorProto.INT32, None)
    graph = helper.make_graph([helper.make_node(kind, list(feeds), ["y"], **attributes)], "g", inputs, [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    small = st.integers(1, 3)
    R, S, groups, depth = draw(small), draw(small), draw(small), draw(st.integers(1, 5))
    stride, dilation = (draw(small), draw(small)), (draw(small), draw(small))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    H = (R - 1) * dilation[0] + 1 + draw(st.integers(0, 6))
    W = (S - 1) * dilation[1] + 1 + draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return {
        "inputs": rng.integers(0, 256, (draw(small), depth * groups, H, W), np.uint8),
        "weights": rng.integers(-128, 128, (groups * draw(small), depth, R, S), np.int8),
        "stride": stride, "dilation": dilation, "padding": padding, "groups": groups,
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.integers(0, 255))
def test_conv_equals_onnxruntime(case: dict[str, Any], zero: int) -> None:
    x, w = case["inputs"], case["weights"]
    rest = {k: case[k] for k in ("stride", "dilation", "padding", "groups")}
    expected = onnx_node(
        "ConvInteger", {"x": x, "w": w, "z": np.array(zero, np.uint8)}, strides=list(case["stride"]),
        dilations=list(case["dilation"]), pads=list(case["padding"]), group=case["groups"],
    )  # fmt: skip
    np.testing.assert_array_equal(conv(x.astype(np.int64) - zero, w, **rest), expected)
    folded = conv(x, w, pad_value=zero, **rest) - zero * w.astype(np.int64).sum(axis=(1, 2, 3))[:, None, None]
    np.testing.assert_array_equal(folded, expected)


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(1, 20)] * 3), st.integers(0, 255), st.integers(0, 2**32))
def test_gemm_equals_onnxruntime(shape: tuple[int, int, int], zero: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, shape[:2], np.uint8)
    b = rng.integers(-128, 128, shape[1:], np.int8)
    expected = onnx_node("MatMulInteger", {"a": a, "b": b, "z": np.array(zero, np.uint8)})
    np.testing.assert_array_equal(gemm(a.astype(np.int64) - zero, b), expected)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bits", [16, 28])
def test_wide_operands_are_exact(bits: int, groups: int) -> None:
    """28-bit products leave float64's 53 bits, so the int64 path is taken; the oracle is Python's integers."""
    rng = np.random.default_rng(bits)
    x = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (1, 4, 5, 4))
    x[0, :, 0] = -(1 << (bits - 1))
    w = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (4, 4 // groups, 3, 2))
    w[0] = -(1 << (bits - 1))
    found = conv(x, w, stride=(2, 1), groups=groups)
    assert found.dtype == np.int64
    assert found.shape == (1, 4, 2, 3)
    for k, p, q in np.ndindex(found.shape[1:]):
        first = k // (4 // groups) * (4 // groups)
        terms = (
            int(x[0, first + c, 2 * p + r, q + s]) * int(w[k, c, r, s]) for c, r, s in np.ndindex(w.shape[1:])
        )  # fmt: skip
        assert int(found[0, k, p, q]) == sum(terms)


@given(st.integers(-(2**62), 2**62 - 1), st.integers(2, 63))
def test_wrap(value: int, bits: int) -> None:
    wrapped = int(wrap(np.array(value), bits))
    assert (wrapped - value) % (1 << bits) == 0
    assert -(1 << (bits - 1)) <= wrapped < 1 << (bits - 1)


def test_rejects_shapes_that_do_not_fit() -> None:
    with pytest.raises(SpecError, match="groups"):
        conv(np.zeros((1, 4, 4, 4), int), np.zeros((4, 4, 1, 1), int), groups=2)
    with pytest.raises(SpecError, match="filter"):
        conv(np.zeros((1, 1, 2, 2), int), np.zeros((1, 1, 3, 3), int))


@pytest.mark.slow
def test_whole_layers_take_seconds() -> None:
    """231 MMAC: a 3x3 layer of 128 channels on 40 x 40."""
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (1, 128, 40, 40), np.int8)
    w = rng.integers(-128, 128, (128, 128, 3, 3), np.int8)
    began = time.process_time()
    conv(x, w, padding=(1, 1, 1, 1))
    assert time.process_time() - began < 10
