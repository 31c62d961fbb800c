"""How long the tensors of a graph are needed."""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.graph import Graph


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Operations, by number, during which a tensor must be in memory; both ends count.

    An operation reads its inputs while it writes its output, so both are alive during it.
    """

    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        """Whether there is an operation during which both are alive."""
        return self.first <= other.last and other.first <= self.last


def lifetimes(graph: Graph, *, keep_all: bool = False) -> dict[str, Lifetime]:
    """Return the lifetime of every tensor that is an input or that an operation makes, in the order they come to be.

    The host writes inputs before the first operation and reads outputs after the last one.

    Parameters
    ----------
    graph : Graph
        The network.
    keep_all : bool
        Keep every tensor from beginning to end, so that all can be read afterwards.
    """
    end = max(0, len(graph.ops) - 1)
    first = dict.fromkeys(graph.inputs, 0)
    last = dict(first)
    for number, op in enumerate(graph.ops):
        first[op.output] = last[op.output] = number
        last |= dict.fromkeys(op.inputs, number)
    last |= dict.fromkeys(graph.outputs, end)
    if keep_all:
        return {name: Lifetime(0, end) for name in first}
    return {name: Lifetime(begin, last[name]) for name, begin in first.items()}
