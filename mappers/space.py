"""The tilings tried first: legal by construction, a selection of sizes, and the two orders that suffice.

Sizes: for a long dimension only the number of tiles and their evenness matter, so it is cut into 1, 2, 3 ... near-even
parts; for an output-stationary array, which takes pixels `rows` at a time, also into parts that are multiples of
`rows`. Up to `SMALL`, where the length of the last tile weighs, every size of blocks, rows and columns is tried.

Orders: two are enough for the bound. With several C tiles the innermost loop moves inputs and weights whatever the
order, so every order repeats inputs K times and weights N*P*Q times. With one, keeping K and G outermost fetches
weights and scales once and inputs K times (once if nothing moves inside K); keeping K innermost fetches inputs once
and weights N*P*Q times; any other order repeats one of the two as often and the other no less. G outermost is never
worse, since all tensors depend on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import MOST_WEIGHT_WORDS, Accelerator
from dataflows.limits import most_pitch
from dataflows.tiling import Blocking, Tiling, capacity, window
from dataflows.workload import Layer

WEIGHTS_STAY = ("G", "K", "N", "P", "Q")
INPUTS_STAY = ("G", "N", "P", "Q", "K")
ORDERS = (WEIGHTS_STAY, INPUTS_STAY)

SMALL = 16
"""Sizes up to here are all tried."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Legal tile sizes, one entry per candidate, in a fixed order.

    Attributes
    ----------
    blocks, c_blocks, p, q : ndarray, int64
        As in `Tiling`.
    complete : bool
        Every legal size of blocks, rows and columns is among them, so the best by the bound is the best there is.
        (Of C cuts with equally many tiles the even one is best: only the first load depends on more than their number.)
    """

    blocks: Ints
    c_blocks: Ints
    p: Ints
    q: Ints
    complete: bool = False

    def __len__(self) -> int:
        return len(self.blocks)

    def tiling(self, index: int, order: tuple[str, ...]) -> Tiling:
        """Return one candidate as a tiling."""
        return Tiling(int(self.blocks[index]), int(self.c_blocks[index]), int(self.p[index]), int(self.q[index]), order)


def even_sizes(total: int, most: int) -> list[int]:
    """Return the largest parts of near-even cuts of `total`, none above `most`, in falling order."""
    sizes = []
    parts = math.ceil(total / min(total, most))
    while True:
        size = math.ceil(total / parts)
        sizes.append(size)
        if size == 1:
            return sizes
        # The next cut with smaller parts: one part more, or as many as it takes to lose one element.
        parts = max(parts + 1, math.ceil(total / (size - 1)))


def useful_sizes(total: int, most: int) -> list[int]:
    """Return near-even cuts and every small size, in rising order."""
    return sorted({*even_sizes(total, most), *range(1, min(total, most, SMALL) + 1)})


def aligned_sizes(total: int, most: int, step: int) -> list[int]:
    """Return near-even cuts rounded up to multiples of `step`."""
    rounded = {math.ceil(size / step) * step for size in even_sizes(total, most)}
    return [size for size in rounded if size <= min(total, most)]


def fits(layer: Layer, acc: Accelerator, blocks: Ints, c_blocks: Ints, p: Ints, q: Ints) -> NDArray[np.bool_]:
    """Tell which tile sizes fit every buffer and the layer program; the arrays broadcast."""
    bk, room = Blocking.of(layer, acc), capacity(acc)
    taps = layer.R * layer.S * bk.weight_rows
    height, width = (
        np.minimum(size, window(layer, axis, 1) + (tile - 1) * layer.stride[axis])
        for axis, (size, tile) in enumerate(((layer.H, p), (layer.W, q)))
    )
    planes = blocks if bk.walks_groups else c_blocks
    return (
        (width <= most_pitch(layer))
        & (planes * height * width <= room["input_buffer"])
        & (blocks * c_blocks * taps <= room["weight_buffer"])
        & (blocks * p * q <= room["accumulator"])
        & (blocks <= room["scale_buffer"])
    )


def neighbours(layer: Layer, acc: Accelerator, centre: Tiling) -> Candidates:
    """Return every legal tiling that differs from `centre` in one size, ragged sizes included; `centre` comes first."""
    bk = Blocking.of(layer, acc)
    most = (bk.walked, bk.c_blocks, layer.P, layer.Q)
    here = (centre.blocks, centre.c_blocks, centre.p, centre.q)
    rows = [np.array([here], dtype=np.int64)]
    for axis, limit in enumerate(most):
        line = np.tile(rows[0], (limit, 1))
        line[:, axis] = np.arange(1, limit + 1)
        rows.append(line[line[:, axis] != here[axis]])
    sizes = np.concatenate(rows).T
    legal = fits(layer, acc, *sizes)
    return Candidates(*(size[legal] for size in sizes))


def candidates(layer: Layer, acc: Accelerator) -> Candidates:
    """Return every legal combination of useful sizes; never empty if the smallest tile fits."""
    bk, room = Blocking.of(layer, acc), capacity(acc)
    rows = acc.array.rows
    taps = layer.R * layer.S * bk.weight_rows
    weight_room = room["weight_buffer"] // taps if taps else MOST_WEIGHT_WORDS
    blocks = useful_sizes(bk.walked, min(room["scale_buffer"], weight_room, room["accumulator"]))
    c_blocks = even_sizes(bk.c_blocks, weight_room)
    p, q = useful_sizes(layer.P, room["accumulator"]), useful_sizes(layer.Q, room["accumulator"])
    if acc.array.outputs_stay and layer.op == "mac":
        # p * Q is a multiple of `rows` where p is one of rows / gcd(rows, Q).
        p = sorted({*p, *aligned_sizes(layer.P, room["accumulator"], rows // math.gcd(rows, layer.Q))})
        q = sorted({*q, *aligned_sizes(layer.Q, room["accumulator"], rows)})
    b_axis, c_axis, p_axis, q_axis = np.ix_(*(np.array(axis, dtype=np.int64) for axis in (blocks, c_blocks, p, q)))
    legal = fits(layer, acc, b_axis, c_axis, p_axis, q_axis)
    at = np.nonzero(legal)
    chosen = [axis.ravel()[index] for axis, index in zip((b_axis, c_axis, p_axis, q_axis), at, strict=True)]
    # Sizes rise to the largest that can be legal: all are there if there are as many as the largest says.
    return Candidates(*chosen, complete=all(len(axis) == max(axis) for axis in (blocks, p, q)))
