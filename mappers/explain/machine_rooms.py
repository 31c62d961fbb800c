"""How full the buffers of our own accelerators are, which larger tiles would not fit, and how many tilings there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dataflows.arch import Accelerator
from dataflows.limits import most_pitch
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, capacity, tile_words, violations, window
from dataflows.workload import Layer
from mappers.explain.model import Larger, Room

__all__ = ["rooms", "tilings"]

TAKEN_BY = {
    "input_buffer": ("blocks", "c_blocks", "p", "q"),
    "weight_buffer": ("blocks", "c_blocks"),
    "accumulator": ("blocks", "p", "q"),
    "scale_buffer": ("blocks",),
}
"""Sizes of a tile that make it take more of a buffer."""
NEIGHBOURS = 1 << 14
"""Tile-loop iterations up to which a neighbour is scheduled; walking more takes longer than the comparison is worth."""


def rooms(layer: Layer, acc: Accelerator, tiling: Tiling, value: Callable[[Tiling], float]) -> tuple[Room, ...]:
    """Return every buffer with the neighbours of `tiling` that have a larger tile there.

    A neighbour has the next larger size along one direction that makes fewer tiles.

    Parameters
    ----------
    value : callable
        The objective of a tiling that fits.
    """
    blocking, size = Blocking.of(layer, acc), capacity(acc)
    words = tile_words(layer, blocking, tiling)
    larger = dict(_larger(layer, acc, tiling, blocking, value))
    found = []
    for level, used in words.items():
        if used:
            near = tuple(larger[name][1] for name in TAKEN_BY[level] if name in larger and larger[name][0][level] > used)
            found.append(Room(level, used, size[level], "blocks" if level == "scale_buffer" else "words", near))
    return tuple(found)


def _larger(
    layer: Layer, acc: Accelerator, tiling: Tiling, blocking: Blocking, value: Callable[[Tiling], float]
) -> Iterator[tuple[str, tuple[dict[str, int], Larger]]]:
    """Yield, by size, the words of the neighbour's tile and the neighbour."""
    lengths = {"blocks": blocking.walked, "c_blocks": blocking.c_blocks, "p": layer.P, "q": layer.Q}
    for name, length in lengths.items():
        before = min(getattr(tiling, name), length)
        tiles = math.ceil(length / before)
        if tiles == 1:
            continue
        after = math.ceil(length / (tiles - 1))
        near = replace(tiling, **{name: after})
        lacks = tuple(violations(layer, acc, near))
        walked = math.prod(near.counts(layer, blocking).values())
        figure = None if lacks or walked > NEIGHBOURS else value(near)
        yield name, (tile_words(layer, blocking, near), Larger(f"{name} {before} -> {after}", lacks, figure))


def tilings(layer: Layer, acc: Accelerator) -> int:
    """Return the tilings of a layer that fit: sizes up to those of the layer, in every order of the tile loops."""
    blocking, room = Blocking.of(layer, acc), capacity(acc)
    blocks = np.arange(1, min(blocking.walked, room["scale_buffer"]) + 1)[:, None, None]
    channels = np.arange(1, blocking.c_blocks + 1)[None, :, None]
    rows = np.arange(1, layer.P + 1)[None, None, :]
    planes = blocks + 0 * channels if blocking.walks_groups else channels + 0 * blocks
    taps = layer.R * layer.S * blocking.weight_rows
    heights = np.minimum(layer.H, (rows - 1) * layer.stride[0] + window(layer, 0, 1))
    wide = np.minimum(room["input_buffer"] // (planes * heights), most_pitch(layer))
    reach = window(layer, 1, 1)
    columns = np.where(wide >= layer.W, layer.Q, (wide - reach) // layer.stride[1] + 1)
    columns = np.minimum(columns, room["accumulator"] // (blocks * rows))
    fits = blocks * channels * taps <= room["weight_buffer"]
    return int((np.clip(columns, 0, layer.Q) * fits).sum()) * math.factorial(len(OUTER_DIMS))
