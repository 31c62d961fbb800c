"""The closed form counts what the walker counts: every kind of word, every tensor, every level."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.nest.counts import count
from dataflows.nest.nest import Nest, bind
from dataflows.nest.presets import tri256
from dataflows.nest.rules import Rules
from dataflows.nest.text import parse_compact
from dataflows.nest.walk import MOST_WORK, differences, walk
from dataflows.workload import Layer
from tests.conftest import COVERAGE
from tests.dataflows.nest import random_nests

CASES = 1_000
NIGHTLY_CASES = 20_000
OFTEN = 0.04
"""Part of the cases in which every feature occurs at least."""
FEATURES = 34
PARTS = 8


def draw(rng: Random) -> tuple[Nest, Rules]:
    layer, arch, rules = random_nests.draw_layer(rng), random_nests.draw_architecture(rng), random_nests.draw_rules(rng)
    return bind(layer, arch, random_nests.draw_mapping(rng, layer, arch)), rules


def compare(rng: Random) -> tuple[Nest, Rules]:
    nest, rules = draw(rng)
    found = differences(nest, count(nest, rules), walk(nest, rules), rules)
    assert not found, f"{nest}\n{rules}\n" + "\n".join(found)
    return nest, rules


@pytest.mark.parametrize("part", range(PARTS))
def test_closed_form_equals_walker(part):
    for seed in range(part, CASES, PARTS):
        compare(Random(seed))


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_closed_form_equals_walker_at_length(part, record_property):
    seen: Counter[str] = Counter()
    seeds = range(CASES + part, CASES + NIGHTLY_CASES, 20)
    for seed in seeds:
        seen += random_nests.features(*compare(Random(seed)))
    record_property(COVERAGE, {"cases": len(seeds), **seen})
    often(seen, len(seeds))


def test_every_feature_occurs_often_in_the_cases(record_property):
    """The cases of `test_closed_form_equals_walker`, drawn once more."""
    seen: Counter[str] = Counter()
    for seed in range(CASES):
        seen += random_nests.features(*draw(Random(seed)))
    record_property(COVERAGE, {"cases": CASES, **seen})
    often(seen, CASES)


def often(seen: Counter[str], cases: int) -> None:
    assert not {name: times for name, times in seen.items() if times < OFTEN * cases}
    assert len(seen) == FEATURES


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_closed_form_equals_walker_on_shrinkable_cases(rng):
    compare(rng)


def test_the_walker_notices_a_wrong_count():
    layer, arch = Layer.gemm("gemm", M=4, N=4, K=4), tri256()
    text = "L2 C2 K2 ; L1 Q4 ; L0 K2 C2"
    nest = bind(layer, arch, parse_compact(text, arch))
    other = bind(layer, arch, parse_compact("L2 K2 C2 ; L1 Q4 ; L0 K2 C2", arch))
    assert not differences(nest, count(nest), walk(nest))
    found = differences(nest, count(other), walk(nest))
    assert any("outputs" in line and "updates" in line for line in found)
    strict = differences(nest, count(nest, Rules(psums="strict")), walk(nest))
    assert any("drains" in line for line in strict)


def test_large_layers_are_refused():
    layer, arch = Layer.gemm("gemm", M=1024, N=1024, K=1024), tri256()
    nest = bind(layer, arch, parse_compact("L2 C1024 K1024 Q1024", arch))
    with pytest.raises(SpecError, match=f"at most {MOST_WORK:,}"):
        walk(nest)
