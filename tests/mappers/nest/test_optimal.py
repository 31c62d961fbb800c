"""The optimal mapper against every mapping there is, and against what others have proved."""

from __future__ import annotations

import random

import pytest

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import evaluate
from dataflows.nest.presets import PRESETS
from dataflows.workload import Layer
from mappers.base import Objective
from mappers.nest.base import Budget, Options
from mappers.nest.exhaustive import ExhaustiveMapper
from mappers.nest.optimal import OptimalMapper
from mappers.nest.space import NestSpace
from tests.mappers.nest import tiny

GEMM = Layer("gemm1024", K=1024, C=1024, P=1, Q=1, N=1024, H=1, W=1)
C2 = Layer("r50_c2_3x3", K=64, C=64, P=56, Q=56, R=3, S=3, H=58, W=58)
OBJECTIVES: tuple[Objective, ...] = ("edp", "edp", "energy", "latency")
LISTED = 30_000


def compare(seed: int) -> bool:
    """Draw a problem and hold the optimal mapper against the exhaustive one; False if the problem is none or too large."""
    rng = random.Random(seed)
    layer, arch, rules = tiny.layer(rng), tiny.architecture(rng), tiny.rules(rng)
    options, objective = Options(bypass=rng.random() < 0.7), rng.choice(OBJECTIVES)
    if not 0 < NestSpace(layer, arch, options).size <= LISTED:
        return False
    try:
        best = ExhaustiveMapper().map(layer, arch, objective, rules=rules, options=options)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            OptimalMapper().map(layer, arch, objective, rules=rules, options=options)
        return False
    found = OptimalMapper().map(layer, arch, objective, rules=rules, options=options)
    assert found.value == pytest.approx(best.value, rel=1e-9), f"seed {seed}"
    assert found.gap == 0, f"seed {seed}"
    cost = evaluate(layer, arch, found.mapping, rules)
    assert (cost.energy_pj, cost.cycles) == (found.cost.energy_pj, found.cost.cycles)
    return True


@pytest.mark.parametrize("first", range(20_000, 60_000, 4_000))
def test_equals_every_mapping_listed_on_tiny_problems(first: int) -> None:
    """200 random ones in all: 1 to 4 levels, any network, rows, ports, rules, residencies and objectives."""
    done, seed = 0, first
    while done < 20:
        seed += 1
        done += compare(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(100_000, 110_000, 1_000))
def test_equals_every_mapping_listed_on_more_tiny_problems(first: int) -> None:
    """As above."""
    assert sum(compare(seed) for seed in range(first, first + 1_000)) > 200


def test_finds_what_another_optimal_mapper_proved() -> None:
    """AccelForge 1.0.467 needs 49 CPU seconds for this product: 4,194,304 cycles, 5,222 uJ."""
    found = OptimalMapper().map(GEMM, PRESETS["tri256"]())
    assert found.gap == 0
    assert found.cost.cycles == 4_194_304
    assert found.cost.energy_pj / 1e6 == pytest.approx(5222, abs=0.5)


def test_proves_a_convolution() -> None:
    """ZigZag 3.9.1 has 516,100 cycles and 614.6 uJ for it (317 J x cycles), Timeloop's random search 708.9 uJ in a minute."""
    found = OptimalMapper().map(C2, PRESETS["tri256"]())
    assert found.gap == 0
    assert found.cost.edp < 317e12
    assert found.cost.cycles == 451_584


def test_bypass_never_hurts() -> None:
    """The space without it is part of the space with it."""
    arch = PRESETS["eyeriss"]()
    layer = Layer("1x1", K=64, C=32, P=14, Q=14, H=14, W=14)
    free, fixed = (OptimalMapper().map(layer, arch, options=Options(bypass=bypass)) for bypass in (True, False))
    assert free.value <= fixed.value
    assert [level.name for level in fixed.mapping.levels] == ["dram[WIO]", "glb[IO]", "pe[WIO]"]


def test_more_capacity_never_makes_it_worse() -> None:
    """Every mapping that fits a small buffer fits a large one, at the same price."""
    values = []
    for words in (32, 48, 64, 100, 256):
        text = PRESETS["tri256"]().to_dict()
        text["levels"][1]["capacity_bits"] = words * 16 * 8
        text["levels"][2]["capacity_bits"] = words * 16
        arch = Architecture.from_dict(text)
        values.append(OptimalMapper().map(Layer("c", K=16, C=24, P=14, Q=14, H=14, W=14), arch).value)
    assert values == sorted(values, reverse=True)


def test_same_answer_every_time() -> None:
    """It draws nothing."""
    layer = Layer("1x1", K=32, C=24, P=14, Q=14, H=14, W=14)
    one, two = (OptimalMapper().map(layer, PRESETS["tri256"](), seed=seed) for seed in (1, 2))
    assert (one.mapping, one.value, one.evaluated) == (two.mapping, two.value, two.evaluated)


def test_out_of_time_says_how_far_the_best_may_be_off() -> None:
    """A bound that holds, and the best so far."""
    proved = OptimalMapper().map(C2, PRESETS["tri256"]())
    hasty = OptimalMapper().map(C2, PRESETS["tri256"](), budget=Budget(evaluations=100))
    assert hasty.bound is not None
    assert hasty.bound <= proved.value <= hasty.value


def test_tolerance_is_proved() -> None:
    """Within what was asked."""
    proved = OptimalMapper().map(C2, PRESETS["tri256"]())
    found = OptimalMapper(tolerance=0.2).map(C2, PRESETS["tri256"]())
    assert found.gap is not None
    assert found.gap <= 0.2 + 1e-9
    assert found.value <= 1.2 * proved.value


def test_interrupt_returns_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a gap."""
    from mappers.nest.proof import search

    real, calls = search.finish, 0

    def interrupted(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(search, "finish", interrupted)
    found = OptimalMapper().map(C2, PRESETS["tri256"]())
    assert found.interrupted
    assert found.gap is not None
    assert found.gap > 0


def test_what_does_not_fit_is_said() -> None:
    """Level, need and room."""
    text = PRESETS["tri256"]().to_dict()
    text["levels"][2]["capacity_bits"] = 16
    arch = Architecture.from_dict(text)
    with pytest.raises(InfeasibleError, match="rf lacks"):
        OptimalMapper().map(C2, arch, options=Options(bypass=False))
    assert OptimalMapper().map(C2, arch).gap == 0  # two of the three pass by


def test_wrong_requests() -> None:
    """One clear error each."""
    with pytest.raises(SpecError, match="objective"):
        OptimalMapper().map(C2, PRESETS["tri256"](), "speed")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SpecError, match="padded"):
        OptimalMapper().map(C2, PRESETS["tri256"](), options=Options(padded=True))


def test_latency_and_energy_bind_differently() -> None:
    """Each objective is best in its own."""
    arch = PRESETS["gemmini_dosa"]()
    layer = Layer("3x3", K=32, C=16, P=14, Q=14, R=3, S=3, H=16, W=16)
    energy, latency, edp = (OptimalMapper().map(layer, arch, objective) for objective in ("energy", "latency", "edp"))
    assert energy.gap == latency.gap == edp.gap == 0
    assert energy.cost.energy_pj <= edp.cost.energy_pj
    assert latency.cost.cycles <= edp.cost.cycles
    assert edp.cost.edp <= min(energy.cost.edp, latency.cost.edp)
