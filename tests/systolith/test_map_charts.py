"""Charts of mapped networks: points lie under their roofs, and no energy is lost."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dataflows.layer_text import parse_layer
from dataflows.workload import Network
from mappers.base import native_cycles
from mappers.nest.base import Budget
from mappers.nest.network import NestNetwork
from mappers.nest.optimal import OptimalMapper as NestOptimal
from mappers.network import map_network
from mappers.optimal import OptimalMapper
from systolith import map_charts, nest_spec, specs

LAYERS = tuple(parse_layer(text) for text in ("conv:name=a,K=8,C=8,P=6,Q=6,R=3,S=3", "gemm:name=b,M=2,N=64,K=64"))


@pytest.fixture
def asked(monkeypatch) -> list[Any]:
    """What would be drawn: points, peak and bandwidth of every call."""
    found: list[Any] = []
    monkeypatch.setattr(map_charts, "charts", lambda *args: found.append(args) or [])
    return found


def test_our_own_layers_lie_under_their_roofs(asked):
    acc = specs.accelerator("ws:rows=4,cols=4,bus_bytes=4,interval=2")
    mapped = map_network(Network("net", LAYERS, 0), acc, OptimalMapper(), "latency", exact_cycles=native_cycles)
    map_charts.of_machine(mapped, acc)
    ((points, peak, bandwidth),) = asked
    assert (peak, bandwidth) == (16, 2.0)
    for point, each in zip(points, mapped.layers, strict=True):
        assert point.macs / point.cycles <= min(peak, bandwidth * point.macs / point.dram_bytes) * (
            1 + bandwidth / point.dram_bytes
        )
        assert math.fsum(point.energy.values()) == pytest.approx(each.result.cost.energy_pj)


@pytest.mark.parametrize("arch", ["gemmini_dosa:dim=4", "tri256"])
def test_layers_of_loop_nests_do_too(asked, arch):
    chosen = nest_spec.find(arch)
    assert chosen is not None
    results = [NestOptimal().map(layer, chosen, budget=Budget(0.3)) for layer in LAYERS]
    layers = tuple((layer.name, 1, result) for layer, result in zip(LAYERS, results, strict=True))
    map_charts.of_nests(NestNetwork("net", chosen.name, "edp", layers, 0.0, None), chosen)
    ((points, peak, bandwidth),) = asked
    assert peak == chosen.pes
    assert bandwidth == (8.0 if arch.startswith("gemmini") else None)
    for point, result in zip(points, results, strict=True):
        roof = peak if bandwidth is None else min(peak, bandwidth * point.macs / point.dram_bytes)
        assert point.macs / point.cycles <= roof * (1 + 1e-9)
        words = sum(tensor["reads"] + tensor["writes"] for tensor in result.cost.levels["dram"].values())
        assert point.dram_bytes == words * (1 if arch.startswith("gemmini") else 2)
        assert math.fsum(point.energy.values()) == pytest.approx(result.cost.energy_pj)


def test_every_part_is_drawn_once_and_small_ones_together():
    energy = {("dram", "weights"): 900.0, ("buf", "inputs"): 96.0, ("buf", "outputs"): 1.0, ("mac", "macs"): 3.0}
    point = map_charts.Point("a", 1, 1, 1, 1.0, energy)
    parts = map_charts._order([point])
    assert list(parts) == [("dram", "weights"), ("buf", "inputs"), (map_charts.REST, "")]
    drawn = [member for members in parts.values() for member in members]
    assert sorted(drawn) == sorted(energy)
    colours = map_charts._colours(list(parts))
    assert len(set(colours.values())) == len(parts)


def test_without_matplotlib_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert map_charts.charts([map_charts.Point("a", 1, 1, 1, 1.0, {("dram", "weights"): 1.0})], 1, None) == []
    assert "systolith[dse]" in capsys.readouterr().err
