"""Networks on loop nests: proved together, whatever the number of workers."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass

import pytest

from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import Rules
from dataflows.workload import Layer, Network
from mappers.base import Objective
from mappers.nest.base import Budget, NestResult, Options
from mappers.nest.exhaustive import ExhaustiveMapper
from mappers.nest.local import LocalNestMapper
from mappers.nest.network import map_nests
from mappers.nest.optimal import OptimalMapper
from mappers.nest.proof.search import Search


def conv(name: str, K: int, C: int, P: int, R: int = 1) -> Layer:
    """Return a square convolution."""
    return Layer(name, K=K, C=C, P=P, Q=P, R=R, S=R, H=P + R - 1, W=P + R - 1)


def starved() -> Architecture:
    """TRI-256 with slow ports: energy and cycles pull apart."""
    text = PRESETS["tri256"]().to_dict()
    text["levels"][0]["bandwidth"] = 4
    text["levels"][1]["bandwidth"] = 16
    text["levels"][1]["capacity_bits"] = 16 * 1024
    return Architecture.from_dict(text)


NET = Network("net", (conv("a", 16, 8, 14, 3), conv("b", 32, 16, 7), conv("a2", 16, 8, 14, 3), conv("c", 8, 32, 7)), 0)


@pytest.mark.parametrize("objective", ["edp", "energy", "latency"])
def test_totals_and_bounds(objective: str) -> None:
    """Equal shapes are mapped once and counted as often as they occur; the bound holds for the total."""
    found = map_nests(NET, starved(), OptimalMapper(), objective)  # pyright: ignore[reportArgumentType]
    assert [(name, count) for name, count, _ in found.layers] == [(layer.name, count) for layer, count in NET.distinct()]
    assert found.cycles == sum(count * result.cost.cycles for _, count, result in found.layers)
    assert found.gap is not None
    assert 0 <= found.gap < 0.02
    for _, _, result in found.layers:
        assert evaluate(result.layer, starved(), result.mapping).cycles == result.cost.cycles
    other = map_nests(NET, starved(), LocalNestMapper(starts=16), objective, seconds=1)  # pyright: ignore[reportArgumentType]
    assert found.bound is not None
    assert found.bound <= other.value * (1 + 1e-9)
    assert found.value <= other.value * (1 + 1e-9)


def test_together_is_no_worse_than_layer_by_layer() -> None:
    """And better somewhere, or the price of a cycle would be for nothing."""
    arch = starved()
    together = map_nests(NET, arch, OptimalMapper())
    alone = [(count, OptimalMapper().map(result.layer, arch)) for _, count, result in together.layers]
    energy = sum(count * each.cost.energy_pj for count, each in alone)
    cycles = sum(count * each.cost.cycles for count, each in alone)
    assert together.value <= energy * cycles * (1 + 1e-12)


def test_least_edp_of_two_tiny_layers_against_pairs() -> None:
    """The certified bound is below the best pair of those that are best for something; the result is no worse, or has a gap."""
    text = PRESETS["tri256"]().to_dict()
    text["levels"][0]["bandwidth"] = 0.5
    text["levels"][2]["capacity_bits"] = 16 * 4
    arch = Architecture.from_dict(text)
    layers = (Layer("x", K=4, C=2, P=1, Q=1, N=2, H=1, W=1), Layer("y", K=2, C=6, P=1, Q=1, H=1, W=1))
    fronts = []
    for layer in layers:
        mapper = ExhaustiveMapper()
        ends = [mapper.map(layer, arch, goal).cost for goal in ("energy", "latency", "edp")]  # pyright: ignore[reportArgumentType]
        fronts.append([(cost.energy_pj, cost.cycles) for cost in ends])
    best = min((a[0] + b[0]) * (a[1] + b[1]) for a, b in itertools.product(*fronts))
    found = map_nests(Network("two", layers, 0), arch, OptimalMapper())
    assert found.bound is not None
    assert found.bound <= best * (1 + 1e-9)
    assert found.value <= best * (1 + 1e-9) or found.gap


def test_workers_do_not_matter() -> None:
    """Same mappings, same figures."""
    one, two = (map_nests(NET, starved(), OptimalMapper(), workers=workers) for workers in (1, 2))
    assert [(result.mapping, result.value) for _, _, result in one.layers] == [
        (result.mapping, result.value) for _, _, result in two.layers
    ]
    assert one.bound == two.bound


def test_a_price_of_zero_is_energy_and_a_high_one_latency() -> None:
    """The two ends of what prices can ask for."""
    arch, layer = starved(), conv("b", 32, 16, 7)
    energy, latency = (OptimalMapper().map(layer, arch, goal) for goal in ("energy", "latency"))
    assert OptimalMapper(price=0.0).map(layer, arch).cost.energy_pj == pytest.approx(energy.cost.energy_pj)
    dear = OptimalMapper(price=1e9).map(layer, arch)
    assert dear.cost.cycles == latency.cost.cycles
    assert dear.gap == 0


def test_interrupt_gives_every_layer_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers that were not reached get the smallest one, and a bound."""
    real, calls = Search._ends, 0

    def interrupted(self: Search, *arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        real(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Search, "_ends", interrupted)
    found = map_nests(NET, starved(), OptimalMapper())
    assert all(result.interrupted for _, _, result in found.layers)
    assert found.to_dict()["total"]["interrupted"]


@dataclass(frozen=True)
class Patient:
    """Maps layers of 3x3 taps at once, and takes all the time there is for others."""

    name: str = "patient"

    def map(
        self, layer: Layer, arch: Architecture, objective: Objective = "edp", *, rules: Rules | None = None,
        options: Options | None = None, budget: Budget | None = None, seed: int = 0,
    ) -> NestResult:  # fmt: skip
        """See `NestMapper`."""
        if layer.R != 3:
            assert budget is not None
            while not budget.spent():
                time.sleep(0.01)
        limited = None if layer.R == 3 else Budget(evaluations=0)
        return OptimalMapper().map(layer, arch, objective, rules=rules, options=options, budget=limited, seed=seed)


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupt_keeps_the_layers_that_are_done(workers: int) -> None:
    """Ctrl-C reaches all processes: the first layer is done, the next are being mapped, the last is not begun."""
    net = Network("net", (conv("a", 4, 2, 4, 3), conv("b", 8, 4, 7), conv("c", 4, 8, 7), conv("d", 8, 8, 7)), 0)
    pressed = list[int]()

    def interrupt(done: int, total: int, text: str) -> None:
        if done == 1 and not pressed:
            pressed.append(done)
            for process in multiprocessing.active_children():
                os.kill(process.pid or 0, signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    found = map_nests(net, starved(), Patient(), "energy", workers=workers, progress=interrupt, seconds=60)
    assert found.seconds < 30
    results = {name: result for name, _, result in found.layers}
    alone = OptimalMapper().map(results["a"].layer, starved(), "energy")
    assert (results["a"].mapping, results["a"].gap, results["a"].interrupted) == (alone.mapping, 0, False)
    assert all(results[name].interrupted and results[name].gap for name in "bcd")
    assert found.not_begun[-1] == "d"
    assert "a" not in found.not_begun
    assert found.to_dict()["total"]["not_begun"] == list(found.not_begun)


def test_second_interrupt_is_raised() -> None:
    """Whoever presses it twice does not want to wait."""

    def interrupt(done: int, total: int, text: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    for workers in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            map_nests(NET, starved(), Patient(), workers=workers, progress=interrupt, seconds=60)


def test_all_layers_that_do_not_fit_are_named() -> None:
    """In one message."""
    text = PRESETS["eyeriss"]().to_dict()
    text["levels"][2]["capacity_bits"] = {"weights": 8, "inputs": 8, "outputs": 8}
    with pytest.raises(InfeasibleError) as raised:
        map_nests(NET, Architecture.from_dict(text), OptimalMapper(), options=Options(bypass=False))
    assert len(raised.value.reasons) >= 3
