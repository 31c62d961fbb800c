"""Floors that no accelerator can beat, and figures that claim to."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.cost import evaluate, operands_per_beat
from dataflows.datapath import Datapath
from dataflows.errors import SpecError
from dataflows.floors import Shortfall, below_floor, floors, with_floors
from dataflows.nest.cost import cost_of
from dataflows.nest.counts import count
from dataflows.nest.limits import effort
from dataflows.nest.nest import bind
from dataflows.schedule import schedule
from dataflows.workload import Layer
from tests.dataflows.nest import random_nests
from tests.strategies import jobs

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
    row = with_floors(CONV2, 256, {"cycles": 451_583, "padded_macs": CONV2.macs, "levels": levels, "mode": "any"})
    assert (row["mode"], row["floor_cycles"]) == ("any", 451_584)
    assert [each["figure"] for each in row["below_floor"]] == ["cycles", "outputs"]
    assert with_floors(CONV2, 256, {"cycles": 451_584})["below_floor"] == []


def test_floors_scale_with_what_the_datapath_may_do():
    # A quarter of the passes at half the width, and a third of the products skipped.
    work = Fraction(1, 4) * Fraction(2, 3)
    assert floors(CONV2, 256, work).cycles == 75_264
    assert with_floors(CONV2, 256, {"cycles": 75_264}, work=work)["below_floor"] == []
    assert [each["floor"] for each in with_floors(CONV2, 256, {"cycles": 75_263}, work=work)["below_floor"]] == [75_264]


def test_beats_carry_several_words():
    row = {"levels": {"dram": {"weights": {"reads": 2303, "writes": 0}, "outputs": {"reads": 0, "writes": 12_544}}}}
    found = with_floors(CONV2, 256, row, per_unit={"weights": Fraction(128, 8), "outputs": 16})["below_floor"]
    assert found == [{"figure": "weights", "found": 2303, "floor": 2304}]


@given(st.integers(0, 199))
def test_no_nest_is_below_its_floors_whatever_its_datapath(seed):
    rng = Random(seed)
    scheme = rng.choice(("parallel", "composable", "serial_weights", "serial_both"))
    path = Datapath(scheme, weight_bits=16, input_bits=16, skip=frozenset(rng.sample(("weights", "inputs"), rng.randint(0, 2))))
    layer, arch = random_nests.draw_layer(rng), random_nests.draw_architecture(rng)
    layer = replace(layer, weight_density=rng.choice((0.1, 0.3, 1.0)), input_density=rng.choice((0.25, 0.7)))
    nest = bind(layer, replace(arch, datapath=path), random_nests.draw_mapping(rng, layer, arch))
    rules = random_nests.draw_rules(rng)
    row = cost_of(nest, count(nest, rules), rules).to_dict()
    work = effort(layer, nest.arch).cycles
    full = with_floors(layer, arch.pes, row, work=work)
    assert full["below_floor"] == []
    assert full["floor_cycles"] <= row["cycles"]
    if nest.pes == arch.pes and layer.macs == row["padded_macs"]:
        assert full["floor_cycles"] == row["cycles_by_limit"]["compute"]


@settings(max_examples=60)
@given(jobs())
def test_no_machine_cost_is_below_its_floors(job):
    layer, acc, tiling = job
    row = evaluate(layer, acc, tiling, cycles=schedule(layer, acc, tiling).cycles).to_dict()
    assert with_floors(layer, acc.array.macs, row, per_unit=operands_per_beat(acc))["below_floor"] == []


def test_an_array_needs_multipliers():
    with pytest.raises(SpecError, match="multipliers"):
        floors(CONV2, 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compulsory_inputs_are_those_some_output_uses(data):
    def number(most: int) -> int:
        return data.draw(st.integers(1, most))

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
