"""The steps of a layer: what each iteration of the tile loops loads, computes and stores, as arrays over steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.tiling import Blocking, Tiling, relevant, window
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Per-step quantities, each an int64 array with one entry per step.

    Attributes
    ----------
    scale_beats, weight_beats, input_beats : ndarray
        Memory beats the step loads, 0 where the tile stays on chip.
    issue : ndarray
        Cycles in which the step occupies the issue engine.
    stream : ndarray
        Of those, cycles in which a pixel or a channel enters the array, or a word the path past it.
    first, last : ndarray of bool
        Ends of an output tile's reduction.
    words : ndarray
        Output words of the step's output tile.
    """

    scale_beats: NDArray[np.int64]
    weight_beats: NDArray[np.int64]
    input_beats: NDArray[np.int64]
    issue: NDArray[np.int64]
    stream: NDArray[np.int64]
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]
    words: NDArray[np.int64]


def walk(layer: Layer, acc: Accelerator, tiling: Tiling) -> Steps:
    """Expand the tile loops of a tiling."""
    blocking = Blocking.of(layer, acc)
    groups, needs = blocking.walks_groups, relevant(layer)
    counts = tiling.counts(layer, blocking)
    dims = (*tiling.order, "C")
    total = int(np.prod([counts[d] for d in dims], dtype=np.int64))
    flat = np.arange(total)
    index: dict[str, NDArray[np.int64]] = {}
    inside = total
    changed = {tensor: np.zeros(total, dtype=bool) for tensor in needs}
    for dim in dims:
        inside //= counts[dim]
        index[dim] = flat // inside % counts[dim]
        if counts[dim] > 1:
            moved = np.diff(index[dim], prepend=-1) != 0
            for tensor, needed in needs.items():
                if dim in needed:
                    changed[tensor] |= moved
    for flags in changed.values():
        flags[0] = True

    def size(dim: str, tile: int, whole: int) -> NDArray[np.int64]:
        return np.minimum(tile, whole - index[dim] * tile)

    blocks = size("G" if groups else "K", tiling.blocks, blocking.walked)
    c_blocks = size("C", tiling.c_blocks, blocking.c_blocks)
    p, q = size("P", tiling.p, layer.P), size("Q", tiling.q, layer.Q)
    stored = [
        clipped(index[dim] * tile * layer.stride[axis] - layer.padding[axis], outputs, layer, axis)
        for axis, (dim, tile, outputs) in enumerate((("P", tiling.p, p), ("Q", tiling.q, q)))
    ]
    planes = blocks if groups else c_blocks
    taps = layer.R * layer.S
    if layer.op == "mac":
        issue, stream = _issue(acc, blocks * c_blocks * taps, blocks, c_blocks * taps, p * q)
    else:  # past the array: a word per cycle from the first to the last
        issue = stream = blocks * c_blocks * taps * p * q
    return Steps(
        scale_beats=changed["scales"] * blocks * (acc.post_groups * acc.beats(acc.scale_word_bits)),
        weight_beats=changed["weights"] * blocks * c_blocks * (taps * blocking.weight_rows * acc.beats(acc.weight_word_bits)),
        input_beats=changed["inputs"] * planes * stored[0] * stored[1] * acc.beats(acc.input_word_bits),
        issue=issue, stream=stream, first=index["C"] == 0, last=index["C"] == counts["C"] - 1, words=blocks * p * q,
    )  # fmt: skip


def clipped(start: NDArray[np.int64], outputs: NDArray[np.int64], layer: Layer, axis: int) -> NDArray[np.int64]:
    """Input rows or columns of windows that begin at `start`, without what lies outside the image."""
    size = (layer.H, layer.W)[axis]
    end = start + window(layer, axis, 1) + (outputs - 1) * layer.stride[axis]
    return np.maximum(np.minimum(end, size) - np.maximum(start, 0), 0)


def _issue(
    acc: Accelerator, folds: NDArray[np.int64], blocks: NDArray[np.int64], taps: NDArray[np.int64], pixels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cycles of the issue engine and of streaming; see `rtl.accelerator.issue` for where they go."""
    rows = acc.array.rows
    if acc.array.outputs_stay:
        stream = blocks * -(-pixels // rows) * taps * rows
        return stream + rows, stream
    return rows + (folds - 1) * np.maximum(pixels, rows) + pixels, folds * pixels
