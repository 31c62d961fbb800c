"""The least EDP of a network against every choice of tilings for its layers."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array
from dataflows.schedule import schedule
from dataflows.tiling import OUTER_DIMS, Tiling, violations
from dataflows.workload import Layer, Network
from mappers.base import OBJECTIVES, native_cycles, objective_value
from mappers.network import map_network
from mappers.optimal import OptimalMapper
from mappers.pareto import Point, front
from mappers.search import SearchMapper
from tests.mappers.test_boxes import walked
from tests.mappers.test_optimal import TECH, figures, legal_sizes
from tests.mappers.test_search import tight
from tests.strategies import any_layers

OPTIMAL = OptimalMapper(TECH)
ACC = Accelerator("a", Array(8, 8), input_words=300, weight_words=200, acc_words=90, tile_blocks=4)
NET = Network(
    "n",
    (
        Layer.conv("a", K=40, C=24, H=20, W=21, R=3, S=3, padding=1),
        Layer.conv("b", K=40, C=24, H=20, W=21, R=3, S=3, padding=1, activation="relu"),
        Layer.conv("c", K=64, C=80, H=12, W=12, R=1, S=1),
        Layer.gemm("d", M=90, N=50, K=120),
    ),
    0,
)


def all_fronts(layers, acc, *, exact):
    fronts = []
    for layer in layers:
        tilings = {
            walked(layer, acc, Tiling(*size, order)): Tiling(*size, order)
            for size in legal_sizes(layer, acc)
            for order in permutations(OUTER_DIMS)
        }
        fronts.append(front(Point(*figures(layer, acc, tiling, exact=exact)) for tiling in tilings.values()))
    return fronts


@settings(max_examples=60)
@given(
    st.lists(any_layers(most=3), min_size=2, max_size=3),
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
    tight(),
    st.booleans(),
)
def test_it_equals_every_choice(layers, counts, acc, exact):
    named = [replace(layer.flattened(), name=f"{n}") for n, layer in enumerate(layers)]
    if any(violations(each, acc, Tiling(1, 1, 1, 1)) or len(legal_sizes(each, acc)) > 16 for each in named):
        return
    repeated = tuple(
        replace(each, name=f"{each.name}.{n}") for each, count in zip(named, counts, strict=False) for n in range(count)
    )
    mapped = map_network(Network("n", repeated, 0), acc, OPTIMAL, "edp", exact_cycles=native_cycles if exact else None)
    # Layers of equal shape run alike: the brute force must know them as one.
    same = {}
    for each, count in zip(named, counts, strict=False):
        key = replace(each, name="")
        same[key] = same.get(key, 0) + count
    least = min(
        sum(n * point.energy_pj for n, point in zip(same.values(), points, strict=True))
        * sum(n * point.cycles for n, point in zip(same.values(), points, strict=True))
        for points in product(*all_fronts(list(same), acc, exact=exact))
    )
    assert mapped.edp == pytest.approx(least, rel=1e-11)
    assert mapped.gap == 0
    assert all(each.result.gap == 0 for each in mapped.layers)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("exact", [None, native_cycles])
def test_a_network_is_no_worse_than_layer_by_layer(objective, exact):
    best = map_network(NET, ACC, OPTIMAL, objective, exact_cycles=exact)
    other = map_network(NET, ACC, SearchMapper(TECH), objective, exact_cycles=exact)
    assert best.gap == 0
    assert best.value == objective_value(objective, best.energy_pj, best.cycles) <= other.value * (1 + 1e-12)
    assert best.to_dict(ACC)["total"]["optimal"] is True
    assert other.gap is None or objective != "edp"
    assert best.layers[0].result.tiling == best.layers[1].result.tiling
    assert all((each.result.cost.cycles is None) == (exact is None) for each in best.layers)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("exact", [None, native_cycles])
def test_limits_leave_a_gap_that_holds(objective, exact):
    best = map_network(NET, ACC, OPTIMAL, objective, exact_cycles=exact)
    early = map_network(NET, ACC, OptimalMapper(TECH, seconds=0, steps=0), objective, exact_cycles=exact)
    assert early.gap > 0
    assert best.value <= early.value <= best.value * (1 + early.gap) * (1 + 1e-12)
    assert early.to_dict(ACC)["total"]["optimal"] is False
    assert not all(each.result.gap == 0 for each in early.layers)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_ctrl_c_ends_the_search_and_every_layer_has_a_mapping(objective):
    calls = []

    def slow(layer, acc, tiling):
        calls.append(tiling)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return schedule(layer, acc, tiling).cycles + 900

    found = map_network(NET, ACC, OPTIMAL, objective, exact_cycles=slow)
    assert found.interrupted
    assert len(calls) <= 4
    assert found.gap > 0
    assert len(found.layers) == 4


def test_one_layer_alone_has_its_own_least_edp():
    one = replace(NET, layers=NET.layers[2:3])
    mapped = map_network(one, ACC, OPTIMAL, exact_cycles=native_cycles)
    assert mapped.value == pytest.approx(OPTIMAL.exactly(NET.layers[2], ACC).value)
    assert mapped.gap == 0
    twice = map_network(replace(NET, layers=NET.layers[:2]), ACC, OPTIMAL)
    assert twice.gap == 0
    assert twice.edp == pytest.approx(4 * OPTIMAL.map(NET.layers[0], ACC).value)
