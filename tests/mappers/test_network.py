from __future__ import annotations

import json

import pytest

from dataflows.arch import Accelerator, Array
from dataflows.feasible import InfeasibleError
from dataflows.workload import Layer, Network
from mappers.naive import NaiveMapper
from mappers.network import map_network, rank_exactly
from mappers.search import SearchMapper

ACC = Accelerator("a", Array(8, 8), input_words=256, weight_words=256, acc_words=128)


def network() -> Network:
    conv = {"K": 16, "C": 16, "H": 12, "W": 12, "R": 3, "S": 3, "padding": 1}
    layers = (
        Layer.conv("a", **conv),
        Layer.conv("b", **conv),
        Layer.conv("b_relu", **conv, activation="relu"),
        Layer.conv("square", K=8, C=16, H=6, W=6, R=1, S=1),
        Layer.conv("line", K=8, C=16, H=1, W=36, R=1, S=1),
        Layer.conv("dw", K=16, C=16, G=16, H=12, W=12, R=3, S=3, padding=1),
    )
    return Network("n", layers, 0)


class Counting(SearchMapper):
    calls = 0

    def map(self, *args, **kwargs):
        Counting.calls += 1
        return super().map(*args, **kwargs)


def test_equal_shapes_are_mapped_once_and_totals_count_all():
    Counting.calls = 0
    mapped = map_network(network(), ACC, Counting())
    assert Counting.calls == 3
    assert [(each.name, each.count) for each in mapped.layers] == [("a", 2), ("b_relu", 1), ("square", 1), ("line", 1), ("dw", 1)]
    single = {layer.name: SearchMapper().map(layer, ACC).cost for layer in network().layers}
    assert mapped.cycles == sum(cost.bound_cycles for cost in single.values())
    assert mapped.energy_pj == pytest.approx(sum(cost.energy_pj for cost in single.values()))
    assert mapped.edp == mapped.cycles * mapped.energy_pj
    assert mapped.macs == network().macs
    assert [each.result.cost.layer for each in mapped.layers] == ["a", "b_relu", "square", "line", "dw"]
    assert mapped.layers[1].result.layer.activation == "relu"


def test_json_form():
    data = json.loads(json.dumps(map_network(network(), ACC, NaiveMapper()).to_dict(ACC)))
    assert set(data["total"]) >= {"cycles", "energy_pj", "edp", "seconds"}
    wanted = {"name", "count", "cycles", "energy_pj", "edp", "optimal", "gap", "evaluated", "seconds", "mapping"}
    assert all(wanted <= set(layer) for layer in data["layers"])
    assert data["layers"][0]["gap"] is None
    assert data["layers"][0]["optimal"] is False


def test_every_infeasible_layer_is_reported():
    bad = Network(
        "n", (*network().layers, Layer.conv("w", K=8, C=8, H=9, W=9, R=7, S=7), Layer.conv("v", K=8, C=8, H=9, W=9, R=6, S=6)), 0
    )
    with pytest.raises(InfeasibleError) as caught:
        map_network(bad, ACC, SearchMapper())
    assert [(r.subject, r.level) for r in caught.value.reasons] == [("w", "weight_buffer"), ("v", "weight_buffer")]


def test_the_shortlist_is_ranked_by_exact_cycles():
    layer = Layer.conv("a", K=16, C=16, H=12, W=12, R=3, S=3, padding=1)
    result = SearchMapper(shortlist=6).map(layer, ACC, "latency")
    worst_first = {tiling: result.cost.bound_cycles * 4 - rank for rank, tiling in enumerate(result.shortlist)}
    ranked = rank_exactly(result, ACC, lambda _layer, _acc, tiling: worst_first[tiling])
    assert ranked.tiling == result.shortlist[-1]
    assert ranked.cost.cycles == worst_first[ranked.tiling]
    assert ranked.cost.bound_cycles <= ranked.cost.cycles


def test_ranking_stops_when_the_bound_rules_out_the_rest():
    layer = Layer.conv("a", K=16, C=16, H=12, W=12, R=3, S=3, padding=1)
    result = SearchMapper(shortlist=6).map(layer, ACC, "latency")
    asked = []

    def exact(_layer, _acc, tiling):
        asked.append(tiling)
        return result.cost.bound_cycles

    assert rank_exactly(result, ACC, exact).tiling == result.tiling
    assert asked == [result.tiling]
