"""Accesses by hand: rows of several words, widths of the layer, sums wider than rows, and the ramp."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from dataflows.datapath import Datapath
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.cost import NestCost, cost_of, evaluate
from dataflows.nest.counts import MAC, count
from dataflows.nest.nest import bind
from dataflows.nest.presets import ALL
from dataflows.nest.rules import Rules
from dataflows.nest.text import parse_compact
from dataflows.workload import Layer
from tests.dataflows.nest import random_nests

ONE = (1.0, 1.0, 1.0)
GEMM = Layer.gemm("gemm", M=6, N=4, K=10)  # Q = 6, K = 4, C = 10
ARRAY = Fanout((Axis("rows", 5), Axis("cols", 4)))


def cost(levels: tuple[StorageLevel, ...], text: str, layer: Layer = GEMM, rules: Rules | None = None, **more) -> NestCost:
    arch = Architecture("rows", levels, 1.0, **more)
    return evaluate(layer, arch, parse_compact(text, arch), rules, check=True)


def test_words_side_by_side_share_an_access():
    rows = StorageLevel("buffer", ALL, ONE, (2.0,) * 3, word_bits=(8, 8, 16), row_bits=32, bandwidth=1, fanout=ARRAY)
    found = cost((StorageLevel("dram", ALL), rows), "L1 Q6 ; L0 C2 C5X K4X")
    assert found.check == {"equal": True, "differences": []}
    # A step takes 20 weights, five channels by four filters: five rows of four. Inputs: five channels in two rows.
    # Outputs: four sums of 16 bits in two rows, written in both steps of C and read in the second.
    assert found.accesses["buffer"]["weights"] == (6 * 2 * 5, 10)
    assert found.accesses["buffer"]["inputs"] == (6 * 2 * 2, 6 * 2 * 2)
    assert found.accesses["buffer"]["outputs"] == (6 * 2, 6 * 2 * 2 + 6 * 2)
    assert found.levels["buffer"]["weights"]["reads"] == 240
    assert found.energy_by_level["buffer"]["weights"] == 60 + 10 * 2
    assert found.times["buffer"] == (60 + 10) + (24 + 24) + (12 + 24 + 12)


def test_rows_may_lie_along_several_dimensions():
    wide = StorageLevel("buffer", ALL, ONE, ONE, row_bits=64, row_dims=("KC", "C", "K"), fanout=ARRAY)
    found = cost((StorageLevel("dram", ALL), wide), "L1 Q6 ; L0 C2 C5X K4X")
    assert found.accesses["buffer"]["weights"] == (12 * 3, 6)  # 20 weights in rows of eight
    assert found.check == {"equal": True, "differences": []}


def test_widths_of_the_layer_pack_more_words():
    rows = StorageLevel("buffer", ALL, ONE, ONE, word_bits=(None, None, None), row_bits=32, capacity_bits=64, fanout=ARRAY)
    narrow = replace(GEMM, weight_bits=4, input_bits=16, output_bits=8)
    text = "L1 Q6 C2 ; L0 C5X K4X"
    with pytest.raises(InfeasibleError, match=r"288 bits|lacks 224 bits"):
        cost((StorageLevel("dram", ALL), rows), text, narrow)
    roomy = replace(rows, capacity_bits=288)
    found = cost((StorageLevel("dram", ALL), roomy), text, narrow)
    # Rows hold eight weights, two inputs or four outputs; tiles of 5 x 4, 5 and 4 words take 5, 3 and 1 rows.
    assert found.accesses["buffer"]["weights"][0] == 12 * 5
    assert found.accesses["buffer"]["inputs"][0] == 12 * 3
    assert found.accesses["buffer"]["outputs"][1] == 12 + 6  # a row per step, and one per stay: C2 is inside Q6


def test_widths_round_up_where_the_datapath_says_so():
    rows = StorageLevel("buffer", ALL, ONE, ONE, word_bits=(None, None, None), row_bits=32, fanout=ARRAY)
    text, layer = "L1 Q6 C2 ; L0 C5X K4X", replace(GEMM, weight_bits=4)
    tight, rounded = (
        cost((StorageLevel("dram", ALL), rows), text, layer, datapath=Datapath(storage=storage)).accesses["buffer"]
        for storage in ("tight", "rounded")
    )
    assert tight == rounded  # 4 bits are a power of two


def test_sums_may_take_several_rows_and_end_as_outputs():
    dram = StorageLevel("dram", ALL, ONE, ONE, row_bits=16)
    buffer = StorageLevel("buffer", ALL, word_bits=(8, 8, 8), row_bits=16)
    found = cost((dram, buffer), "L1 C10 K4 Q6", rules=Rules(psums="strict"), psum_bits=32)
    # Of 240 visits 216 bring a sum of two rows back and write one; the last of each output is one word in a row.
    assert found.accesses["dram"]["outputs"] == (216 * 2, 216 * 2 + 24)
    assert found.accesses["buffer"]["outputs"] == (2 * (216 + 240), 2 * (240 + 216))


def test_wider_operands_than_the_multiplier_are_infeasible():
    with pytest.raises(InfeasibleError) as caught:
        cost((StorageLevel("dram", ALL),), "L0 C10 K4 Q6", replace(GEMM, weight_bits=16), datapath=Datapath())
    (reason,) = caught.value.reasons
    assert (reason.level, reason.demand, reason.bound, reason.unit) == ("datapath.weights", 16, 8, "bits")


def test_narrow_operands_take_fewer_passes():
    path = Datapath("composable", brick_bits=2)
    times = [
        cost((StorageLevel("dram", ALL),), "L0 C10 K4 Q6", replace(GEMM, weight_bits=w, input_bits=i), datapath=path)
        for w, i in ((8, 8), (4, 8), (4, 4), (16, 16))
    ]
    assert [found.cycles for found in times] == [240, 120, 60, 960]
    assert [found.utilization for found in times] == [1.0] * 4


def test_widths_of_the_layer_need_rows():
    with pytest.raises(SpecError, match="row_bits"):
        StorageLevel("buffer", ALL, word_bits=(None, 8, 8))


def test_windows_do_not_share_rows():
    with pytest.raises(SpecError, match=r"row_dims\.inputs"):
        StorageLevel("buffer", ALL, row_bits=32, row_dims=("K", "CQ", "K"))


def test_the_ramp_fills_and_drains_once():
    dram = StorageLevel("dram", ALL, bandwidth=2)
    buffer = StorageLevel("buffer", ALL, bandwidth=8, fanout=replace(ARRAY, skew="systolic"))
    text, once = "L2 Q6 ; L1 C2 C5X K4X", Rules(ramp="once")
    found = cost((dram, buffer, StorageLevel("register", frozenset({"weights"}))), text, rules=once)
    # DRAM gives 40 weights and 10 inputs at two a cycle and takes 4 outputs back, the buffer 20 weights at eight a cycle;
    # 5 + 4 - 2 hops.
    assert found.times["ramp"] == 20 + 5 + 2 + 3 + 7
    assert found.cycles == cost((dram, buffer, StorageLevel("register", frozenset({"weights"}))), text).cycles + 37


def test_a_tree_is_as_deep_as_it_adds():
    level = StorageLevel("buffer", ALL, fanout=replace(ARRAY, skew="tree"))
    assert cost((level,), "L0 Q6 C2 C5X K4X", rules=Rules(ramp="once")).times["ramp"] == 3


@pytest.mark.parametrize("seed", range(60))
def test_first_tiles_are_no_more_than_all_words(seed):
    rng = Random(seed)
    layer, arch = random_nests.draw_layer(rng), random_nests.draw_architecture(rng)
    rules = replace(random_nests.draw_rules(rng), ramp="once")
    nest = bind(layer, arch, random_nests.draw_mapping(rng, layer, arch))
    counts = count(nest, rules)
    for flow in counts.flows:
        if flow.child != MAC:
            assert 0 < flow.once <= (flow.updates if flow.tensor == "outputs" else flow.reads)
    assert cost_of(nest, counts, rules).cycles >= cost_of(nest, counts, replace(rules, ramp="none")).cycles
