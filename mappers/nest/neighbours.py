"""Mappings one step away from others: a factor elsewhere, two loops swapped, a tensor that stays or passes by."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.points import Points
from mappers.nest.chains import Ints, primes
from mappers.nest.space import NestSpace

__all__ = ["exchanges", "neighbours", "shrunk"]

SMALL = (2, 3, 5, 7)
"""Factors that padded extents are tried to exchange."""

Owners = NDArray[np.intp]


def neighbours(space: NestSpace, points: Points) -> tuple[Points, Owners]:
    """Return all mappings of the space one step away from each of some, and from which of them.

    A step is one of:

    - a prime factor of one loop's extent goes to another level or axis; in padded spaces an extent also grows or shrinks by 1, or
      doubles or halves, and another one of its dimension takes what that leaves. A loop that is new at its level becomes its
      outermost or its innermost;
    - two loops of a level, not the innermost, change places;
    - a tensor that stayed at a level, not the outermost, passes by, or the other way round.
    """
    parts = [_moved(space, points), _swapped(points), _toggled(space, points)]
    return Points.join([part for part, _ in parts]), np.concatenate([owners for _, owners in parts])


def exchanges(space: NestSpace, points: Points) -> tuple[Points, Owners]:
    """Return mappings in which two loops over different dimensions exchanged prime factors, and from which of some each is.

    Where an array or a level is full, nothing can go there before something else has left.
    """
    factors = space.factors(points)
    open_ = [dim for dim, size in enumerate(space.sizes) if size > 1]
    steps = {dim: primes(space.sizes[dim]) if not space.options.padded else SMALL for dim in open_}
    found: list[Ints] = []
    owners: list[Owners] = []
    for one, other in itertools.combinations(range(space.places), 2):
        for dim, twin in itertools.permutations(open_, 2):
            if not all(_allowed(space, each, place) for each in (dim, twin) for place in (one, other)):
                continue
            for factor, back in itertools.product(steps[dim], steps[twin]):
                who = np.flatnonzero((factors[:, dim, one] % factor == 0) & (factors[:, twin, other] % back == 0))
                if len(who):
                    changed = factors[who]
                    changed[:, dim, one] //= factor
                    changed[:, dim, other] *= factor
                    changed[:, twin, other] //= back
                    changed[:, twin, one] *= back
                    found.append(changed)
                    owners.append(who)
    return _legal(space, points, factors, found, owners)


def _allowed(space: NestSpace, dim: int, place: int) -> bool:
    """Whether loops over a dimension may be at a place."""
    return place >= len(space.axes) or space.allowed[dim][place]


def shrunk(space: NestSpace, points: Points, rng: np.random.Generator) -> Points:
    """Return mappings with one loop less, at random, that is not at the outermost level: its factor goes there.

    Those that have none stay as they are.
    """
    factors = space.factors(points).copy()
    score = rng.random(factors.shape) * (factors > 1)
    score[:, :, -1] = 0
    where = score.reshape(len(factors), -1).argmax(axis=1)
    dim, place = np.unravel_index(where, factors.shape[1:])
    each = np.arange(len(factors))
    factors[each, dim, -1] *= factors[each, dim, place]
    factors[each, dim, np.where(place == space.places - 1, 0, place)] = 1
    return space.points(_tight(space, factors), points.order, points.holds)


def _moved(space: NestSpace, points: Points) -> tuple[Points, Owners]:
    """Return neighbours by the extents of one dimension."""
    factors = space.factors(points)
    found: list[Ints] = []
    owners: list[Owners] = []
    for dim, size in enumerate(space.sizes):
        if size == 1:
            continue
        places = [*np.flatnonzero(space.allowed[dim]).tolist(), *range(len(space.axes), space.places)]
        here = factors[:, dim]
        for rows, who in _shifted(here, places, primes(size)) if not space.options.padded else _resized(here, places, size):
            changed = factors[who]
            changed[:, dim] = rows
            found.append(changed)
            owners.append(who)
    return _legal(space, points, factors, found, owners)


def _legal(space: NestSpace, points: Points, factors: Ints, found: list[Ints], owners: list[Owners]) -> tuple[Points, Owners]:
    """Return those new factors that the axes have room for as mappings."""
    if not found:
        return points[:0], np.empty(0, dtype=np.intp)
    grown, who = np.concatenate(found), np.concatenate(owners)
    grown = _tight(space, grown)
    room = np.array(space.room, dtype=np.int64)
    beside = len(space.axes)
    good = (grown[:, :, :beside].prod(axis=1) <= room).all(axis=1) & (grown != factors[who]).any(axis=(1, 2))
    grown, who = grown[good], who[good]
    moved = space.points(grown, points.order[who], points.holds[who])
    before = points.time[who]
    return _placed(moved, before, who)


def _shifted(here: Ints, places: list[int], factors: tuple[int, ...]) -> list[tuple[Ints, Owners]]:
    """Return extents of one dimension with a prime factor elsewhere."""
    found = []
    for factor, source in itertools.product(factors, places):
        who = np.flatnonzero(here[:, source] % factor == 0)
        if not len(who):
            continue
        for target in places:
            if target != source:
                rows = here[who].copy()
                rows[:, source] //= factor
                rows[:, target] *= factor
                found.append((rows, who))
    return found


def _resized(here: Ints, places: list[int], size: int) -> list[tuple[Ints, Owners]]:
    """Return extents of one dimension, one of which grew or shrank, and another took what that leaves."""
    found = []
    for source in places:
        extent = here[:, source]
        for changed in (extent + 1, extent - 1, extent * 2, -(-extent // 2), extent // 3, extent * 3):
            who = np.flatnonzero((changed >= 1) & (changed <= size) & (changed != extent))
            if not len(who):
                continue
            for target in places:
                if target != source:
                    rows = here[who].copy()
                    rows[:, source] = changed[who]
                    rows[:, target] = 1
                    rows[:, target] = -(-size // np.minimum(rows.prod(axis=1), size))
                    found.append((rows, who))
    return found


def _tight(space: NestSpace, factors: Ints) -> Ints:
    """Return factors without padding that nothing needs."""
    if not space.options.padded:
        return factors
    for dim, size in enumerate(space.sizes):
        if size > 1:
            factors[:, dim] = space.chains.tightened(factors[:, dim], size)
    return factors


def _placed(points: Points, before: Ints, owners: Owners) -> tuple[Points, Owners]:
    """Let loops that are new at their level be the outermost there; add copies in which they are the innermost."""
    fresh = (points.time > 1) & (before == 1)
    at = np.take_along_axis(fresh, points.order.astype(np.intp), axis=2)
    longer = np.take_along_axis(points.time > 1, points.order.astype(np.intp), axis=2)
    outer = _sorted(points.order, np.where(at, 1, np.where(longer, 2, 0)))
    inner = _sorted(points.order, np.where(at, 3, np.where(longer, 2, 0)))
    twice = np.flatnonzero(fresh[:, :-1].any(axis=(1, 2)))  # of the innermost level the order does not matter
    first = Points(points.time, points.space, outer, points.holds)
    second = Points(points.time[twice], points.space[twice], inner[twice], points.holds[twice])
    return Points.join([first, second]), np.concatenate([owners, owners[twice]])


def _sorted(order: NDArray[np.int8], keys: Ints) -> NDArray[np.int8]:
    """Sort the dimensions of every level by keys, those of one key as they are."""
    return np.take_along_axis(order, np.argsort(keys, axis=2, kind="stable"), axis=2)


def _swapped(points: Points) -> tuple[Points, Owners]:
    """Return neighbours by the order of two loops of a level."""
    longer = np.take_along_axis(points.time > 1, points.order.astype(np.intp), axis=2)
    order, loops = _sorted(points.order, longer.astype(np.int64)), longer.sum(axis=2)
    found, owners = [], []
    for level in range(order.shape[1] - 1):
        for one, other in itertools.combinations(range(8), 2):
            who = np.flatnonzero(loops[:, level] >= 8 - one)
            if len(who):
                changed = order[who]
                changed[:, level, [one, other]] = changed[:, level, [other, one]]
                found.append(changed)
                owners.append(who)
    who = np.concatenate([*owners, np.empty(0, dtype=np.intp)])
    orders = np.concatenate([*found, order[:0]])
    return Points(points.time[who], points.space[who], orders, points.holds[who]), who


def _toggled(space: NestSpace, points: Points) -> tuple[Points, Owners]:
    """Return neighbours by what stays at one level."""
    who = np.repeat(np.arange(len(points)), len(space.free))
    holds = points.holds[who]
    level, tensor = np.tile(space.free, (len(points), 1)).T
    each = np.arange(len(who))
    holds[each, level, tensor] ^= True
    return Points(points.time[who], points.space[who], points.order[who], holds), who
