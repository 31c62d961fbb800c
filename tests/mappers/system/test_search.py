"""The mapper of systems: never worse than chance, the same every time, and honest about what does not fit."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from dataflows.arch import Memory
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.spatial import named
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.cost import cost_of, evaluate
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import technology
from dataflows.workload import Layer, Network
from mappers.base import OBJECTIVES, objective_value
from mappers.nest.base import Budget
from mappers.system import search
from mappers.system.network import map_system
from mappers.system.search import SystemMapper
from sim.spatial.arrays import NAMED
from sim.spatial.cases import KINDS, random_mapping
from sim.spatial.system.cases import random_program
from sim.spatial.system.systems import random_system, small

BEATS = 90
RANDOM = 25
SYSTEM = SpatialSystem(named.weight_stationary(8, 8), Memory(16, 1, 20), (8192, 8192, 4096), 8)
CONV = Layer("conv", K=32, C=16, P=14, Q=14, R=3, S=3, padding=(1, 1, 1, 1))


def chance(rng: Random, layer: Layer, system: SpatialSystem, objective: str) -> float:
    """Return the best of random mappings without loops over memory."""
    values = [float("inf")]
    for _ in range(RANDOM):
        try:
            program = compile_system(layer, system, random_mapping(rng, layer, system.array))
        except InfeasibleError:
            continue
        cost = cost_of(program, BEATS, technology())
        values.append(objective_value(objective, cost["energy_pj"], cost["cycles"]))
    return min(values)


@pytest.mark.parametrize("seed", range(30))
def test_never_worse_than_chance(seed):
    rng = Random(seed)
    system = small(list(NAMED.values())[seed % len(NAMED)]) if seed % 2 else random_system(rng)
    layer = random_program(rng, system, list(KINDS)[seed % len(KINDS)]).layer
    objective = OBJECTIVES[seed % 3]
    found = SystemMapper().map(layer, system, objective, program_beats=BEATS)
    assert found.cost == evaluate(layer, system, found.mapping, BEATS)
    assert found.value <= search.CLOSE * chance(rng, layer, system, objective)


def test_the_same_every_time_and_better_with_every_entry():
    first, again = (SystemMapper().map(CONV, SYSTEM, program_beats=BEATS) for _ in range(2))
    assert first.mapping == again.mapping
    assert (first.evaluated, first.scheduled, first.history) == (again.evaluated, again.scheduled, again.history)
    values = [value for _, value in first.history]
    assert values == sorted(values, reverse=True)
    assert values[-1] == first.value
    assert first.stopped == "done"


def test_a_dense_convolution_keeps_a_full_array_busy():
    found = SystemMapper().map(replace(CONV, K=64, C=64, P=28, Q=28, H=0, W=0), SYSTEM, "latency", program_beats=BEATS)
    assert found.cost["utilization"] > 0.98


def test_every_objective_is_best_by_itself():
    found = {objective: SystemMapper().map(CONV, SYSTEM, objective, program_beats=BEATS).cost for objective in OBJECTIVES}
    assert found["latency"]["cycles"] <= min(cost["cycles"] for cost in found.values()) * search.CLOSE
    assert found["energy"]["energy_pj"] == min(cost["energy_pj"] for cost in found.values())
    assert found["edp"]["edp"] == min(cost["edp"] for cost in found.values())


def test_evaluations_and_seconds_end_it():
    one = SystemMapper().map(CONV, SYSTEM, "energy", program_beats=BEATS, budget=Budget(evaluations=1))
    assert (one.scheduled, one.stopped) == (1, "evaluations")
    late = SystemMapper().map(CONV, SYSTEM, "energy", program_beats=BEATS, budget=Budget(seconds=0.0))
    assert (late.scheduled, late.stopped) == (1, "time")


def test_an_interrupt_returns_the_best_so_far(monkeypatch):
    real, calls = search.cost_of, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(search, "CLOSE", 0.0)
    monkeypatch.setattr(search, "cost_of", interrupted)
    found = SystemMapper().map(CONV, SYSTEM, "energy", program_beats=BEATS)
    assert (found.scheduled, found.stopped) == (2, "interrupted")
    monkeypatch.setattr(search, "cost_of", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        SystemMapper().map(CONV, SYSTEM, program_beats=BEATS)


def test_what_does_not_fit_says_which_level_lacks_how_much():
    layer = Layer("groups", G=100, K=7, C=7, P=1, Q=1)
    with pytest.raises(InfeasibleError) as error:
        SystemMapper().map(layer, replace(SYSTEM, l2_words=(8192, 8192, 11)), program_beats=BEATS)
    assert str(error.value).count("lacks") == 1
    assert "l2.outputs lacks" in str(error.value)
    with pytest.raises(InfeasibleError, match="scales lacks 3,072 channels: needs 4,096, has 1,024"):
        SystemMapper().map(Layer.gemm("wide", M=1, N=4096, K=8), SYSTEM, program_beats=BEATS)


def test_wrong_requests_are_refused():
    with pytest.raises(SpecError, match="objective"):
        SystemMapper().map(CONV, SYSTEM, "area", program_beats=BEATS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(SpecError):
        SystemMapper().map(Layer("pool", K=1, C=1, G=8, P=4, Q=4, R=2, S=2, op="max"), SYSTEM, program_beats=BEATS)


def test_networks_map_equal_shapes_once():
    layers = (CONV, replace(CONV, name="again", activation="relu"), Layer.gemm("fc", M=1, N=40, K=64))
    mapped = map_system(Network("n", layers, 0), SYSTEM, program_beats=BEATS)
    data = mapped.to_dict()
    rows = data["layers"]
    assert [row["name"] for row in rows] == ["conv", "again", "fc"]
    assert rows[0]["mapping"] == rows[1]["mapping"]
    assert data["total"]["cycles"] == sum(row["cycles"] for row in rows)
    assert data["total"]["edp"] == data["total"]["cycles"] * data["total"]["energy_pj"]
    with pytest.raises(InfeasibleError, match="groups"):
        map_system(Network("n", (*layers, Layer("groups", G=2000, K=1, C=1, P=1, Q=1)), 0), SYSTEM, program_beats=BEATS)
