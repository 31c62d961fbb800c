"""Requantisation against published vectors and against definitions in Python's integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.rounding import ROUNDINGS, Rounding
from sim.golden.requantize import quantize_multiplier, requantize
from tests.roundings import ROUNDED

WIDE = {"zero_point": 0, "low": -(1 << 40), "high": 1 << 40}


def half_up(acc: int, q: int, shift: int) -> int:
    return (acc * q + (1 << (shift - 1))) >> shift


def gemmlowp(acc: int, q: int, shift: int) -> int:
    """Follow the three steps of precision reference 7.3, one integer at a time."""
    e = 31 - shift
    acc = max(-(2**31), min(2**31 - 1, acc << max(e, 0)))
    product = acc * q
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    value = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    n = max(-e, 0)
    whole, rem = value >> n, value & ((1 << n) - 1)
    return whole + (rem > (((1 << n) - 1) >> 1) + (value < 0))


@pytest.mark.parametrize(
    ("scale", "q", "e"),
    [
        (1 / 2550, 1724724122, -11), (0.5, 1073741824, 0), (0.75, 1610612736, 0), (0.007247427341846, 1992157658, -7),
        (1.25, 1342177280, 1), (2**-12, 1073741824, -11), (1 - 2**-40, 1 << 30, 1),
    ],
)  # fmt: skip
def test_published_multipliers(scale: float, q: int, e: int) -> None:
    assert quantize_multiplier(scale) == (q, 31 - e)


@given(st.floats(2**-31, 2**29))
def test_multiplier_is_nearest(scale: float) -> None:
    q, shift = quantize_multiplier(scale)
    assert 1 << 30 <= q < 1 << 31
    assert 1 <= shift <= 62
    assert abs(Fraction(q, 1 << shift) - Fraction(scale)) <= Fraction(1, 1 << (shift + 1))


def test_extreme_scales() -> None:
    assert quantize_multiplier(2**-40) == (0, 62)
    assert quantize_multiplier(2**-32) == (1 << 30, 62)
    for wrong in (0.0, -1.0, float("inf"), float("nan"), 2.0**30):
        with pytest.raises(SpecError):
            quantize_multiplier(wrong)


@pytest.mark.parametrize(
    ("scale", "acc", "double", "single"),
    [
        (2**-4, [-56, -40, -8, 7, 23, 55], [-4, -3, -1, 1, 2, 4], [-3, -2, 0, 0, 1, 3]),
        (0.375, [-1, 1, 6, -36], [-1, 1, 3, -14], [0, 0, 2, -13]),
    ],
)
def test_published_differences(scale: float, acc: list[int], double: list[int], single: list[int]) -> None:
    q, shift = quantize_multiplier(scale)
    assert requantize(acc, q, shift, mode="double", **WIDE).tolist() == double
    assert requantize(acc, q, shift, mode="single", **WIDE).tolist() == single


@pytest.mark.parametrize(("scale", "count"), [(0.1, 20000), (0.007247427341846, 760), (0.00039215686, 78), (0.01, 0)])
def test_published_counts_of_differences(scale: float, count: int) -> None:
    acc = np.arange(-100000, 100001)
    q, shift = quantize_multiplier(scale)
    differ = requantize(acc, q, shift, mode="double", **WIDE) != requantize(acc, q, shift, mode="single", **WIDE)
    assert differ.sum() == count


@pytest.mark.parametrize(("x", "places"), ROUNDED)
def test_published_roundings(x: int, places: int) -> None:
    """Dense reference, 13.2: dividing by a power of two, in every mode."""
    q, shift = quantize_multiplier(2.0**-places)
    assert {mode: requantize(x, q, shift, mode=mode, **WIDE) for mode in ROUNDINGS} == ROUNDED[x, places]


ON_FRACTIONS: dict[Rounding, Callable[[Fraction], int]] = {
    "single": lambda x: math.floor(x + Fraction(1, 2)),
    "floor": math.floor,
    "toward_zero": math.trunc,
    "half_even": round,  # Python's rounds halves to even
    "half_away": lambda x: math.floor(abs(x) + Fraction(1, 2)) * (-1 if x < 0 else 1),
}


@given(
    st.one_of(st.integers(-(1 << 47), (1 << 47) - 1), st.integers(-1000, 1000)),
    st.integers(0, (1 << 32) - 1), st.integers(1, 63),
    st.integers(-128, 127), st.sampled_from([(-128, 127), (-32768, 32767), (0, 100)]), st.sampled_from(ROUNDINGS),
)  # fmt: skip
def test_by_definition(acc: int, q: int, shift: int, zero: int, bounds: tuple[int, int], mode: Rounding) -> None:
    low, high = bounds
    expected = max(low, min(high, ON_FRACTIONS[mode](Fraction(acc * q, 1 << shift)) + zero))
    assert requantize(acc, q, shift, zero_point=zero, low=low, high=high, mode=mode) == expected


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("places", [1, 2, 5, 15, 16, 17, 18, 40])
def test_every_tie_and_its_neighbours(mode: Rounding, places: int) -> None:
    """Odd multiples of a half, and one more and one less, with the cut at, before and behind bit 16."""
    halves = np.arange(-9, 10)[:, None] * (1 << places - 1) + np.arange(-1, 2)
    found = requantize(halves, 1, places, mode=mode, **WIDE)
    expected = [[ON_FRACTIONS[mode](Fraction(int(x), 1 << places)) for x in row] for row in halves]
    assert found.tolist() == expected


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(1 << 30, (1 << 31) - 1), st.integers(1, 62))
def test_double_by_definition(acc: int, q: int, shift: int) -> None:
    assert requantize(acc, q, shift, mode="double", **WIDE) == gemmlowp(acc, q, shift)


def test_channels_broadcast() -> None:
    acc = np.arange(-12, 12).reshape(1, 2, 3, 4)
    q, shift = np.array([1 << 30, 3 << 29]), np.array([31, 33])
    found = requantize(acc, q[:, None, None], shift[:, None, None], zero_point=1, low=-5, high=5)
    for c in range(2):
        expected = [max(-5, min(5, half_up(int(a), int(q[c]), int(shift[c])) + 1)) for a in acc[0, c].flat]
        assert found[0, c].ravel().tolist() == expected


@pytest.mark.parametrize(
    "wrong", [{"shift": 0}, {"shift": 64}, {"multiplier": -1}, {"multiplier": 1 << 32}, {"mode": "up"}, {"acc": 1 << 47}]
)
def test_rejects(wrong: dict[str, object]) -> None:
    arguments = {"acc": 1, "multiplier": 1, "shift": 1, **WIDE, **wrong}
    with pytest.raises(SpecError):
        requantize(**arguments)
