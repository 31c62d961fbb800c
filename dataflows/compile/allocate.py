"""Offsets for tensors that share memory: no two that are alive at the same time may overlap.

The problem is two-dimensional strip packing with one coordinate fixed, which is NP-hard. As in "Efficient Memory Management for
Deep Neural Net Inference" (Pisarchyk and Lee, 2020), tensors are placed one after the other, the largest first, each into the
smallest gap that holds it between those placed before that are alive at the same time. Two other orders are tried beside it, and
the plan that needs the least memory wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataflows.compile.lifetimes import Lifetime


@dataclass(frozen=True, slots=True)
class Plan:
    """Where tensors lie.

    Attributes
    ----------
    offsets : dict of str to int
        First unit of each tensor.
    total : int
        Units in all.
    """

    offsets: dict[str, int]
    total: int


def allocate(sizes: Mapping[str, int], alive: Mapping[str, Lifetime]) -> Plan:
    """Place tensors.

    Parameters
    ----------
    sizes : mapping of str to int
        Units that each tensor takes (of alignment; see `dataflows.compile.memory`).
    alive : mapping of str to Lifetime
        The same names.
    """
    names = list(sizes)

    def span(name: str) -> int:
        return alive[name].last - alive[name].first + 1

    orders = (
        sorted(names, key=lambda name: (-sizes[name], alive[name].first)),
        sorted(names, key=lambda name: (-span(name), -sizes[name])),
        sorted(names, key=lambda name: (alive[name].first, -span(name))),
    )
    return min((_place(order, sizes, alive) for order in orders), key=lambda plan: plan.total)


def most_alive(sizes: Mapping[str, int], alive: Mapping[str, Lifetime]) -> int:
    """Return the most units alive during one operation: no plan needs less."""
    moments = {life.first for life in alive.values()}  # the sum only grows where a life begins
    return max((sum(sizes[name] for name, life in alive.items() if life.first <= at <= life.last) for at in moments), default=0)


def _place(order: list[str], sizes: Mapping[str, int], alive: Mapping[str, Lifetime]) -> Plan:
    """Place tensors in this order, each in the smallest gap that holds it, else behind all that it meets."""
    offsets: dict[str, int] = {}
    for name in order:
        taken = sorted((offsets[other], sizes[other]) for other in offsets if alive[name].meets(alive[other]))
        best, room, end = -1, 0, 0
        for start, size in taken:
            gap = start - end
            if gap >= sizes[name] and (best < 0 or gap < room):
                best, room = end, gap
            end = max(end, start + size)
        offsets[name] = end if best < 0 else best
    return Plan(offsets, max((offsets[name] + sizes[name] for name in offsets), default=0))
