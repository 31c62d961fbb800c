"""Traffic-only operations against onnx's own shapes, and attention against its definition."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from dataflows.attention import attention_products
from dataflows.errors import SpecError
from dataflows.traffic import OPS, TrafficLayer


@given(
    C=st.integers(1, 4), H=st.integers(1, 12), W=st.integers(1, 12), R=st.integers(1, 4), S=st.integers(1, 4),
    stride=st.integers(1, 4), padding=st.integers(0, 2), ceil=st.booleans(), N=st.integers(1, 2),
)  # fmt: skip
def test_pool_sizes_are_those_of_onnx(C, H, W, R, S, stride, padding, ceil, N):
    padding = min(padding, R - 1, S - 1)
    sizes = {"C": C, "H": H, "W": W, "R": R, "S": S, "stride": stride, "padding": padding, "ceil": ceil, "N": N}
    missing = max(R - H, S - W) - 2 * padding
    if missing > (stride - 1 if ceil else 0):  # rounding up leaves a window that lies partly in the image
        with pytest.raises(SpecError, match="window"):
            TrafficLayer.pool("p", "maxpool", **sizes)
        return
    pool = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=[R, S], strides=[stride] * 2, pads=[padding] * 4, ceil_mode=int(ceil)
    )
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (N, C, H, W))
    graph = helper.make_graph([pool], "g", [value], [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    found = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim
    entry = TrafficLayer.pool("p", "maxpool", **sizes)
    assert entry.output_words == np.prod([each.dim_value for each in found])
    assert (entry.input_words, entry.macs) == (N * C * H * W, 0)


@given(
    heads=st.integers(1, 3), queries=st.integers(1, 4), keys=st.integers(1, 4), width=st.integers(1, 4), batch=st.integers(1, 2)
)
def test_attention_products_count_what_einsum_multiplies(heads, queries, keys, width, batch):
    qk, softmax, pv = attention_products("a", heads=heads, queries=queries, keys=keys, width=width, batch=batch, input_bits=4)
    scores = np.einsum(
        "bhqd,bhkd->bhqkd", np.ones((batch, heads, queries, width)), np.ones((batch, heads, keys, width))
    )  # one entry per product
    assert qk.macs == pv.macs == scores.size
    assert qk.output_words == pv.input_words == softmax.input_words == softmax.output_words == scores[..., 0].size
    assert (qk.input_words, pv.output_words) == (batch * heads * queries * width,) * 2
    assert qk.parameters == pv.parameters == batch * heads * keys * width
    assert (softmax.bits, softmax.after, softmax.words) == (4, "a.qk", 2 * softmax.input_words)


@given(st.sampled_from(OPS), st.integers(1, 99), st.integers(1, 3))
def test_dictionary_round_trip(op, words, operands):
    entry = TrafficLayer.elementwise("e", op, words, operands=operands, after="c")
    assert entry.words == (operands + 1) * words
    assert TrafficLayer.from_dict(entry.to_dict()) == entry


@pytest.mark.parametrize(
    ("fields", "named"),
    [(("x", "conv", 1, 1), r"x\.op"), (("x", "add", 0, 1), r"x\.input_words"), (("x", "add", 1, True), r"x\.output_words")],
)
def test_bad_fields_are_named(fields, named):
    with pytest.raises(SpecError, match=named):
        TrafficLayer(*fields)
    with pytest.raises(SpecError, match=r"p\.stride"):
        TrafficLayer.pool("p", "maxpool", C=1, H=2, W=2, R=1, S=1, stride=0)
