"""The optimal mapper against every tiling in every order."""

from __future__ import annotations

import math
from functools import partial
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.cost import evaluate
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.program import program_beats
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, mapping_of, tiling_of, violations
from dataflows.workload import Layer
from mappers.base import OBJECTIVES, objective_value
from mappers.branch import Best, Front, Search
from mappers.optimal import OptimalMapper
from mappers.search import SearchMapper
from tests.mappers.test_boxes import walked
from tests.mappers.test_search import tight
from tests.strategies import any_layers

TECH = technology("22nm")
OPTIMAL = OptimalMapper(TECH)
ORDERS = tuple(permutations(OUTER_DIMS))
WIDE = Layer.conv("wide", K=40, C=24, H=30, W=41, R=3, S=3, padding=1)
ACC = Accelerator("a", Array(8, 8), input_words=400, weight_words=200, acc_words=90, post_lanes=2, tile_blocks=4)


def legal_sizes(layer, acc):
    bk = Blocking.of(layer, acc)
    sizes = product(*(range(1, most + 1) for most in (bk.walked, bk.c_blocks, layer.P, layer.Q)))
    return [size for size in sizes if not violations(layer, acc, Tiling(*size))]


def figures(layer, acc, tiling, *, exact=False):
    cycles = schedule(layer, acc, tiling).cycles if exact else None
    cost = evaluate(layer, acc, tiling, TECH, cycles=cycles, program_beats=program_beats(acc))
    return cost.energy_pj, cost.latency_cycles


def agrees_with_all(layer, acc, most):
    """Compare with every tiling in all 120 orders, by the scalar model; skip what has more than `most` sizes."""
    layer = layer.flattened()
    if violations(layer, acc, Tiling(1, 1, 1, 1)) or len(legal_sizes(layer, acc)) > most:
        return
    found = [figures(layer, acc, Tiling(*size, order)) for size in legal_sizes(layer, acc) for order in ORDERS]
    for objective in OBJECTIVES:
        best = OPTIMAL.map(layer, acc, objective)
        assert best.gap == 0
        assert best.value == pytest.approx(min(objective_value(objective, *each) for each in found), rel=1e-12)


@settings(max_examples=260)
@given(any_layers(most=2), tight())
def test_it_equals_exhaustive_search_over_all_tilings_and_all_orders(layer, acc):
    agrees_with_all(layer, acc, 8)


@settings(max_examples=25)
@given(any_layers(most=5), tight())
def test_it_equals_exhaustive_search_over_more_tilings(layer, acc):
    agrees_with_all(layer, acc, 40)


@pytest.mark.nightly
@settings(max_examples=400)
@given(any_layers(most=6), tight())
def test_it_equals_exhaustive_search_over_many_tilings(layer, acc):
    agrees_with_all(layer, acc, 200)


@settings(max_examples=40)
@given(any_layers(most=4), tight(), st.sampled_from(OBJECTIVES))
def test_it_equals_exhaustive_search_by_exact_cycles(layer, acc, objective):
    layer = layer.flattened()
    if violations(layer, acc, Tiling(1, 1, 1, 1)) or len(legal_sizes(layer, acc)) > 20:
        return
    different = {
        walked(layer, acc, Tiling(*size, order)): Tiling(*size, order) for size in legal_sizes(layer, acc) for order in ORDERS
    }
    least = min(objective_value(objective, *figures(layer, acc, tiling, exact=True)) for tiling in different.values())
    for steps in (1 << 20, 1):
        best = OptimalMapper(TECH, steps=steps).exactly(layer, acc, objective)
        assert best.cost.cycles == schedule(layer, acc, best.tiling).cycles
        assert least * (1 - 1e-12) <= best.value <= least * (1 + best.gap) * (1 + 1e-12)
        if steps > 1:
            assert best.gap == 0


@settings(max_examples=40)
@given(any_layers(most=4), tight())
def test_the_front_is_that_of_all_tilings(layer, acc):
    layer = layer.flattened()
    if violations(layer, acc, Tiling(1, 1, 1, 1)) or len(legal_sizes(layer, acc)) > 16:
        return
    found = sorted({figures(layer, acc, Tiling(*size, order))[::-1] for size in legal_sizes(layer, acc) for order in ORDERS})
    least = np.minimum.accumulate([energy for _, energy in found])
    # Sums of the same terms in another order: equal up to rounding.
    front = [found[0]] + [each for each, before in zip(found[1:], least, strict=False) if each[1] < before * (1 - 1e-12)]
    goal = Front()
    OPTIMAL.search(layer, acc).run(goal)
    assert goal.cycles.tolist() == [cycles for cycles, _ in front]
    assert goal.energy.tolist() == pytest.approx([energy for _, energy in front], rel=1e-11)


@settings(max_examples=60)
@given(any_layers(most=12), tight(), st.sampled_from(OBJECTIVES))
def test_results_are_legal_best_first_and_no_worse_than_search(layer, acc, objective):
    try:
        found = OPTIMAL.map(layer, acc, objective)
    except InfeasibleError:
        assert violations(layer.flattened(), acc, Tiling(1, 1, 1, 1))
        return
    assert found.gap == 0
    assert found.value <= SearchMapper(TECH).map(layer, acc, objective).value * (1 + 1e-12)
    assert not any(violations(found.layer, acc, tiling) for tiling in found.shortlist)
    assert tiling_of(found.layer, acc, mapping_of(found.layer, acc, found.tiling)) == found.tiling == found.shortlist[0]
    assert len(set(found.shortlist)) == len(found.shortlist)
    values = [objective_value(objective, *figures(found.layer, acc, tiling)) for tiling in found.shortlist]
    assert values == pytest.approx(sorted(values), rel=1e-12)
    assert OPTIMAL.map(layer, acc, objective, seed=1).shortlist == found.shortlist


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_limit_gives_a_gap_that_holds(dataflow, objective):
    acc = Accelerator("a", Array(8, 8, dataflow), input_words=400, weight_words=200, acc_words=90, post_lanes=2, tile_blocks=4)
    whole = OPTIMAL.map(WIDE, acc, objective)
    early = OptimalMapper(TECH, seconds=0).map(WIDE, acc, objective)
    assert whole.gap == 0
    assert early.gap > 0
    assert whole.value <= early.value <= whole.value * (1 + early.gap) * (1 + 1e-12)
    exact = OptimalMapper(TECH, seconds=0).exactly(WIDE, acc, objective)
    assert OPTIMAL.exactly(WIDE, acc, objective).value <= exact.value
    assert exact.gap > 0
    assert exact.to_dict(acc)["optimal"] is False


@pytest.mark.parametrize("at", [1, 2, 3, 6])
def test_ctrl_c_returns_the_best_so_far(monkeypatch, at):
    best, calls = OPTIMAL.map(WIDE, ACC), []

    def price(self, boxes, plain=Search.price):
        calls.append(boxes.shape[1])
        if len(calls) == at:
            raise KeyboardInterrupt
        return plain(self, boxes)

    monkeypatch.setattr(Search, "price", price)
    found = OPTIMAL.map(WIDE, ACC)
    assert found.interrupted
    assert found.gap > 0
    assert best.value <= found.value <= best.value * (1 + found.gap) * (1 + 1e-12)
    assert len(calls) <= max(at, 4)


def test_two_ctrl_c_at_once_end_it(monkeypatch):
    def price(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "price", price)
    with pytest.raises(KeyboardInterrupt):
        OPTIMAL.map(WIDE, ACC)


def test_ctrl_c_while_scheduling_keeps_what_is_scheduled():
    calls = []

    def slow(layer, acc, tiling):
        calls.append(tiling)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return schedule(layer, acc, tiling).cycles + 5000

    found = OPTIMAL.exactly(WIDE, ACC, "latency", slow)
    assert found.interrupted
    assert found.tiling in calls[:2]
    assert found.gap > 0
    calls[:] = calls[:2]
    first = OPTIMAL.exactly(WIDE, ACC, "latency", slow)
    assert first.interrupted
    assert calls[2:] == [first.tiling] * 2

    def endless(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        OPTIMAL.exactly(WIDE, ACC, "latency", endless)


def test_equal_figures_are_one_tiling_and_the_first_by_size():
    goal = Best(partial(objective_value, "edp"), 2)
    points = np.arange(24).reshape(3, 8).T
    for _ in range(2):
        goal.offer(points[:, ::-1], np.array([2.0, 2.0, 3.0]), np.array([4.0, 4.0, 1.0]))
    assert goal.values.tolist() == [3.0, 8.0]
    assert goal.points[0].tolist() == [0, 8]
    assert goal.limit == 8
    assert Best(partial(objective_value, "edp")).limit == math.inf


def test_slow_memory_and_large_buffers():
    acc = Accelerator("big", Array(8, 8, "os"), Memory(4, 3), 1 << 14, 1 << 13, 1 << 12, tile_blocks=64)
    layer = Layer.conv("c", K=512, C=512, H=56, W=56, R=3, S=3, padding=1)
    found = OPTIMAL.map(layer, acc)
    assert found.gap == 0
    assert found.value <= SearchMapper(TECH).map(layer, acc).value


def test_bad_requests():
    with pytest.raises(SpecError, match="edp, energy, latency"):
        OPTIMAL.map(WIDE, ACC, "power")  # type: ignore[arg-type]
    with pytest.raises(InfeasibleError, match="weight_buffer"):
        OPTIMAL.exactly(Layer.conv("big", K=8, C=8, H=30, W=30, R=9, S=9), ACC)
