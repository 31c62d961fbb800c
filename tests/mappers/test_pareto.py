"""The least energy times cycles of several parts against every choice."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers import pareto
from mappers.pareto import Point, combine, front, hull

FIGURE = st.integers(1, 60)
POINTS = st.lists(st.builds(Point, FIGURE.map(float), FIGURE.map(float), st.integers()), min_size=1, max_size=6)


def totals(points, counts):
    return tuple(
        sum(count * figure for count, figure in zip(counts, column, strict=True)) for column in zip(*points, strict=True)
    )


@settings(max_examples=300)
@given(st.lists(POINTS, min_size=1, max_size=4), st.data())
def test_it_equals_every_choice(parts, data):
    counts = data.draw(st.lists(st.integers(1, 5), min_size=len(parts), max_size=len(parts)))
    found = combine(parts, counts)
    products = [np.prod(totals([point[:2] for point in points], counts)) for points in product(*parts)]
    assert found.value == pytest.approx(min(products), rel=1e-12)
    assert found.gap == 0
    assert all(point in points for point, points in zip(found.points, parts, strict=True))
    assert (found.energy_pj, found.cycles) == pytest.approx(totals([point[:2] for point in found.points], counts))


@settings(max_examples=100)
@given(st.lists(POINTS, min_size=1, max_size=4))
def test_a_proof_given_up_leaves_a_gap_that_holds(parts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pareto, "MOST_CHOICES", 0)
        found = combine(parts)
    least = combine(parts).value
    assert found.lower <= least * (1 + 1e-12)
    assert least <= found.value * (1 + 1e-12)
    assert found.value <= least * (1 + found.gap) * (1 + 1e-12)


@given(POINTS)
def test_a_front_is_what_nothing_beats_and_its_hull_what_is_best_at_some_price(points):
    kept = front(points)
    for point in points:
        assert any(other.energy_pj <= point.energy_pj and other.cycles <= point.cycles for other in kept)
    assert all(a.cycles < b.cycles and a.energy_pj > b.energy_pj for a, b in pairwise(kept))
    corners = [kept[place] for place in hull(kept)]
    for price in (0.01, 0.3, 1, 3, 70):
        least = min(point.energy_pj + price * point.cycles for point in points)
        assert min(point.energy_pj + price * point.cycles for point in corners) == pytest.approx(least)


def test_what_is_best_for_all_parts_is_not_best_for_each():
    """Part by part the fast ways win; the energy of the second part makes speed in the first one cheap."""
    parts = [[Point(10, 10, "even"), Point(25, 5, "fast")], [Point(200, 10)]]
    assert combine(parts[:1]).points[0].payload == "even"
    assert combine(parts).points[0].payload == "fast"


def test_many_parts_are_proved():
    rng = np.random.default_rng(3)
    parts = []
    for _ in range(60):
        cycles = np.sort(rng.uniform(1e4, 1e6, 20))
        parts.append([Point(float(e), float(c)) for e, c in zip(1e12 / cycles * rng.uniform(0.9, 1.1, 20), cycles, strict=True)])
    found = combine(parts, [1 + n % 5 for n in range(60)])
    assert found.gap < 1e-6


@pytest.mark.parametrize(
    ("parts", "counts"),
    [([], []), ([[]], [1]), ([[Point(1, 1)]], [0]), ([[Point(1, 1)]], [1, 1]), ([[Point(0, 1)]], [1]), ([[Point(1, -1)]], [1])],
)
def test_what_cannot_be_chosen_from(parts, counts):
    with pytest.raises(ValueError, match="positive"):
        combine(parts, counts)
