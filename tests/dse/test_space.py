from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataflows.arch import MOST_ACC_WORDS, Memory
from dataflows.feasible import InfeasibleError
from dataflows.tiling import smallest
from dataflows.workload import Layer
from dse.baselines import baselines
from dse.budget import Budget
from dse.encoding import GENES, TILE_BLOCKS, Genotype, decode, lane_choices
from dse.space import BUFFERS, Space


@st.composite
def spaces(draw):
    layers = []
    for index in range(draw(st.integers(1, 3))):
        groups = draw(st.sampled_from((1, 1, 2, 7)))
        taps = draw(st.sampled_from((1, 3, 5)))
        size = draw(st.integers(taps, 20))
        layers.append(
            Layer.conv(
                f"l{index}", K=groups * draw(st.integers(1, 40)), C=groups * draw(st.integers(1, 40)), G=groups, H=size, W=size,
                R=taps, S=taps, stride=draw(st.integers(1, 3)),
            )
        )  # fmt: skip
    macs = draw(st.one_of(st.integers(1, 600), st.sampled_from((4096, 65_536))))
    size = draw(st.one_of(st.integers(300, 60_000), st.integers(60_000, 1 << 26)))
    budget = Budget(macs, size, Memory(bus_bytes=draw(st.sampled_from((4, 16, 64)))))
    try:
        return Space.of(budget, layers, ("ws", "os"))
    except InfeasibleError:
        assume(False)


@st.composite
def genotypes(draw, space):
    genes = tuple(draw(st.lists(st.floats(-0.2, 1.2), min_size=len(GENES), max_size=len(GENES))))
    flow, lanes, blocks = (draw(st.sampled_from(c)) for c in (space.dataflows, lane_choices(space), TILE_BLOCKS))
    return Genotype(genes, lanes, blocks, flow)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_vector_decodes_to_a_legal_point(data):
    space = data.draw(spaces())
    acc = decode(space, data.draw(genotypes(space)))
    assert acc.array.macs <= space.budget.macs
    assert acc.buffer_bytes <= space.budget.buffer_bytes
    assert acc.post_lanes <= space.budget.lanes
    assert acc.memory == space.budget.memory
    assert not [reason for layer in space.layers for reason in smallest(layer, acc)]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_shapes_that_fit_are_those_that_brute_force_finds(data):
    space = data.draw(spaces())
    for flow in space.dataflows:
        rows = data.draw(st.integers(1, min(256, space.budget.macs)))
        cols = data.draw(st.integers(1, min(256, space.budget.macs // rows)))
        fits = space.least(flow, rows, cols).buffer_bytes <= space.budget.buffer_bytes
        listed = rows <= space.most_rows(flow) and cols <= space.most_cols(flow, rows)
        assert fits == listed


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_least_words_are_least(data):
    space = data.draw(spaces())
    flow = data.draw(st.sampled_from(space.dataflows))
    rows = data.draw(st.integers(1, space.most_rows(flow)))
    acc = space.least(flow, rows, data.draw(st.integers(1, space.most_cols(flow, rows))))
    assert not [reason for layer in space.layers for reason in smallest(layer, acc)]
    smaller = space._build(flow, acc.array.rows, acc.array.cols, 1, 1, {
        "input_words": max(1, acc.input_words - 1), "weight_words": acc.weight_words, "acc_words": acc.acc_words,
    }) if acc.input_words > 4 else None  # fmt: skip
    assert smaller is None or [reason for layer in space.layers for reason in smallest(layer, smaller)]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_shares_spend_the_budget(data):
    space = data.draw(spaces())
    flow = data.draw(st.sampled_from(space.dataflows))
    rows = data.draw(st.integers(1, space.most_rows(flow)))
    cols = space.most_cols(flow, rows)
    acc = space.share(flow, rows, cols, dict(zip(BUFFERS, (3, 2, 1), strict=True)), tile_blocks=8)
    assert acc.buffer_bytes <= space.budget.buffer_bytes
    assert not [reason for layer in space.layers for reason in smallest(layer, acc)]


def test_all_shapes_can_be_drawn_and_not_powers_of_two_alone(network, budget):
    space = Space.of(budget, network.layers, ("ws", "os"))
    drawn = {
        (acc.array.rows, acc.array.cols)
        for row in range(101)
        for acc in (decode(space, Genotype((row / 100, 1.0, 0.5, 0.5, 0.5), 1, 8, "ws")),)
    }
    assert {rows for rows, _cols in drawn} >= set(range(1, 13))
    assert (5, 4) in drawn
    assert (3, 8) in drawn


def test_a_budget_nothing_fits_names_the_level_and_the_size_that_would_do():
    layer = Layer.conv("big", K=4, C=300, H=40, W=40, R=11, S=11)
    with pytest.raises(InfeasibleError) as caught:
        Space.of(Budget(16, 200, Memory()), [layer], ("ws", "os"))
    reasons = caught.value.reasons
    assert {reason.level for reason in reasons} <= {"input_buffer", "weight_buffer"}
    kib = int(reasons[0].remedy.split("at least ")[1].split()[0])
    assert Space.of(Budget(16, 1024 * kib, Memory()), [layer], ("ws",)).most_rows("ws") >= 1
    with pytest.raises(InfeasibleError):
        Space.of(Budget(16, 1024 * (kib - 1), Memory()), [layer], ("ws",))


def test_baselines_are_legal_and_get_the_whole_budget(network):
    budget = Budget(256, 64 * 1024, Memory())
    space = Space.of(budget, network.layers, ("ws", "os"))
    known = baselines(space)
    assert [each.name for each in known[:3]] == ["Gemmini-like WS 16x16", "TPU-like WS 16x16", "ShiDianNao-like OS 16x16"]
    for each in known:
        assert 0.97 * budget.buffer_bytes < each.accelerator.buffer_bytes <= budget.buffer_bytes
        assert each.accelerator.post_lanes == budget.lanes
        assert not [reason for layer in space.layers for reason in smallest(layer, each.accelerator)]
    gemmini = known[0].accelerator
    assert gemmini.input_words == pytest.approx(gemmini.weight_words, rel=0.02)
    # 64 KiB of 64-byte accumulators against 128 KiB of 16-byte inputs: an eighth of the words.
    assert gemmini.acc_words == pytest.approx(gemmini.input_words / 8, rel=0.1)


@pytest.mark.parametrize(
    ("macs", "gemmini", "others"),
    [(200, "8x16", "10x20"), (128, "8x16", "8x16"), (64, "8x8", "8x8"), (100_000, "256x256", "256x256")],
)
def test_baselines_use_the_multipliers_there_are_in_a_near_square(network, macs, gemmini, others):
    space = Space.of(Budget(macs, 1 << 22, Memory()), network.layers, ("ws",))
    names = [each.name for each in baselines(space)]
    assert names == [f"Gemmini-like WS {gemmini}", f"TPU-like WS {others}", f"WS even split {others}"]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_near_square_that_fits_uses_more_multipliers_than_a_baseline(data):
    space = data.draw(spaces())
    for each in baselines(space):
        array = each.accelerator.array
        shapes = [
            (rows, cols)
            for rows in range(1, space.most_rows(array.dataflow) + 1)
            for cols in range(-(-rows // 2), min(2 * rows, space.most_cols(array.dataflow, rows)) + 1)
        ]
        if each.name.startswith("Gemmini"):
            shapes = [(rows, cols) for rows, cols in shapes if rows.bit_count() == cols.bit_count() == 1]
        assert array.macs == max(rows * cols for rows, cols in shapes)
        assert f"{array.rows}x{array.cols}" in each.name


@pytest.mark.parametrize(("macs", "kib"), [(256, 16384), (16, 4096), (256, 512), (65_536, 65_536)])
def test_buffers_stop_at_what_the_hardware_can_address(network, macs, kib):
    space = Space.of(Budget(macs, 1024 * kib, Memory()), network.layers, ("ws", "os"))
    assert baselines(space)
    for flow in space.dataflows:
        for rows in (1, space.most_rows(flow)):
            for cols in (1, space.most_cols(flow, rows)):
                room = space.room(flow, rows, cols)
                assert room["acc_words"] <= MOST_ACC_WORDS
                acc = space.build(flow, rows, cols, lanes=1, tile_blocks=1, want=room)
                assert acc.buffer_bytes <= space.budget.buffer_bytes
        for gene in (0.0, 0.5, 1.0):
            decode(space, Genotype((gene, 1 - gene, 1.0, 1.0, 1.0), 1, 64, flow))


def test_every_layer_that_no_program_holds_is_named_before_the_search():
    layers = [Layer.gemm("long", M=100_000, N=4, K=4), Layer.gemm("good", M=4, N=4, K=4)]
    layers.append(Layer.conv("wide", K=1, C=1, H=1, W=400, R=1, S=300))
    with pytest.raises(InfeasibleError) as caught:
        Space.of(Budget(16, 1 << 20, Memory()), layers, ("ws", "os"))
    assert [(reason.subject, reason.level) for reason in caught.value.reasons] == [("long", "program"), ("wide", "program")]


def test_arrays_too_narrow_for_a_layer_are_never_drawn():
    layers = [Layer.gemm("vocabulary", M=1, N=200_000, K=70_000)]
    space = Space.of(Budget(64, 1 << 20, Memory()), layers, ("ws", "os"))
    for flow in space.dataflows:
        for gene in (0.0, 0.3, 0.7, 1.0):
            for other in (0.0, 0.5, 1.0):
                acc = decode(space, Genotype((gene, other, 0.5, 0.5, 0.5), 1, 8, flow))
                assert not smallest(layers[0], acc)
    assert all(not smallest(layers[0], each.accelerator) for each in baselines(space))
    with pytest.raises(InfeasibleError, match=r"budget\.macs"):
        Space.of(Budget(7, 1 << 20, Memory()), layers, ("ws",))
