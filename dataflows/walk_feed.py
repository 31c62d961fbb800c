"""What is presented to the array in which cycle, and when which result must be there (docs/hardware.md, `rtl.array`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.tiling import Tiling
from dataflows.walk_steps import Step, steps
from dataflows.walk_tensors import Reals, Words
from dataflows.workload import Layer

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
NOTHING = float("nan")
ENOUGH = 1 << 13
"""Cycles after which a feed ends with its step: registers' histories then fit the processor's cache."""
BETWEEN = 2
"""Cycles between two steps: the issue engine takes and sets up the next one."""


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Port values over time, ``nan`` where a port is idle, and what the results are.

    Attributes
    ----------
    west : (cycles, rows) array
    slot : (cycles,) array of int
        Row whose serialiser takes the word, or -1; of use where outputs stay.
    north : (cycles, cols) array
    first, take : (cycles,) arrays of bool
    due, word : arrays of int
        In cycle ``due + c``, lane c at the bottom of the array adds to output word ``word`` (flat index over all but
        the last axis of `Words.outputs`).
    """

    west: Reals
    slot: Ints
    north: Reals
    first: Flags
    take: Flags
    due: Ints
    word: Ints


def feeds(layer: Layer, acc: Accelerator, tiling: Tiling, words: Words) -> Iterator[Feed]:
    """Yield the layer as runs of whole steps; each ends when everything has left the array."""
    line = _Line(layer, acc, words)
    for step in steps(layer, acc, tiling):
        if acc.array.outputs_stay:
            line.stationary_outputs(step)
        else:
            line.stationary_weights(step)
        if line.now > ENOUGH:
            yield line.feed()
            line = _Line(layer, acc, words)
    if line.now:
        yield line.feed()


@dataclass(slots=True)
class _Line:
    """A time line that is being filled."""

    layer: Layer
    acc: Accelerator
    words: Words
    now: int = 0
    west: list[tuple[int, Reals]] = field(default_factory=list)
    north: list[tuple[int, Reals]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    take: list[int] = field(default_factory=list)
    due: list[Ints] = field(default_factory=list)
    word: list[Ints] = field(default_factory=list)

    def stationary_weights(self, step: Step) -> None:
        """Shift the weights of every fold in, last row first, and stream the tile past them; the next fold's come along."""
        rows = self.acc.array.rows
        load, stream = self.now, self.now + rows
        for block, *fold in self.folds(step):
            inputs = self.pixels(step, block, *fold)
            self.north.append((load, self.weights(step, block, *fold)[::-1]))
            self.take.append(load + rows - 1)
            self.west.append((stream, inputs))
            self.first.append(stream)
            self.due.append(stream + rows + np.arange(len(inputs)))
            self.word.append(self.places(step, block))
            self.now = stream + len(inputs)
            load, stream = stream, stream + max(rows, len(inputs))
        self.now += BETWEEN

    def stationary_outputs(self, step: Step) -> None:
        """Take `rows` pixels at a time through all folds, a lane per cycle; sums leave while the next ones are made."""
        rows = self.acc.array.rows
        for block in step.blocks:
            places = self.places(step, block)
            folds = [(self.pixels(step, *fold), self.weights(step, *fold)) for fold in self.folds(step) if fold[0] == block]
            for start in range(0, len(places), rows):
                self.first.append(self.now)
                pixels = places[start : start + rows]
                # Rows without a pixel take what the buffer still shows, the last word read.
                taken = start + np.minimum(np.arange(rows), len(pixels) - 1)
                for inputs, weights in folds:
                    self.west.append((self.now, inputs[taken]))
                    self.north.append((self.now, weights))
                    self.now += rows
                take = self.now + rows
                self.take.append(take)
                self.due.append(take + 2 + rows - 1 - np.arange(len(pixels)))
                self.word.append(pixels)
        self.first.append(self.now)  # ends the last wave
        self.now += rows + BETWEEN

    def folds(self, step: Step) -> Iterator[tuple[int, int, int, int]]:
        return product(step.blocks, step.channels, range(self.layer.R), range(self.layer.S))

    def pixels(self, step: Step, block: int, channel: int, r: int, s: int) -> Reals:
        """Return the input words (pixels, rows) of one tap over the tile."""
        ly = self.layer
        plane = self.words.inputs[step.at["N"], step.group(block), channel]
        y, x = (tap * ly.dilation[i] + at.start * ly.stride[i] for i, (tap, at) in enumerate(((r, step.rows), (s, step.cols))))
        seen = plane[y :: ly.stride[0], x :: ly.stride[1]][: len(step.rows), : len(step.cols)]
        return seen.reshape(-1, self.acc.array.rows)

    def weights(self, step: Step, block: int, channel: int, r: int, s: int) -> Reals:
        return self.words.weights[step.group(block), 0 if step.walks_groups else block, channel, r, s]

    def places(self, step: Step, block: int) -> Ints:
        """Return the output words of the tile."""
        shape = self.words.outputs.shape[:-1]
        y, x = np.array(step.rows)[:, None], np.array(step.cols)
        at = (step.at["N"], step.group(block), 0 if step.walks_groups else block, y, x)
        return np.ravel_multi_index(np.broadcast_arrays(*at), shape).ravel()

    def feed(self) -> Feed:
        """Lay all words out in time, and wait until the last result has left."""
        rows, cols = self.acc.array.rows, self.acc.array.cols
        cycles = self.now + 2 * rows + cols + 4
        west, north = np.full((cycles, rows), NOTHING), np.full((cycles, cols), NOTHING)
        slot, first, take = np.full(cycles, -1), np.zeros(cycles, dtype=bool), np.zeros(cycles, dtype=bool)
        for port, pieces in ((west, self.west), (north, self.north)):
            for at, words in pieces:
                port[at : at + len(words)] = words
        for at, _ in self.west:
            slot[at : at + rows] = np.arange(rows)
        first[self.first] = True
        take[self.take] = True
        return Feed(west, slot, north, first, take, np.concatenate(self.due), np.concatenate(self.word))
