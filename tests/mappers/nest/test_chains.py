"""Splits of a size over loops: against all tuples of extents, and drawn equally often."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.nest.chains import Chains, pick, primes


def by_definition(size: int, loops: int, padded: bool) -> set[tuple[int, ...]]:
    """Read off docs/mapping-space.md: all tuples, tried one by one."""
    found = set()
    for extents in itertools.product(range(1, size + 1), repeat=loops):
        left = size
        for extent in extents[:-1]:
            leaves = -(-left // extent)
            if (extent > 1 and -(-left // (extent - 1)) == leaves) or (not padded and left % extent):
                break
            left = leaves
        else:
            if extents[-1] == left:
                found.add(extents)
    return found


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("size", [*range(1, 15), 18])
def test_chains_are_those_of_the_definition(size, padded):
    chains = Chains(padded)
    for loops in (1, 2, 3):
        found = chains.all(size, loops)
        assert {tuple(row) for row in found.tolist()} == by_definition(size, loops, padded)
        assert len(found) == chains.count(size, loops)


def test_the_example_of_the_documentation():
    assert by_definition(7, 2, padded=True) == {(1, 7), (2, 4), (3, 3), (4, 2), (7, 1)}


@settings(max_examples=60)
@given(st.integers(1, 5000), st.integers(1, 4), st.booleans())
def test_counts_and_products(size, loops, padded):
    chains = Chains(padded)
    assert chains.by_places(size, [np.ones(2)] * loops).tolist() == [chains.count(size, loops)] * 2
    drawn = chains.draw(np.full(20, size), loops, np.random.default_rng(size))
    products = drawn.prod(axis=1)
    assert (products >= size).all() if padded else (products == size).all()
    assert (chains.tightened(drawn, size) == drawn).all()
    if padded:
        assert chains.count(size, loops) >= Chains(False).count(size, loops)


def test_places_are_weighted_where_loops_are():
    weights = [np.array([2.0]), np.array([3.0]), np.array([5.0])]
    expected = sum(
        np.prod([w[0] for w, x in zip(weights, row, strict=True) if x > 1]) for row in by_definition(12, 3, padded=True)
    )
    assert Chains(True).by_places(12, weights)[0] == expected


@pytest.mark.parametrize("padded", [False, True])
def test_every_chain_is_drawn_equally_often(padded):
    chains, times = Chains(padded), 20_000
    drawn = chains.draw(np.full(times, 12), 3, np.random.default_rng(5))
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(rows) == chains.count(12, 3)
    expected = times / len(rows)
    assert ((counts - expected) ** 2 / expected).sum() < 2 * len(rows)  # chi square: its mean is len(rows) - 1


def test_padding_that_nothing_needs_is_taken_away():
    assert Chains(True).tightened(np.array([[5, 2], [6, 6], [2, 3], [1, 1]]), 7).tolist() == [[4, 2], [4, 2], [2, 4], [1, 7]]


def test_pick_reaches_both_ends():
    assert pick(np.array([1.0, 0.0, 1.0]), np.array([0.0, 0.49, 0.5, 0.999, 1.0])).tolist() == [0, 0, 2, 2, 2]


def test_primes():
    assert primes(1) == ()
    assert primes(56) == (2, 7)
    assert primes(97) == (97,)
