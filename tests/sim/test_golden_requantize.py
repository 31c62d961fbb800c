"""Requantisation against published vectors and against definitions in Python's integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from sim.golden.requantize import quantize_multiplier, requantize

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


@pytest.mark.parametrize(
    ("x", "places", "rounded"),
    [
        (5, 1, 3), (-5, 1, -2), (3, 1, 2), (-3, 1, -1), (6, 2, 2), (-6, 2, -1), (10, 2, 3), (-10, 2, -2),
        (1004, 3, 126), (-1004, 3, -125),
    ],
)  # fmt: skip
def test_half_up_table(x: int, places: int, rounded: int) -> None:
    """Dense reference, 13.2: dividing by a power of two, half up."""
    q, shift = quantize_multiplier(2.0**-places)
    assert requantize(x, q, shift, **WIDE) == rounded


@given(
    st.one_of(st.integers(-(1 << 47), (1 << 47) - 1), st.integers(-1000, 1000)),
    st.integers(0, (1 << 32) - 1), st.integers(1, 63),
    st.integers(-128, 127), st.sampled_from([(-128, 127), (-32768, 32767), (0, 100)]),
)  # fmt: skip
def test_single_by_definition(acc: int, q: int, shift: int, zero: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    expected = max(low, min(high, half_up(acc, q, shift) + zero))
    assert requantize(acc, q, shift, zero_point=zero, low=low, high=high) == expected


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
