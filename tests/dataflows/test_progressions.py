"""Sums of progressions are counted as a set of their members counts them."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.progressions import MOST_MEMBERS, reach, shared, size, summed, within

PARTS = st.lists(st.tuples(st.integers(1, 7), st.integers(0, 12)), max_size=4)
BIG = 10**12


def members(parts):
    return {sum(steps) for steps in product(*(range(0, count * step, step) if step else [0] for count, step in parts))}


@settings(max_examples=300)
@given(PARTS, st.integers(-60, 60), st.integers(-10, 130), st.integers(-10, 130))
def test_counts_are_those_of_the_set(parts, shift, low, high):
    rows, found = summed(parts), members(parts)
    assert size(rows) == len(found)
    assert reach(rows) == max(found)
    assert shared(rows, shift) == len(found & {member + shift for member in found})
    assert within(rows, low, high) == sum(low <= member < high for member in found)


@settings(max_examples=150)
@given(PARTS, PARTS)
def test_sums_of_sums(one, other):
    assert size(summed((*summed(one), *other))) == len(members([*one, *other]))


def test_large_counts_are_closed_forms():
    assert summed([(BIG, 1), (3, 1)]) == ((BIG + 2, 1),)
    assert summed([(BIG, 7), (9, 1)]) == ((7 * BIG + 2, 1),)
    assert size(summed([(BIG, 7), (3, 1)])) == 3 * BIG
    assert size(summed([(BIG, 7), (BIG, 3)])) == BIG**2 - (BIG - 3) * (BIG - 7)
    assert shared(summed([(BIG, 7), (3, 1)]), 70) == 3 * (BIG - 10)
    assert shared(summed([(BIG, 7), (3, 1)]), 71) == 2 * (BIG - 10)
    assert shared(summed([(BIG, 7), (3, 1)]), 7 * BIG) == 0
    assert shared(summed([(BIG, 7), (5, 3)]), 14) == 5 * BIG - 5 * 2
    assert within(summed([(BIG, 7), (3, 1)]), 1, 7 * BIG - 4) == 3 * BIG - 1
    # Of the numbers up to 5 BIG - 5 the second and the last but one are missing; 0 is left out.
    assert within(summed([(BIG, 2), (BIG, 3)]), 2, 5 * BIG) == 5 * BIG - 4 - 2 - 1


def test_what_has_no_closed_form_is_bounded():
    rows = summed([(BIG, 7), (BIG, 3)])
    with pytest.raises(SpecError, match=f"{MOST_MEMBERS:,}"):
        shared(rows, 11)
