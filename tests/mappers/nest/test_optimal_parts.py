"""The proof on tiny problems, by all of its paths.

Three ways, from the most to the least direct: every bound of every partial mapping (`partials`), parts of spaces of which the
proof knows how good their best is (`parts`), and whole searches.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from mappers.nest import optimal
from mappers.nest.base import Budget
from mappers.nest.exhaustive import ExhaustiveMapper
from mappers.nest.optimal import OptimalMapper
from mappers.nest.proof import orders, search, walk
from mappers.nest.space import NestSpace
from tests.mappers.nest.aimed import KINDS, draw
from tests.mappers.nest.partials import Partials
from tests.mappers.nest.parts import listed

LISTED = 6_000
TRIALS = 8
"""Parts of each space."""
BOUNDS = (("dilated", 65), ("everything", 46), ("linked_multipliers", 1), ("links_and_hops", 10), ("strict_writes", 29))
PARTS = (("everything", 7), ("everything", 15), ("everything", 29), ("linked_multipliers", 6), ("strict_writes", 27))
"""Problems that have found bounds made wrong on purpose which the first of each kind did not find."""


def crippled(monkeypatch: pytest.MonkeyPatch, rng: random.Random) -> None:
    """Draw limits so small that tiny problems are cut into pieces as large ones are.

    No beams in most: what they find, bounds no longer need to leave. The rest as in large problems, or none of it.
    """
    hard = rng.random() < 0.75
    monkeypatch.setattr(search, "EASY", 0 if hard else 10**9)
    monkeypatch.setattr(search, "HARD", 0 if hard else 10**9)
    monkeypatch.setattr(search, "BEAMS", rng.choice((0, 0, 3)))
    monkeypatch.setattr(search, "WIDTH", rng.choice((1, 2, 4)))
    monkeypatch.setattr(search, "BAND", rng.choice((0.3, 0.75, 1.0)))
    monkeypatch.setattr(search, "LEAVES", rng.choice((16, 4096)))
    monkeypatch.setattr(search, "FEW", 1)
    monkeypatch.setattr(search, "STATES", rng.choice((1, 5, 10**6)))
    monkeypatch.setattr(search, "BLOCK", rng.choice((1, 7, 10**6)))
    monkeypatch.setattr(walk, "CHUNK", rng.choice((1, 16, 1 << 18)))
    monkeypatch.setattr(orders, "TOGETHER", rng.choice((256, 1 << 16)))


def try_parts(monkeypatch: pytest.MonkeyPatch, kind: str, seed: int, most: int = LISTED) -> bool:
    """Search parts of a problem's space; False if the problem is none or too large."""
    space = listed(draw(kind, seed), most)
    if space is None:
        return False
    rng = random.Random(seed)
    crippled(monkeypatch, rng)
    for number in range(TRIALS):
        found = space.trial(rng, rng.choice((0, 0, 0, 0.005, 0.3)))
        assert not found.lost, f"{kind} {seed}, trial {number}: {found.search.bound} {found.search.best}\n{found.text}"
    return True


def compare(monkeypatch: pytest.MonkeyPatch, kind: str, seed: int, most: int = LISTED) -> bool:
    """Hold the mapper against every mapping, and the bound that it ends with if stopped early; False as above."""
    case, rng = draw(kind, seed), random.Random(seed)
    size = NestSpace(case.layer, case.arch, case.options).size
    if not 0 < size <= most or listed(case, most) is None:
        return False
    crippled(monkeypatch, rng)
    monkeypatch.setattr(optimal, "LOCAL", 1)
    objective = rng.choice(("edp", "energy", "latency"))
    best = ExhaustiveMapper().map(case.layer, case.arch, objective, rules=case.rules, options=case.options)
    found = OptimalMapper().map(case.layer, case.arch, objective, rules=case.rules, options=case.options)
    assert found.value == pytest.approx(best.value, rel=1e-9), f"{kind} {seed}"
    assert found.gap == 0, f"{kind} {seed}"
    budget = Budget(evaluations=rng.choice((1, 3, 30)))
    hasty = OptimalMapper().map(case.layer, case.arch, objective, rules=case.rules, options=case.options, budget=budget)
    assert hasty.bound is not None
    assert hasty.bound <= best.value * (1 + 1e-9), f"{kind} {seed}"
    return True


def try_partials(monkeypatch: pytest.MonkeyPatch, kind: str, seed: int, most: int = 3_000) -> bool:
    """Hold all bounds of two residencies of a problem against all mappings; False as above."""
    space, rng = listed(draw(kind, seed), most), random.Random(seed)
    if space is None:
        return False
    monkeypatch.setattr(search, "EASY", 0)  # for bands
    monkeypatch.setattr(search, "BAND", rng.choice((0.0, 0.5, 0.75)))
    for _ in range(2):
        one = space.holds[rng.choice(space.fitting.tolist())]
        held = tuple(frozenset(np.flatnonzero(each).tolist()) for each in one)
        assert not (wrong := Partials(space, held).wrong()), f"{kind} {seed}: {held}\n{wrong}"
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_is_above_what_it_is_a_bound_of(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All partial mappings of two residencies each of three problems of every kind, for six goals."""
    done, seed = 0, 0
    while done < 3:
        seed += 1
        done += try_partials(monkeypatch, kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_no_part_of_a_tiny_space_loses_its_best(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight parts each of four problems of every kind, with limits that cut them up as large ones are."""
    done, seed = 0, 0
    while done < 4:
        seed += 1
        done += try_parts(monkeypatch, kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_every_mapping_listed_where_limits_are_small(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three problems of every kind: beams, bands, blocks and the pass for a first gap, that tiny problems need none of."""
    done, seed = 0, 112
    while done < 3:
        seed += 1
        done += compare(monkeypatch, kind, seed, 3_000)


@pytest.mark.parametrize(("kind", "seed"), BOUNDS)
def test_no_bound_is_above_in_problems_that_have_found_some(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above."""
    assert try_partials(monkeypatch, kind, seed)


@pytest.mark.parametrize(("kind", "seed"), PARTS)
def test_no_part_loses_its_best_in_problems_that_have_found_some(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above."""
    assert try_parts(monkeypatch, kind, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(1_000, 11_000, 1_000))
@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_is_above_what_it_is_a_bound_of_in_many_problems(
    kind: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """As above: 100 problems of every kind each time."""
    assert sum(try_partials(monkeypatch, kind, seed) for seed in range(first, first + 100)) > 10


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(1_000, 11_000, 1_000))
@pytest.mark.parametrize("kind", KINDS)
def test_no_part_of_many_tiny_spaces_loses_its_best(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above: 100 problems of every kind each time."""
    assert sum(try_parts(monkeypatch, kind, seed, 20_000) for seed in range(first, first + 100)) > 20


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_equals_every_mapping_listed_on_many_aimed_problems(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above: 200 problems of every kind."""
    assert sum(compare(monkeypatch, kind, seed) for seed in range(20_000, 20_200)) > 40
