"""Operations channel by channel: the golden model against loops, and cases with a purpose on the simulator."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from rtl.export import verilog
from sim.cases import ARRAY_KINDS, LayerCase, random_cases
from sim.golden.layer import golden_accumulators, golden_layer
from sim.tensors import LayerTensors, random_tensors
from sim.verify import verify_layers
from tests.strategies import operations


def by_loops(layer: Layer, t: LayerTensors, at: tuple[int, int, int, int]) -> int:
    """One accumulator with its bias, element by element in Python's integers."""
    n, g, p, q = at
    x, terms = t.inputs.tolist(), []
    for c, r, s in product(range(layer.C), range(layer.R), range(layer.S)):
        y, column = (
            out * layer.stride[i] + tap * layer.dilation[i] - layer.padding[i] for i, (out, tap) in enumerate(((p, r), (q, s)))
        )
        inside = 0 <= y < layer.H and 0 <= column < layer.W
        value = x[n][g * layer.C + c][y][column] - (t.other_zero_point if c else t.input_zero_point) if inside else None
        if layer.op == "max":
            terms.append(-(1 << layer.input_bits) if value is None else value)
            continue
        factor = {"add": t.coefficients[c], "multiply": 0}.get(layer.op, 1)
        if layer.op == "multiply":
            factor = int(t.weights[n * layer.G + g, 0, 0, 0]) - t.other_zero_point
        terms.append((value or 0) * factor)
    return (max(terms) if layer.op == "max" else sum(terms)) + int(t.bias[g])


@given(operations(most=3), st.integers(0, 99))
def test_golden_sums_are_the_definition(layer: Layer, seed: int) -> None:
    tensors = random_tensors(layer, np.random.default_rng(seed))
    found = golden_accumulators(layer, tensors)
    assert found.shape == (layer.N, layer.G, layer.P, layer.Q)
    for at in np.ndindex(found.shape):
        assert found[at] == by_loops(layer, tensors, at)


def pool(name: str, op: str, channels: int, height: int, width: int, taps: tuple[int, int], **rest: Any) -> Layer:
    return Layer.conv(name, K=channels, C=channels, G=channels, H=height, W=width, R=taps[0], S=taps[1], op=op, **rest)


def directed() -> list[LayerCase]:
    rng = np.random.default_rng(11)
    everything = pool("global average", "average", 5, 24, 96, (24, 96))
    halved = pool("max 2 x 2", "max", 7, 6, 10, (2, 2), stride=2)
    bordered = pool("max beyond the border", "max", 4, 5, 6, (3, 3), stride=2, padding=(4, 1, 3, 5))
    added = Layer("residual", K=1, C=2, G=9, P=1, Q=50, op="add")
    excited = Layer("excite", K=1, C=1, G=9, N=2, P=3, Q=11, op="multiply")
    cases = [
        LayerCase(layer.name, layer, tiling, random_tensors(layer, rng))
        for layer, tiling in (
            (everything, Tiling(1, 1, 1, 1)), (halved, Tiling(2, 1, 2, 3)), (bordered, Tiling(1, 1, 2, 2)),
            (added, Tiling(1, 2, 1, 20)), (added, Tiling(1, 1, 1, 7)), (excited, Tiling(2, 1, 2, 11)),
        )
    ]  # fmt: skip
    negative = replace(cases[2].tensors, inputs=-1 - np.abs(cases[2].tensors.inputs // 2), input_zero_point=100)
    unlike = replace(cases[3].tensors, input_zero_point=-128, other_zero_point=127, coefficients=(-(1 << 15), (1 << 15) - 1))
    return [
        *cases, LayerCase("all below zero", bordered, cases[2].tiling, negative),
        LayerCase("ends of the range", added, Tiling(1, 2, 1, 50), unlike),
    ]  # fmt: skip


@pytest.mark.rtl
@pytest.mark.parametrize(("rows", "cols", "dataflow"), [(4, 4, "ws"), (3, 5, "os")])
def test_directed_cases(rows: int, cols: int, dataflow: Any) -> None:
    acc = Accelerator("direct", Array(rows, cols, dataflow), input_words=2400, weight_words=64, acc_words=64, post_lanes=2)
    report = verify_layers(acc, directed())
    assert [case.to_dict() for case in report.cases if not case.passed] == []


def test_padding_never_is_the_largest() -> None:
    case = directed()[6]
    wide = replace(
        case.tensors, multiplier=np.full(4, 1 << 30), shift=np.full(4, 30), bias=np.zeros(4, np.int64), output_zero_point=100
    )
    found = golden_layer(case.layer, wide)
    inside = case.tensors.inputs
    assert set(np.unique(found)) - {-128} <= set(np.unique(inside))
    assert (found == -128).any()  # a window of nothing but border


@pytest.mark.rtl
def test_a_design_without_the_path() -> None:
    acc = Accelerator("plain", Array(3, 4), input_words=192, weight_words=96, acc_words=48, post_lanes=2, channelwise=False)
    assert "channel_lane" not in verilog(acc)
    cases = random_cases(acc, len(ARRAY_KINDS), 3)
    assert {case.layer.op for case in cases} == {"mac"}
    report = verify_layers(acc, cases)
    assert [case.to_dict() for case in report.cases if not case.passed] == []
    with pytest.raises(InfeasibleError, match="channelwise: true"):
        verify_layers(acc, directed()[1:2])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"coefficients": (1 << 15, 0)}, "coefficients"), ({"other_zero_point": 128}, "other_zero_point"),
        ({"weights": np.zeros((1, 1, 1, 1), np.int8)}, "weights"),
    ],
)  # fmt: skip
def test_tensors_of_an_addition_are_checked(change: dict[str, Any], field: str) -> None:
    case = directed()[3]
    with pytest.raises(SpecError, match=field):
        replace(case.tensors, **change).check(case.layer)
