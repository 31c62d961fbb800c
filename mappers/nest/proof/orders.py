"""Orders of loops: of all that keep one tensor in place one suffices, unless more than the innermost loops decide."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.points import Points
from mappers.nest.proof.problem import FREE, Label
from mappers.nest.space import orders

__all__ = ["few_orders", "order_of", "reordered"]

ORDERS = 720
"""Most orders of one tiling that are tried."""
TOGETHER = 1 << 16
"""Mappings returned at a time, about."""


def order_of(label: Label) -> list[int]:
    """Return all dimensions, outermost first, so that a label's free ones are innermost."""
    tensor, dim = label
    return [*(one for one in range(8) if one not in FREE[tensor]), *(one for one in FREE[tensor] if one != dim), dim]


def few_orders(points: Points) -> NDArray[np.bool_]:
    """Tell whose orders `reordered` tries, all of them, (n,)."""
    factorials = np.array([math.factorial(loops) for loops in range(9)])
    return factorials[(points.time[:, :-1] > 1).sum(axis=2)].prod(axis=1) <= ORDERS


def reordered(points: Points) -> Iterator[Points]:
    """Return mappings in every order of their loops, but of the innermost level, whose order decides nothing."""
    bits = ((points.time[:, :-1] > 1) << np.arange(8)).sum(axis=2)
    patterns, which = np.unique(bits, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        every = orders(pattern.tolist())
        same = points[np.flatnonzero(which.ravel() == number)]
        step = max(1, TOGETHER // len(every))
        for begin in range(0, len(same), step):
            some = same[begin : begin + step]
            each = np.repeat(np.arange(len(some)), len(every))
            yield Points(some.time[each], some.space[each], np.tile(every, (len(some), 1, 1)), some.holds[each])
