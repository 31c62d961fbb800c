"""Choosing one of several ways for every part so that total energy times total cycles is least: the network's EDP.

The product of two sums is no sum, so the best choice is not what is best part by part. For any price of a cycle, w,
(E + w C)^2 = 4 w E C + (E - w C)^2, so E C is at least (E + w C)^2 / 4 w, and the least E + w C is a sum of what is best part by
part. All choices that are best for some price are found by moving from the fastest choice to the most frugal one along the
lower convex hulls of the parts, steepest edge first. The largest of the bounds at the prices in between is certified; where
no choice reaches it, what remains is searched: only ways that are not too far above the best at that price can be part of a
better choice, and partial choices are dropped that another one equals or beats in both sums, or whose bound is no better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_CHOICES = 200_000
"""Partial choices kept at a time; with more the proof is given up."""
PRICES = 2.0 ** np.linspace(-2, 2, 9)
"""Prices of a cycle at which partial choices are bounded, relative to that of the certified bound."""


class Point(NamedTuple):
    """One way to run a part.

    Attributes
    ----------
    energy_pj, cycles : float
        Of running it once.
    payload : Any
        What it stands for: a tiling, a loop nest.
    """

    energy_pj: float
    cycles: float
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One point for every part.

    Attributes
    ----------
    points : tuple of Point
        In the order of the parts.
    energy_pj, cycles : float
        Of all parts, each as often as it occurs.
    lower : float
        No choice has a smaller product of the two; the product itself where that is proved.
    """

    points: tuple[Point, ...]
    energy_pj: float
    cycles: float
    lower: float

    @property
    def value(self) -> float:
        """Energy times cycles."""
        return self.energy_pj * self.cycles

    @property
    def gap(self) -> float:
        """How far `value` may be above the least there is, as a fraction."""
        return 0.0 if self.lower >= self.value else self.value / self.lower - 1


def front(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other equals or beats in both figures, by rising cycles; of equal ones the first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cycles, each.energy_pj)):
        if not kept or point.energy_pj < kept[-1].energy_pj:
            kept.append(point)
    return kept


def hull(points: Sequence[Point]) -> list[int]:
    """Return the places of the points of a `front` on its lower convex hull: what is best for some price of a cycle."""
    kept: list[int] = []
    for place, point in enumerate(points):
        while len(kept) > 1 and _slope(points[kept[-2]], points[kept[-1]]) <= _slope(points[kept[-1]], point):
            kept.pop()
        kept.append(place)
    return kept


def _slope(fast: Point, slow: Point) -> float:
    """Price of a cycle at which both are worth the same."""
    return (fast.energy_pj - slow.energy_pj) / (slow.cycles - fast.cycles)


def combine(parts: Sequence[Iterable[Point]], counts: Sequence[int] | None = None) -> Choice:
    """Return the choice of least total energy times total cycles, with a proof or a certified bound.

    Parameters
    ----------
    parts : sequence of iterable of Point
        The ways to run each part; those that another equals or beats in both figures do not matter.
    counts : sequence of int, optional
        How often each part occurs, always run in the same way; once by default.

    Raises
    ------
    ValueError
        For no parts, a part without points, figures that are not positive, or counts below 1.
    """
    counts = [1] * len(parts) if counts is None else counts
    fronts = [front(points) for points in parts]
    if not fronts or not all(fronts) or len(counts) != len(fronts) or min(counts) < 1:
        raise ValueError("every part needs a point and a positive count")
    if not all(point.energy_pj > 0 and point.cycles > 0 for points in fronts for point in points):
        raise ValueError("energy and cycles must be positive")
    scaled = [
        np.array([(point.energy_pj * count, point.cycles * count) for point in points])
        for points, count in zip(fronts, counts, strict=True)
    ]
    places, lower, price = _supported(fronts, scaled, counts)
    places, proved = _rest(scaled, places, price)
    energy, cycles = _totals(scaled, places)
    points = tuple(points[place] for points, place in zip(fronts, places, strict=True))
    return Choice(points, energy, cycles, energy * cycles if proved else min(lower, energy * cycles))


def bound_at(price: Any, least: Any) -> Any:
    """Return the least energy times cycles where energy plus `price` times cycles is at least `least`; numbers or arrays."""
    return least * least / (4 * price)


def _totals(scaled: list[Floats], places: Sequence[int]) -> tuple[float, float]:
    chosen = np.array([points[place] for points, place in zip(scaled, places, strict=True)])
    return math.fsum(chosen[:, 0]), math.fsum(chosen[:, 1])


def _supported(fronts: list[list[Point]], scaled: list[Floats], counts: Sequence[int]) -> tuple[list[int], float, float]:
    """Return the best choice that is best for some price, the certified bound, and the price at which it is."""
    hulls = [hull(points) for points in fronts]
    edges = sorted(
        (
            (-_slope(points[fast], points[slow]), part, slow)
            for part, (points, corners) in enumerate(zip(fronts, hulls, strict=True))
            for fast, slow in pairwise(corners)
        ),
    )
    places = [corners[0] for corners in hulls]
    energy, cycles = _totals(scaled, places)
    best, chosen = energy * cycles, list(places)
    lower, price = 0.0, energy / cycles
    for slope, part, slow in edges:
        # Sums drift by rounding, far below what matters here: the totals of the choice are summed anew.
        before, after = scaled[part][places[part]], scaled[part][slow]
        bound = bound_at(-slope, energy - slope * cycles)
        if bound > lower:
            lower, price = bound, -slope
        energy, cycles = energy + after[0] - before[0], cycles + after[1] - before[1]
        places[part] = slow
        if energy * cycles < best:
            best, chosen = energy * cycles, list(places)
    return chosen, lower * (1 - 1e-12) if edges else best, price


def _rest(scaled: list[Floats], places: list[int], price: float) -> tuple[list[int], bool]:
    """Search the choices that may be better than `places`; return the best and whether that is proved."""
    energy, cycles = _totals(scaled, places)
    best = energy * cycles
    prices = price * PRICES
    # Least energy plus price times cycles of each part, and of all parts behind it.
    worth = [points[:, :1] + points[:, 1:] * prices for points in scaled]
    least = np.array([each.min(axis=0) for each in worth])
    middle = len(PRICES) // 2
    room = 2 * math.sqrt(price * best) - least[:, middle].sum()
    live = [
        np.nonzero(each[:, middle] - low[middle] <= room + 1e-12 * abs(low[middle]))[0]
        for each, low in zip(worth, least, strict=True)
    ]
    order = sorted(range(len(scaled)), key=lambda part: len(live[part]))
    behind = np.concatenate((np.cumsum(least[order][::-1], axis=0)[::-1][1:], np.zeros((1, len(prices)))))
    sums, trail = np.zeros((1, 2)), list[tuple[NDArray[np.int64], NDArray[np.int64]]]()
    for part, rest in zip(order, behind, strict=True):
        grown = (sums[:, None] + scaled[part][live[part]][None]).reshape(-1, 2)
        kept = _promising(grown, rest, prices, best)
        if len(kept) > MOST_CHOICES:
            return places, False
        trail.append((kept // len(live[part]), live[part][kept % len(live[part])]))
        sums = grown[kept]
    if not len(sums):
        return places, True
    at = int(np.argmin(sums.prod(axis=1)))
    found = list(places)
    for part, (before, place) in zip(order[::-1], trail[::-1], strict=True):
        found[part], at = int(place[at]), int(before[at])
    energy, cycles = _totals(scaled, found)
    return (found if energy * cycles < best else places), True


def _promising(sums: Floats, rest: Floats, prices: Floats, best: float) -> NDArray[np.int64]:
    """Return the places of partial choices that none equals or beats and that may end below `best`."""
    ends = bound_at(prices, sums[:, :1] + sums[:, 1:] * prices + rest).max(axis=1)
    kept = np.nonzero(ends < best)[0]
    kept = kept[np.lexsort((sums[kept, 0], sums[kept, 1]))]
    energy = sums[kept, 0]
    better = np.ones(len(kept), dtype=bool)
    better[1:] = energy[1:] < np.minimum.accumulate(energy)[:-1]
    return kept[better]
