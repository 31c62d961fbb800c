"""What the rest of a partial mapping costs at least."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.counts import MAC
from mappers.nest.proof.front import WINDOW_DIMS, Front, Held, child_of, start
from mappers.nest.proof.outer import Outer
from mappers.nest.proof.problem import FREE, INPUTS, OUT, Problem
from mappers.nest.proof.spatial import Spread
from mappers.nest.proof.windows import Direction

__all__ = ["Lower"]

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Lower:
    """Lower bounds for one residency.

    Every word comes at least once to every level that holds its tensor. Of the tensors that a level has just got tiles of, the
    loops further out can keep one in place (each dimension is free for one only); the others are fetched again at every step.

    Attributes
    ----------
    problem : Problem
    held : tuple of frozenset
    outer : Outer or None
        Price of the outermost flows by tile, where no instances lie side by side below the outermost level.
    """

    problem: Problem
    held: Held
    outer: Outer | None
    once: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        words, macs = self.problem.held, self.problem.macs
        self.once = float(words[0][-1]) / macs, self.problem.touched / macs, float(words[OUT][-1]) / macs

    def root(self) -> Floats:
        """Return the least sums of any mapping, (1, prices), whatever its tiles."""
        return self.of(start(self.problem), -1)

    def of(self, front: Front, level: int, *, each: bool = True) -> Floats:
        """Return the least sums of partial mappings whose loops up to a level are known, (n, prices).

        First sums that are not read may be worth more than the least of a flow: with `each`, no flow costs less than nothing.
        """
        top = self.problem.depth - 1
        total = front.sums - front.credit * self.fanout(level, top)
        moved, once = np.zeros((3, *total.shape)), np.zeros((3, *total.shape))
        for tensor in range(3):
            least = np.full(len(front), self.once[tensor])
            own = front.fills[:, tensor], front.reads[:, tensor]
            for parent, child in self._flows(tensor, level):
                if child == level != MAC:
                    moved[tensor] = self._price((tensor, parent, child), level, own, each=each)
                    once[tensor] = self._price((tensor, parent, child), level, (least, least), each=each)
                else:
                    words = own if child < level or child == MAC else (least, least)
                    total += self._price((tensor, parent, child), level, words, each=each)
        if level >= 0 and self.held[level]:
            total += self._one_stays(front, level, moved, once)
        if self.outer is not None and level < top:
            total += self.outermost(front.tile)
        return total

    def ways(self, front: Front, level: int, ways: Spread) -> Floats:
        """Return what each way to unroll adds to the bounds of partial mappings inside a level, (ways, prices).

        `of` takes it that instances share as much as there can be of them; each way says how much they do.
        """
        factors = self.problem.lattice.extents(ways.positions).astype(np.float64)
        found, net, most = (
            np.zeros((len(factors), len(self.problem.prices))),
            self.problem.storage[level].fanout,
            front.reads.min(axis=0),
        )
        for tensor, free in enumerate(FREE):
            child = child_of(self.held, tensor, level)
            if (child == level - 1 and child != MAC) or (tensor == INPUTS and net.links):
                continue
            joins = net.reduction if tensor == OUT else net.multicast
            shared = factors[:, free].prod(axis=1) if joins else np.ones(len(factors))
            parent = next(at for at in range(level, self.problem.depth) if tensor in self.held[at])
            beyond = self.fanout(level, parent)
            for number, price in enumerate(self.problem.prices):
                paid = max(price.flow(tensor, parent, child).parent, 0.0) * most[tensor] / beyond
                found[:, number] += paid * (1 / shared - 1 / net.size)
        return found

    def outermost(self, tile: NDArray[np.int64]) -> Floats:
        """Return the least price of the outermost flows over all tiles around these, (n, prices)."""
        assert self.outer is not None
        return self.outer.beyond(range(8)).reshape(len(self.problem.prices), -1)[:, self.problem.lattice.flat(tile)].T

    def fanout(self, level: int, parent: int) -> int:
        """Return the instances below levels above `level` up to `parent`."""
        found = 1
        for at in range(level + 1, parent + 1):
            found *= self.problem.storage[at].fanout.size
        return found

    def _flows(self, tensor: int, level: int) -> list[tuple[int, int]]:
        """Return (parent, child) of the flows that are not priced yet, the outermost left out where its table is used."""
        top = self.problem.depth - 1
        found = [(at, child_of(self.held, tensor, at)) for at in range(level + 1, top + 1) if tensor in self.held[at]]
        return [pair for pair in found if self.outer is None or pair != (top, top - 1)]

    def _price(self, flow: tuple[int, int, int], level: int, words: tuple[Floats, Floats], *, each: bool) -> Floats:
        """Return the least price of one flow, (n, prices); `words` are (fills, reads)."""
        tensor, parent, child = flow
        fills, reads = words
        share = self.fanout(max(level, child), parent)
        found = np.empty((len(fills), len(self.problem.prices)))
        for number, price in enumerate(self.problem.prices):
            one = price.flow(tensor, parent, child)
            less = self.problem.outputs * one.first * self.fanout(parent, self.problem.depth - 1) if tensor == OUT else 0.0
            shared = reads / share if one.parent > 0 else reads
            found[:, number] = shared * one.parent + fills * one.child - less
        return np.maximum(found, 0) if each else found

    def _one_stays(self, front: Front, level: int, moved: Floats, once: Floats) -> Floats:
        """Return the least price of the flows to a level's own tiles: one tensor is fetched once, or the window moves on."""
        total, problem = moved.sum(axis=0), self.problem
        least = np.full_like(total, np.inf)
        sides = ((problem.rows, 0), (problem.rows, 1), (problem.cols, 0), (problem.cols, 1))
        for tensor, dim in problem.labels:
            paid = total - moved[tensor] + once[tensor]
            if tensor != INPUTS and dim in WINDOW_DIMS:
                side, which = sides[WINDOW_DIMS.index(dim)]
                fresh = moved[INPUTS] * self._fresh(front, side, which, level)[:, None]
                paid = paid - moved[INPUTS] + np.maximum(fresh, np.minimum(once[INPUTS], moved[INPUTS]))
            least = np.minimum(least, paid)
        return least

    def _fresh(self, front: Front, side: Direction, which: int, level: int) -> Floats:
        """Return the least share of a window that is fetched at each step along it, over however many instances it goes."""
        if self.problem.keeps_nothing or any(each.fanout.links for each in self.problem.storage[level + 1 :]):
            return np.zeros(len(front))
        i, j = front.tile[:, side.out], front.tile[:, side.tap]
        return 1 - side.most[i, j, which] / side.size[i, j]
