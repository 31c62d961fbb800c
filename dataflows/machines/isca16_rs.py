"""Row stationary, the sixth dataflow of ISCA 2016 (dense reference, 3.2 to 3.5 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from dataflows.machines.isca16_counts import Accesses, Chip, Plan, Problem, largest, steps, sums

LARGEST = 2
"""Of the numbers of filters in a PE that fit, so many of the largest are tried: fewer filters only bring more of all traffic,
but for what rounding keeps in the buffer."""


def row_stationary(one: Problem, chip: Chip) -> Iterator[Plan]:
    """Yield RS: letters as in Eyeriss; a PE holds p q filter rows, q input windows and p sums.

    The buffer keeps sums of `m` filters for `n` images and a strip of `e` rows, and the inputs of a pass. Filters higher than
    the array are folded, which adds rounds.
    """
    folds = ceil(one.R / chip.rows)
    height = ceil(one.R / folds)
    for e in steps(one.E, chip.cols * (chip.rows // height)):
        sets = _sets(chip, height, e)
        for r in steps(one.C, sets):
            t = largest(one.M, sets // r)
            for q in steps(ceil(one.C / r), max(1, chip.rf // (2 * one.S))):
                most = (chip.rf - q * one.S) // (q * one.S + 1)
                filters = steps(ceil(one.M / t), most) if most > 0 else []
                for n in steps(one.N, chip.buffer // (e * one.F)):
                    room = (chip.buffer - n * q * r * one.rows(e) * one.cols(one.F)) // (n * e * one.F)
                    fitting = [p for p in filters if min(p * t, one.M) <= room]
                    for p in fitting[-LARGEST:]:
                        m = one.M if room >= one.M else room // (p * t) * (p * t)
                        yield _plan(one, m, n, e, p, q, r, t, folds)


def _plan(one: Problem, m: int, n: int, e: int, p: int, q: int, r: int, t: int, folds: int) -> Plan:
    width = one.cols(one.F)
    strips, filters, channels = ceil(one.E / e), ceil(one.M / (p * t)), ceil(one.C / (q * r))
    loads = one.weights * ceil(one.N / n) * strips
    plane = one.N * one.C * one.all_rows(e) * width
    delivered = one.N * one.C * one.E * one.R * width * t * filters  # every PE of a set takes one row, t sets the same
    rounds = channels * folds
    return Plan(
        one, Accesses(loads, loads, loads * min(e, one.E), one.macs),
        Accesses(plane * ceil(one.M / m), plane * filters * folds, delivered, one.macs),
        sums(one, rounds, ceil(one.R / folds) * min(r, one.C), in_rf=True),
        strips * filters * rounds * ceil(one.N / n) * n * p * q * one.S * one.F,
        f"m={m},n={n},e={e},p={p},q={q},r={r},t={t}",
    )  # fmt: skip


def _sets(chip: Chip, height: int, e: int) -> int:
    """Return how many PE sets the array has room for; a set wider than the array is cut into stacked segments."""
    segments = ceil(e / chip.cols)
    return chip.rows // (segments * height) * (chip.cols // e if segments == 1 else 1)
