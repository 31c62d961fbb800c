"""The exhaustive mapper is the oracle; the others find what it finds, never better, and end as they promise."""

from __future__ import annotations

import numpy as np
import pytest

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import PRESETS
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from mappers.nest import best as best_module
from mappers.nest.base import Budget, NestMapper, NestResult, Options
from mappers.nest.exhaustive import ExhaustiveMapper
from mappers.nest.local import LocalNestMapper
from mappers.nest.random_mapper import RandomNestMapper
from mappers.nest.space import NestSpace
from tests.mappers.nest.test_space import ALL, CASES, small

SEARCHES: tuple[NestMapper, ...] = (RandomNestMapper(samples=5_000), LocalNestMapper(starts=64, together=16))
EVERY: tuple[NestMapper, ...] = (*SEARCHES, ExhaustiveMapper())
LAYER = Layer.conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)


def same(one: NestResult, other: NestResult) -> bool:
    return (one.mapping, one.value, one.evaluated, one.history) == (other.mapping, other.value, other.evaluated, other.history)


@pytest.mark.parametrize(("objective", "padded"), [("edp", False), ("energy", True), ("latency", False)])
@pytest.mark.parametrize(("layer", "arch"), CASES)
def test_local_search_finds_what_the_exhaustive_mapper_proves(layer, arch, objective, padded):
    options = Options(bypass=not padded, padded=padded)
    proved = ExhaustiveMapper().map(layer, arch, objective, options=options)
    assert proved.gap == 0
    assert proved.evaluated == proved.space == NestSpace(layer, arch, options).size
    for mapper in SEARCHES:
        found = mapper.map(layer, arch, objective, options=options)
        assert found.gap is None
        assert found.value >= proved.value * (1 - 1e-12)
        if mapper.name == "local":
            assert found.value == pytest.approx(proved.value, rel=1e-12)


@pytest.mark.parametrize("mapper", EVERY, ids=lambda mapper: mapper.name)
def test_results_are_what_the_model_says(mapper):
    layer, arch = CASES[0]
    rules = Rules("physical", "exact", "strict", "once")
    found = mapper.map(layer, arch, "edp", rules=rules, seed=3)
    assert found.cost == evaluate(layer, arch, found.mapping, rules)
    assert found.value == found.cost.edp
    assert (found.mapper, found.objective, found.seed if mapper.name != "exhaustive" else 3) == (mapper.name, "edp", 3)
    assert found.history[-1][1] == pytest.approx(found.value, rel=1e-12)
    values = [value for _, value in found.history]
    assert values == sorted(values, reverse=True)
    assert all(0 <= at <= found.evaluated for at, _ in found.history)
    assert found.space == NestSpace(layer, arch).size


@pytest.mark.parametrize("mapper", SEARCHES, ids=lambda mapper: mapper.name)
def test_seeds_decide(mapper):
    arch = PRESETS["eyeriss"]()
    budget = 4_000
    one, again, other = (mapper.map(LAYER, arch, budget=Budget(evaluations=budget), seed=seed) for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)
    assert one.evaluated == other.evaluated == budget


@pytest.mark.parametrize("mapper", EVERY, ids=lambda mapper: mapper.name)
def test_time_runs_out(mapper):
    layer, arch = CASES[0]
    found = mapper.map(layer, arch, budget=Budget(seconds=0.0))
    assert found.evaluated <= 1
    assert found.gap is None
    assert not found.interrupted


def test_an_exhaustive_search_that_ran_out_proves_nothing():
    layer, arch = CASES[0]
    found = ExhaustiveMapper().map(layer, arch, budget=Budget(evaluations=1000))
    assert found.evaluated == 1000
    assert found.bound is None


@pytest.mark.parametrize("mapper", EVERY, ids=lambda mapper: mapper.name)
@pytest.mark.parametrize("calls", [0, 1])
def test_ctrl_c_returns_the_best_so_far(mapper, calls, monkeypatch):
    left = [calls]
    real = best_module.evaluate_points

    def interrupted(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(best_module, "evaluate_points", interrupted)
    layer, arch = CASES[1]
    if calls == 0:
        with pytest.raises(KeyboardInterrupt):
            mapper.map(layer, arch)
        return
    found = mapper.map(layer, arch)
    assert found.interrupted
    assert found.bound is None
    assert found.cost == evaluate(layer, arch, found.mapping)


def test_large_spaces_are_refused_with_size_and_limit():
    with pytest.raises(SpecError, match=r"10[0-9],\d{3},\d{3},\d{3},\d{3} mappings.*at most 20,000,000"):
        ExhaustiveMapper().map(LAYER, PRESETS["tri256"]())
    with pytest.raises(SpecError, match="at most 10 for"):
        ExhaustiveMapper(limit=10).map(*CASES[0])


@pytest.mark.parametrize("mapper", EVERY, ids=lambda mapper: mapper.name)
def test_what_lacks_is_named(mapper):
    layer = Layer.gemm("gemm", M=4, N=4, K=4)
    arch = Architecture("tight", (StorageLevel("dram", ALL), StorageLevel("rf", ALL, capacity_bits=20)), 1.0)
    with pytest.raises(InfeasibleError, match=r"gemm: rf lacks 4 bits: needs 24, has 20"):
        mapper.map(layer, arch, options=Options(bypass=False))
    assert mapper.map(layer, arch).cost.energy_pj > 0  # not all has to stay there


@pytest.mark.parametrize("mapper", EVERY, ids=lambda mapper: mapper.name)
def test_unknown_objectives_are_refused(mapper):
    with pytest.raises(SpecError, match="edp, energy, latency"):
        mapper.map(*CASES[0], "area")


@pytest.mark.parametrize("mapper", EVERY, ids=lambda mapper: mapper.name)
def test_a_layer_of_one_product(mapper):
    found = mapper.map(Layer.gemm("one", M=1, N=1, K=1), small(), budget=Budget(evaluations=200))
    assert found.cost.cycles == 1


def test_local_search_beats_random_search_and_published_mappings():
    """ZigZag 3.9.1, uneven, 614.6 uJ in 516,100 cycles; Timeloop 3.0.3, random, 60 s: 708.9 uJ in 451,584 (same architecture)."""
    arch = PRESETS["tri256"]()
    local = LocalNestMapper().map(LAYER, arch, budget=Budget(evaluations=60_000))
    drawn = RandomNestMapper().map(LAYER, arch, budget=Budget(evaluations=60_000))
    assert local.value < drawn.value
    assert local.cost.cycles == 451_584
    assert local.cost.energy_pj < 614.6e6 * 0.9


def test_local_search_finds_a_published_optimum():
    """AccelForge 1.0.467 proves 5,222 uJ in 4,194,304 cycles to be the best EDP of this product on this architecture."""
    found = LocalNestMapper().map(
        Layer.gemm("gemm1024", M=1024, N=1024, K=1024), PRESETS["tri256"](), budget=Budget(evaluations=80_000)
    )
    assert found.cost.cycles == 4_194_304
    assert round(found.cost.energy_pj / 1e6) == 5_222


def test_padding_uses_instances_that_divisors_leave_idle():
    layer, arch = Layer.gemm("odd", M=7, N=1, K=1), small((4, 1))
    exact, padded = (ExhaustiveMapper().map(layer, arch, "latency", options=Options(padded=each)) for each in (False, True))
    assert (exact.cost.cycles, padded.cost.cycles) == (7, 2)
    local = LocalNestMapper(starts=16, together=8).map(layer, arch, "latency", options=Options(padded=True))
    assert local.cost.cycles == 2
    assert np.isfinite(local.value)
