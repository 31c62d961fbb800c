"""Rules of mode ``maestro`` on small layers, and properties of any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.floors import floors
from dataflows.maestro import Directives, Machine, evaluate
from dataflows.workload import Layer

sizes = st.integers(1, 40)
layers = st.builds(
    lambda K, C, P, Q, R, step: Layer("any", K=K, C=C, P=P, Q=Q, R=R, S=R, stride=(step, step)),
    sizes, sizes, sizes, sizes, st.sampled_from((1, 3, 5)), st.integers(1, 3),
)  # fmt: skip
ROWS = Directives.parse("SpatialMap(1,1) K; TemporalMap(Sz(S),1) X")
ONE = Layer("one", K=4, C=1, P=1, Q=6, R=1, S=3)


def test_one_level_by_hand():
    """Four units, each a filter of three taps; six windows, each one new word after the first."""
    cost = evaluate(ONE, ROWS, 4)
    assert cost.cycles == (1 + 3) + 5 * 3  # the first three words, then nothing but multiply-accumulates
    assert cost.levels["L2"]["inputs"] == {"reads": 3 + 5, "writes": 8, "tile_words": 3}
    assert cost.levels["L2"]["weights"] == {"reads": 12, "writes": 12, "tile_words": 12}
    assert cost.levels["L2"]["outputs"] == {"reads": 24, "writes": 24, "tile_words": 4}
    assert cost.levels["L1"]["outputs"] == {"reads": 72, "writes": 72, "tile_words": 3}
    assert (cost.macs, cost.counted_macs, cost.floor_cycles, cost.bound) == (72, 72, 18, "compute")
    assert cost.energy_macs == pytest.approx(18.61 * (8 + 8 + 12 + 12 + 24 + 24) + 1.68 * (72 * 4 + 8 + 12) + 72)
    assert cost.energy_pj == pytest.approx(0.23 * cost.energy_macs)


def test_delays_overlap_only_with_double_buffers():
    """Ingress 15 words then 1, compute 3, egress 4 words, at two words a cycle."""
    first, rest = (8, 3, 2), (1, 3, 2)
    overlapped = evaluate(ONE, ROWS, 4, noc_bw=2)
    assert overlapped.cycles == first[0] + first[1] + 5 * max(rest)
    assert overlapped.times == {"ingress": 8 + 5, "compute": 18, "egress": 12}
    single = evaluate(ONE, ROWS, 4, noc_bw=2, double_buffered=False)
    assert single.cycles == sum(first) + 5 * sum(rest)
    assert evaluate(ONE, ROWS, 4, noc_bw=2, noc_latency=3).cycles == 8 + 2 + 3 + 5 * 4
    assert evaluate(ONE, ROWS, 4, simd=2).cycles == 1 + 2 + 5 * 2
    slow = evaluate(ONE, ROWS, 4, offchip_bw=1)  # the 15 words of a tile come in, iteration by iteration
    assert (slow.cycles, slow.bound) == (6 * 15, "offchip")


def test_units_left_over_have_nothing_to_do():
    """Six filters on four units: the second round has two."""
    cost = evaluate(Layer("six", K=6, C=1, P=1, Q=1, R=1, S=3), ROWS, 4)
    assert (cost.cycles, cost.counted_macs) == ((1 + 3) + 3, 18)
    assert cost.levels["L2"]["outputs"]["writes"] == 6


def test_a_cluster_is_the_unit_of_the_one_above():
    """Two filters over clusters, four channels within one: an inner run of load and three taps is an outer iteration."""
    text = "SpatialMap(1,1) K; TemporalMap(Sz(S),1) X; Cluster(4); SpatialMap(1,1) C; TemporalMap(Sz(S),1) X"
    cost = evaluate(Layer("two", K=2, C=4, P=1, Q=5, R=1, S=3), Directives.parse(text), 8)
    assert cost.cycles == 1 + (1 + 3) + 4 * (1 + 3)
    assert cost.counted_macs == cost.macs


def test_groups_run_one_after_another_and_depthwise_layers_over_channels():
    one = evaluate(Layer("one", K=4, C=4, P=6, Q=6, R=3, S=3), "kcp_ws", 64)
    three = evaluate(Layer("three", G=3, K=4, C=4, P=6, Q=6, R=3, S=3), "kcp_ws", 64)
    assert (three.cycles, three.macs, three.energy_macs) == (3 * one.cycles, 3 * one.macs, pytest.approx(3 * one.energy_macs))
    depthwise = evaluate(Layer("depthwise", G=64, K=1, C=1, P=6, Q=6, R=3, S=3), "kcp_ws", 64)
    assert depthwise.cycles == 1 + 36 * 9


def test_batches_are_held_whole():
    one, two = (evaluate(Layer("n", N=n, K=4, C=1, P=1, Q=6, R=1, S=3), ROWS, 4) for n in (1, 2))
    assert two.cycles == 1 + 6 * 6
    assert two.counted_macs == 2 * one.counted_macs
    assert two.levels["L2"]["weights"] == one.levels["L2"]["weights"]


def test_what_the_tool_does_not_know_is_refused():
    with pytest.raises(SpecError, match="mode timeloop"):
        evaluate(Layer("d", K=1, C=1, P=4, Q=4, R=3, S=3, dilation=(2, 2)), "rs", 16)
    with pytest.raises(SpecError, match="did you mean 'kcp_ws'"):
        evaluate(ONE, "kcp", 64)
    wrong: tuple[dict[str, Any], ...] = ({"pes": 0}, {"pes": 4, "simd": 0}, {"pes": 4, "noc_bw": -1}, {"pes": 4, "mac_pj": 0.0})
    for bad in wrong:
        with pytest.raises(SpecError, match="positive"):
            Machine(**bad)


def test_rows_shorter_than_a_part_take_the_tool_no_time():
    """A part of 10 columns moving by 8 has one column left of 9, too few for a window: no iteration, no cycles, no words."""
    cost = evaluate(Layer("short", K=1, C=1, P=4, Q=7, R=3, S=3), "yxp_os", 64)
    assert (cost.cycles, cost.bound, cost.utilization, cost.reuse["inputs"]) == (0, "none", 0.0, 0.0)
    assert {each.figure for each in cost.below_floor} >= {"cycles", "macs"}
    assert all(words >= 0 for level in cost.levels.values() for counts in level.values() for words in counts.values())
    assert json.loads(json.dumps(cost.to_dict(), allow_nan=False))["cycles"] == 0


def test_the_json_form_has_the_fields_of_the_other_modes():
    row = evaluate(ONE, ROWS, 4).to_dict()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert {
        "schema",
        "layer",
        "mode",
        "cycles",
        "bound_cycles",
        "energy_pj",
        "edp",
        "macs",
        "utilization",
        "bound",
        "levels",
    } <= {*row}
    assert (row["mode"], row["floor_cycles"], row["below_floor"]) == ("maestro", 18, [])
    assert row["energy_pj"] == pytest.approx(sum(pj for level in row["energy_by_level"].values() for pj in level.values()))


@settings(max_examples=60, deadline=None)
@given(layers, st.sampled_from(("kcp_ws", "rs")), st.integers(64, 300), st.integers(1, 12))
def test_two_dataflows_count_all_work_and_stay_above_the_floor(layer, dataflow, pes, bandwidth):
    free = evaluate(layer, dataflow, pes)
    # `rs` counts some edges twice: 650 multiply-accumulates of 550 for 22 rows of a 5x5 filter on 105 PEs.
    assert free.counted_macs == layer.macs or (dataflow == "rs" and free.counted_macs > layer.macs)
    assert not free.below_floor
    assert free.cycles >= floors(layer, pes).cycles
    assert free.levels["L2"]["weights"]["writes"] == layer.parameters
    narrow, wider = (evaluate(layer, dataflow, pes, noc_bw=bw) for bw in (bandwidth, bandwidth + 3))
    assert narrow.cycles >= wider.cycles >= free.cycles
    assert narrow.levels == free.levels
    assert evaluate(layer, dataflow, pes, double_buffered=False).cycles >= free.cycles


@settings(max_examples=40, deadline=None)
@given(layers, st.integers(8, 64))
def test_work_that_eight_wide_rows_miss_or_repeat_is_flagged(layer, pes):
    """`yxp_os` cuts rows into 8; where that does not come out even the tool counts too few or too many."""
    cost = evaluate(layer, "yxp_os", pes)
    flagged = {each.figure for each in cost.below_floor}
    assert ("macs" in flagged) == (cost.counted_macs < layer.macs)
    assert ("cycles" in flagged) == (cost.cycles < floors(layer, pes).cycles)
