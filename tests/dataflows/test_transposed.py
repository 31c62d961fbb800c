"""Transposed convolutions against scattering by hand and against onnxruntime."""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.transposed import split_phases, transposed_conv
from tests.dataflows.onnx_models import node, save
from tests.dataflows.phases import by_phases


@st.composite
def transposed(draw, beyond_stride=True):
    """Sizes of a transposed convolution of any stride, dilation, cropping and grouping."""
    pair = lambda low, high: (draw(st.integers(low, high)), draw(st.integers(low, high)))  # noqa: E731
    (H, W), (R, S), stride, dilation = pair(1, 6), pair(1, 5), pair(1, 4), pair(1, 3)
    extra = tuple(draw(st.integers(0, max(stride[i], dilation[i] if beyond_stride else 1) - 1)) for i in range(2))
    whole = [stride[i] * ((H, W)[i] - 1) + extra[i] + ((R, S)[i] - 1) * dilation[i] + 1 for i in range(2)]
    begin = [draw(st.integers(0, min(6, size - 1))) for size in whole]
    end = [draw(st.integers(0, min(6, size - 1 - first))) for size, first in zip(whole, begin, strict=True)]
    G = draw(st.integers(1, 3))
    return {
        "K": G * draw(st.integers(1, 3)), "C": G * draw(st.integers(1, 3)), "H": H, "W": W, "R": R, "S": S, "G": G,
        "N": draw(st.integers(1, 2)), "stride": stride, "dilation": dilation, "output_padding": extra,
        "padding": (*begin, *end),
    }  # fmt: skip


def scattered(x, w, case):
    """Every input pixel times the filter, added where it lands; also how many products land on each output pixel."""
    (sy, sx), (dy, dx), (ey, ex), pad = (case[key] for key in ("stride", "dilation", "output_padding", "padding"))
    N, C, H, W = x.shape
    _, per_group, R, S = w.shape
    groups, K = case["G"], case["K"]
    whole = np.zeros((N, K, sy * (H - 1) + ey + (R - 1) * dy + 1, sx * (W - 1) + ex + (S - 1) * dx + 1))
    landed = np.zeros(whole.shape[2:], int)
    for g, i, j, r, s in itertools.product(range(groups), range(H), range(W), range(R), range(S)):
        ins = slice(g * C // groups, (g + 1) * C // groups)
        outs = slice(g * per_group, (g + 1) * per_group)
        whole[:, outs, i * sy + r * dy, j * sx + s * dx] += x[:, ins, i, j] @ w[ins, :, r, s]
        landed[i * sy + r * dy, j * sx + s * dx] += g == 0
    keep = (slice(pad[0], whole.shape[2] - pad[2]), slice(pad[1], whole.shape[3] - pad[3]))
    return whole[:, :, *keep], landed[keep]


def tensors(case, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, (case["N"], case["C"], case["H"], case["W"])).astype(np.float32)
    return x, rng.integers(-4, 5, (case["C"], case["K"] // case["G"], case["R"], case["S"])).astype(np.float32)


@given(transposed(), st.integers(0, 2**32 - 1))
def test_phases_interleave_to_the_scattered_sum(case, seed):
    split = split_phases("t", **case)
    x, w = tensors(case, seed)
    expected, landed = scattered(x, w, case)
    assert expected.shape[2:] == (split.P, split.Q)
    assert np.array_equal(by_phases(split, case, x, w), expected)
    # Products with data are exactly those that land; the layers add only what they read from around the input.
    assert sum(_useful(phase) for phase in split.phases) == landed.sum()
    assert sum(layer.macs for layer in split.layers) >= landed.sum() * case["N"] * case["K"] * case["C"] // case["G"]
    assert {layer.stride for layer in split.layers} <= {(1, 1)}
    assert split.parameters == w.size
    assert sum(layer.parameters for layer in split.layers) <= w.size


def _useful(phase):
    """Pairs of output and tap of a phase that meet an input pixel."""
    total = 1
    for axis, dilation in ((phase.rows, phase.layer.dilation[0]), (phase.cols, phase.layer.dilation[1])):
        reads = [t + k * dilation - axis.before for t in range(axis.count) for k in range(len(axis.taps))]
        total *= sum(0 <= read < axis.size for read in reads)
    return total


@settings(max_examples=40, deadline=None)
@given(transposed(beyond_stride=False), st.integers(0, 2**32 - 1))  # onnxruntime wants output_padding below the stride
def test_onnxruntime_agrees(tmp_path_factory, case, seed):
    x, w = tensors(case, seed)
    names = {"strides": "stride", "dilations": "dilation", "pads": "padding", "output_padding": "output_padding", "group": "G"}
    operation = node("ConvTranspose", ["x", "w"], ["y"], **{key: case[value] for key, value in names.items()})
    path = save(tmp_path_factory.mktemp("t") / "t.onnx", [operation], {"x": x.shape}, ["y"], {"w": w})
    result = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    assert np.array_equal(by_phases(split_phases("t", **case), case, x, w), result)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_a_filter_as_wide_as_its_stride_uses_one_tap_per_output(stride, size, K, C):
    layers = transposed_conv("up", K=K, C=C, H=size, W=size, R=stride, S=stride, stride=stride)
    assert len(layers) == stride**2
    assert sum(layer.macs for layer in layers) == K * C * (stride * size) ** 2
    assert sum(layer.parameters for layer in layers) == K * C * stride**2
    assert {(layer.R, layer.S, layer.padding) for layer in layers} == {(1, 1, (0, 0, 0, 0))}


def test_names_and_fields():
    names = [layer.name for layer in transposed_conv("up", K=1, C=1, H=2, W=2, R=3, S=2, stride=(2, 1))]
    assert names == ["up.0x0", "up.1x0"]
    (one,) = transposed_conv("up", K=1, C=1, H=2, W=2, R=3, S=3, activation="relu", weight_bits=4)
    assert (one.name, one.padding, one.activation, one.weight_bits) == ("up", (2, 2, 2, 2), "relu", 4)
    # A stride beyond the filter leaves outputs that nothing reaches.
    assert [layer.name for layer in transposed_conv("up", K=1, C=1, H=2, W=2, R=1, S=1, stride=3)] == ["up"]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("K", 3, "t.G"), ("stride", 0, "t.stride"), ("padding", -1, "t.padding"), ("dilation", (1, 0), "t.dilation"),
        ("output_padding", True, "t.output_padding"), ("H", 0, "t.H, W"), ("padding", 9, "output row"),
    ],
)  # fmt: skip
def test_bad_sizes_are_named(field, value, named):
    with pytest.raises(SpecError, match=named.replace(".", r"\.")):
        transposed_conv("t", **{"K": 2, "C": 2, "H": 3, "W": 3, "R": 2, "S": 2, "G": 2, field: value})
