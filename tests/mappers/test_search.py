from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.batch import Batch
from dataflows.bound import bound
from dataflows.cost import energy_by_level
from dataflows.counts import count
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.program import compile_layer, place, program_beats
from dataflows.tech import technology
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, mapping_of, tiling_of, violations
from dataflows.workload import Layer
from mappers.base import OBJECTIVES, objective_value
from mappers.naive import NaiveMapper
from mappers.random_mapper import RandomMapper, draw
from mappers.search import SearchMapper
from mappers.space import ORDERS, SMALL, aligned_sizes, candidates, even_sizes
from tests.strategies import any_layers

TECH = technology("22nm")
MAPPERS = (SearchMapper(TECH), RandomMapper(tech=TECH, samples=64), NaiveMapper(TECH))


@st.composite
def tight(draw):
    """Accelerators whose buffers rarely hold a whole layer."""
    rows, cols = draw(st.sampled_from((1, 2, 4, 8))), draw(st.sampled_from((1, 2, 4, 8)))
    return Accelerator(
        "tight",
        Array(rows, cols, draw(st.sampled_from(("ws", "os")))),
        Memory(draw(st.sampled_from((4, 16))), draw(st.integers(1, 4))),
        input_words=draw(st.integers(16, 300)), weight_words=draw(st.integers(72, 300)), acc_words=draw(st.integers(8, 60)),
        post_lanes=draw(st.integers(1, cols)), tile_blocks=draw(st.integers(1, 4)),
    )  # fmt: skip


def value(layer, acc, tiling, objective):
    counts = count(layer, acc, tiling, program_beats(acc))
    cycles = bound(layer, acc, tiling, counts).cycles
    energy = sum(sum(part.values()) for part in energy_by_level(counts, acc, TECH, cycles).values())
    return objective_value(objective, energy, cycles)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_even_sizes(total, most):
    expected = {math.ceil(total / parts) for parts in range(1, total + 1)}
    assert even_sizes(total, most) == sorted((size for size in expected if size <= most), reverse=True)


def test_aligned_sizes():
    assert sorted(aligned_sizes(49, 49, 16)) == [16, 32]
    assert sorted(aligned_sizes(64, 64, 16)) == [16, 32, 64]
    assert aligned_sizes(7, 7, 16) == []


@settings(max_examples=60)
@given(any_layers(), tight(), st.sampled_from(OBJECTIVES), st.integers(0, 9))
def test_mappers_return_legal_mappings_that_round_trip(layer, acc, objective, seed):
    for mapper in MAPPERS:
        try:
            result = mapper.map(layer, acc, objective, seed)
        except InfeasibleError:
            assert violations(layer.flattened(), acc, Tiling(1, 1, 1, 1))
            continue
        assert not violations(result.layer, acc, result.tiling)
        assert tiling_of(result.layer, acc, mapping_of(result.layer, acc, result.tiling)) == result.tiling
        assert result.tiling == result.shortlist[0]
        assert result.value == pytest.approx(value(result.layer, acc, result.tiling, objective))
        again = mapper.map(layer, acc, objective, seed)
        assert again.shortlist == result.shortlist


@settings(max_examples=60)
@given(any_layers(), tight(), st.sampled_from(OBJECTIVES))
def test_shortlist_is_sorted_and_the_search_beats_the_yardsticks(layer, acc, objective):
    try:
        found = SearchMapper(TECH).map(layer, acc, objective)
    except InfeasibleError:
        return
    values = [value(found.layer, acc, tiling, objective) for tiling in found.shortlist]
    assert values == sorted(values) or values == pytest.approx(sorted(values), rel=1e-12)
    assert len(set(found.shortlist)) == len(found.shortlist)
    # Near-even cuts can lose to an uneven one by the size of the first or last tile, never by much.
    for other in MAPPERS[1:]:
        assert found.value <= other.map(layer, acc, objective).value * (1 + (1e-12 if found.gap == 0 else 0.1))


@settings(max_examples=60)
@given(st.data())
def test_two_orders_are_enough(data):
    """Whatever the tile sizes, no order has a lower bound or less energy than the better of the two."""
    layer, acc = data.draw(any_layers()), data.draw(tight())
    bk = Blocking.of(layer, acc)
    total = bk.walked
    sizes = [data.draw(st.integers(1, most)) for most in (total, bk.c_blocks, layer.P, layer.Q)]
    for objective in OBJECTIVES:
        best = min(value(layer, acc, Tiling(*sizes, order), objective) for order in ORDERS)
        for order in permutations(OUTER_DIMS):
            assert value(layer, acc, Tiling(*sizes, order), objective) >= best * (1 - 1e-12)


def exhaustive(layer, acc, objective):
    """The best of every legal size in the two orders."""
    bk = Blocking.of(layer, acc)
    total = bk.walked
    sizes = product(range(1, total + 1), range(1, bk.c_blocks + 1), range(1, layer.P + 1), range(1, layer.Q + 1))
    legal = [size for size in sizes if not violations(layer, acc, Tiling(*size))]
    batch = Batch(layer, acc, TECH, program_beats(acc))
    columns = np.array(legal, dtype=np.int64).T
    figures = [batch.figures(*columns, order) for order in ORDERS]
    return min(objective_value(objective, each.energy_pj, each.bound_cycles).min() for each in figures)


@settings(max_examples=60)
@given(any_layers(most=12), tight(), st.sampled_from(OBJECTIVES))
def test_gap_zero_is_optimal(layer, acc, objective):
    layer = layer.flattened()
    if violations(layer, acc, Tiling(1, 1, 1, 1)):
        return
    found = SearchMapper(TECH).map(layer, acc, objective)
    best = exhaustive(layer, acc, objective)
    assert found.value >= best * (1 - 1e-12)
    if layer.P <= SMALL and layer.Q <= SMALL:
        assert found.gap == 0
    if found.gap == 0:
        assert found.value == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_search_is_close_to_exhaustive_where_it_is_not_complete(dataflow, objective):
    layer = Layer.conv("c", K=12, C=10, H=25, W=41, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(4, 4, dataflow), input_words=200, weight_words=80, acc_words=90, post_lanes=2, tile_blocks=2)
    found = SearchMapper(TECH).map(layer, acc, objective)
    assert found.gap is None
    best = exhaustive(layer, acc, objective)
    assert best * (1 - 1e-12) <= found.value <= best * 1.01


@pytest.mark.parametrize(
    "layer", [Layer.conv("c", K=64, C=64, H=28, W=28, R=3, S=3, padding=1), Layer.gemm("g", M=300, N=90, K=70)]
)
def test_candidates_are_legal_and_distinct(layer):
    acc = Accelerator("a", Array(16, 8, "os"))
    found = candidates(layer, acc)
    tilings = {found.tiling(i, ORDERS[0]) for i in range(len(found))}
    assert len(tilings) == len(found) > 50
    assert all(not violations(layer, acc, tiling) for tiling in tilings)


@settings(max_examples=30)
@given(any_layers(), tight(), st.integers(0, 99))
def test_random_draws_are_legal(layer, acc, seed):
    if violations(layer, acc, Tiling(1, 1, 1, 1)):
        return
    drawn = draw(layer, acc, 16, np.random.default_rng(seed))
    assert all(not violations(layer, acc, drawn.tiling(i, OUTER_DIMS)) for i in range(16))


def test_flattened_layer_is_mapped():
    layer = Layer.conv("c", K=64, C=64, H=14, W=14, R=1, S=1)
    result = SearchMapper(TECH).map(layer, Accelerator("a", Array(16, 16)))
    assert (result.layer.P, result.layer.Q, result.layer.name) == (1, 196, "c")


def test_large_planes_keep_their_rows_and_compile():
    layer, acc = Layer.conv("c", K=16, C=16, H=300, W=300, R=1, S=1), Accelerator("a", Array(16, 16))
    result = SearchMapper(TECH).map(layer, acc)
    assert (result.layer.P, result.layer.Q) == (300, 300)
    program = compile_layer(result.layer, acc, result.tiling, place(result.layer, acc, result.tiling))
    assert program.tiling(acc) == result.tiling


def test_unknown_objective():
    for mapper in MAPPERS:
        with pytest.raises(SpecError, match="edp, energy, latency"):
            mapper.map(Layer.gemm("g", M=1, N=1, K=1), Accelerator("a", Array(4, 4)), "power")  # type: ignore[arg-type]


def test_infeasible_layer_names_the_buffer():
    layer = Layer.conv("big", K=16, C=16, H=40, W=40, R=11, S=11)
    acc = Accelerator("a", Array(16, 16), input_words=100)
    with pytest.raises(InfeasibleError, match="big: input_buffer lacks 21 words: needs 121, has 100") as caught:
        SearchMapper(TECH).map(layer, acc)
    assert {reason.level for reason in caught.value.reasons} == {"input_buffer", "weight_buffer"}


def test_weights_that_do_not_fit_stream():
    layer = Layer.gemm("fc", M=1, N=4096, K=4096)
    result = SearchMapper(TECH).map(layer, Accelerator("a", Array(16, 16)))
    assert result.cost.levels["weight_buffer"]["weights"]["writes"] == 4096 * 256
    assert result.cost.bound == "dram"
    slow = replace(Accelerator("a", Array(16, 16)), memory=Memory(interval=4))
    assert SearchMapper(TECH).map(layer, slow).cost.bound_cycles > 3 * result.cost.bound_cycles
