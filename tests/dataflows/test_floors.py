"""Floors that no accelerator can beat, and figures that claim to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.floors import Shortfall, below_floor, below_floor_row, floors
from dataflows.workload import Layer

CONV2 = Layer.conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)


def test_a_published_figure_that_cannot_be():
    # GAMMA on MAESTRO: 2,273 cycles for this layer on 256 PEs.
    assert floors(CONV2, 256).cycles == 451_584
    assert below_floor(CONV2, 256, cycles=2273) == (Shortfall("cycles", 2273, 451_584),)
    assert str(below_floor(CONV2, 256, cycles=2273)[0]) == "cycles: 2,273 is below the floor of 451,584"
    assert not below_floor(CONV2, 256, cycles=451_584)


def test_every_figure_has_its_floor():
    words = {"weights": 36_863, "inputs": 200_704, "outputs": 1, "partial sums": 0}
    found = below_floor(CONV2, 256, cycles=1e9, macs=1, words=words)
    assert [(each.figure, each.floor) for each in found] == [("macs", 115_605_504), ("weights", 36_864), ("outputs", 200_704)]
    assert found[0].to_dict() == {"figure": "macs", "found": 1, "floor": 115_605_504}
    assert not below_floor(CONV2, 256)


def test_rows_of_any_mode():
    levels = {"dram": {"weights": {"reads": 36_864, "writes": 0}, "outputs": {"reads": 1, "writes": 200_702}}, "rf": {}}
    row = {"cycles": 451_583, "padded_macs": CONV2.macs, "levels": levels}
    assert [each.figure for each in below_floor_row(CONV2, 256, row)] == ["cycles", "outputs"]
    assert not below_floor_row(CONV2, 256, {"cycles": 451_584})


def test_an_array_needs_multipliers():
    with pytest.raises(SpecError, match="multipliers"):
        floors(CONV2, 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compulsory_inputs_are_those_some_output_uses(data):
    number = lambda most: data.draw(st.integers(1, most))  # noqa: E731
    stride, dilation = (number(4), number(4)), (number(3), number(3))
    padding = tuple(data.draw(st.integers(0, 3)) for _ in range(4))
    layer = Layer(
        "any", N=number(2), G=number(2), K=number(2), C=number(2), P=number(4), Q=number(4), R=number(3), S=number(3),
        stride=stride, dilation=dilation, padding=padding,
    )  # fmt: skip
    used = {
        (p * stride[0] + r * dilation[0] - padding[0], q * stride[1] + s * dilation[1] - padding[1])
        for p in range(layer.P) for q in range(layer.Q) for r in range(layer.R) for s in range(layer.S)
    }  # fmt: skip
    inside = sum(0 <= row < layer.H and 0 <= col < layer.W for row, col in used)
    least = floors(layer, 7)
    assert least.words == {
        "weights": layer.parameters,
        "inputs": layer.N * layer.G * layer.C * inside,
        "outputs": layer.output_words,
    }
    assert (least.cycles - 1) * 7 < layer.macs <= least.cycles * 7
