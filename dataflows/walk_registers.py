"""The registers of the array, executed: every latch of an input, a weight or a sum, found by moving real values.

A layer's words enter an array like that of `rtl.array` in the cycles in which the issue engine presents them, and what
a register holds over all cycles follows from the register before it, one cycle earlier. ``nan`` stands for what no
work has put there: idle ports, the zeros behind a drain, what a register holds before its first use. A latch counts
when a register takes a word, not when it keeps one. What leaves the array must be the layer's outputs, or `CheckFailed`
is raised: what is counted is what it takes to compute them.

This shares no code with the closed form of `dataflows.counts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.errors import CheckFailed
from dataflows.tiling import Tiling
from dataflows.walk_feed import NOTHING, Feed, Flags, feeds
from dataflows.walk_tensors import Reals, Words
from dataflows.workload import Layer


@dataclass(slots=True)
class Registers:
    """An array of PEs with its edges.

    Attributes
    ----------
    rows, cols : int
        PEs along each axis.
    outputs_stay : bool
        Whether sums stay in the PEs over a wave; otherwise weights do.
    product_held : bool
        Whether products wait a cycle in a register before they are added.
    latched : Counter
        Latches so far, by operand.
    """

    rows: int
    cols: int
    outputs_stay: bool
    product_held: bool = False
    latched: Counter[str] = field(default_factory=Counter)

    def run(self, feed: Feed) -> Reals:
        """Move all words of `feed` through; return (cycles, cols), what the bottom of every column shows."""
        north, first, take = feed.north, feed.first, feed.take
        if self.outputs_stay:  # a west word waits one cycle in its serialiser, so all else does
            north = np.stack([self.latch("weights", lane) for lane in north.T], axis=1)
            first, take = _later(first, False), _later(take, False)
            west = [self.serialised(feed.west, feed.slot == row) for row in range(self.rows)]
        else:
            west = list(self.staggered("inputs", feed.west))
        weights = list(self.staggered("weights", north))
        sums = [np.full(len(first), NOTHING if self.outputs_stay else 0.0) for _ in range(self.cols)]
        for act in west:
            passing, mark, mine = act, first, take
            for col, weight in enumerate(weights):
                if self.outputs_stay:
                    sums[col] = self.accumulate(self.product(passing, weight), mark, mine, sums[col])
                else:
                    sums[col] = self.latch("psums", sums[col] + self.product(passing, self.kept(weight, mark, mine)))
                weights[col] = self.latch("weights", weight)
                passing, mark, mine = self.latch("inputs", passing), _later(mark, False), _later(mine, False)
            first = _later(first, False)
        return np.stack(sums, axis=1)

    def latch(self, operand: str, values: Reals) -> Reals:
        """Return what a register holds that takes `values`; count the words among them."""
        self.latched[operand] += _words(values)
        return _later(values, NOTHING)

    def staggered(self, operand: str, words: Reals) -> Iterator[Reals]:
        """Yield the lanes of a word, lane i behind i registers."""
        for lane, entering in enumerate(words.T):
            values = entering
            for _ in range(lane):
                values = self.latch(operand, values)
            yield values

    def serialised(self, words: Reals, load: Flags) -> Reals:
        """Return the low end of a shift register of all lanes that takes a word where `load` says so."""
        behind = np.full(len(load), NOTHING)
        for lane in words.T[::-1]:
            behind = self.latch("inputs", np.where(load, lane, behind))
        return behind

    def kept(self, passing: Reals, first: Flags, take: Flags) -> Reals:
        """Return the weight in use: taken behind the wave before, in front since its own began."""
        self.latched["weights"] += _words(passing[take])
        shadow = _later(_held(passing, take), NOTHING)
        self.latched["weights"] += _words(shadow[first])
        return _held(shadow, first)

    def product(self, act: Reals, weight: Reals) -> Reals:
        """Multiply; count the register that may hold the product, whose cycle everything that follows shares."""
        products = act * weight
        if self.product_held:
            self.latched["products"] += _words(products)
        return products

    def accumulate(self, products: Reals, first: Flags, take: Flags, above: Reals) -> Reals:
        """Add up every wave, hold its sum when the next begins, and hand it to the chain that comes from `above`."""
        working = ~np.isnan(products)
        self.latched["psums"] += int(np.count_nonzero(working))
        waves = np.flatnonzero(first)
        totals = np.add.reduceat(np.where(working, products, 0.0), waves)
        used = np.logical_or.reduceat(working, waves)
        finished = np.full(len(first), NOTHING)
        finished[waves[1:]] = np.where(used, totals, NOTHING)[:-1]
        self.latched["psums"] += _words(finished)
        return self.latch("psums", np.where(take, _later(_held(finished, first), NOTHING), above))


def register_latches(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Run a layer through the registers of the array and count what they latch.

    Time grows with PEs times cycles: meant for small layers.

    Returns
    -------
    dict
        Latches of ``inputs``, ``weights``, ``psums`` and, where they are held, ``products``, in PEs and at the array's edges.

    Raises
    ------
    CheckFailed
        If what leaves the array does not add up to the layer's outputs.
    """
    array = acc.array
    registers = Registers(array.rows, array.cols, array.outputs_stay, array.product_held)
    words = Words.random(layer, acc)
    found = np.zeros_like(words.outputs).reshape(-1, array.cols)
    for feed in feeds(layer, acc, tiling, words):
        south = registers.run(feed)
        lanes = np.arange(array.cols)
        np.add.at(found, feed.word, south[feed.due[:, None] + lanes, lanes])
    if not np.array_equal(found.reshape(words.outputs.shape), words.outputs):
        raise CheckFailed(f"{layer.name}: what leaves the array is not the layer's outputs")
    operands = ("inputs", "weights", "psums", *(["products"] if array.product_held else []))
    return {operand: registers.latched[operand] for operand in operands}


def _later(values: Reals | Flags, before: float | bool) -> Any:
    """Return `values` one cycle later."""
    result = np.empty_like(values)
    result[0] = before
    result[1:] = values[:-1]
    return result


def _held(values: Reals, when: Flags) -> Reals:
    """Return the value of the last cycle in which `when`, that cycle included."""
    last = np.maximum.accumulate(np.where(when, np.arange(len(when)), -1))
    return np.where(last < 0, NOTHING, values[last])


def _words(values: Reals) -> int:
    return len(values) - int(np.count_nonzero(np.isnan(values)))
