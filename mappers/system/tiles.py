"""Tiles that PEs hold: all that fit their storage and cut a dimension evenly."""

from __future__ import annotations

from collections.abc import Iterator

from dataflows.nest.rules import RELEVANT, TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import LONGEST_INNER, base
from dataflows.workload import DIMS, Layer
from mappers.system.core import Sizes

MOST = 3000
"""Tiles that are tried."""
MOST_TIMES = 1 << 12
"""Pieces up to which all numbers of them are tried."""


def pe_tiles(layer: Layer, array: SpatialArray) -> list[Sizes]:
    """Return tiles by extent of every dimension, the one of a single multiply-accumulate first."""
    for coarse in range(1, 64):
        found = []
        for tile in _fitting(layer, array, list(DIMS), dict.fromkeys(DIMS, 1), coarse):
            found.append(tile)
            if len(found) > MOST:
                break
        else:
            return found
    return [dict.fromkeys(DIMS, 1)]


def even(size: int, coarse: int = 1) -> list[int]:
    """Return all extents that cut `size` evenly, ascending; with `coarse` above 1 only every so many, the whole among them."""
    cuts = sorted({-(-size // times) for times in (range(1, size + 1) if size <= MOST_TIMES else _growing(size))})
    return sorted({1, size, *cuts[::-1][::coarse]})


def _growing(size: int) -> Iterator[int]:
    """Yield ever larger numbers of pieces, each a sixteenth more than the last."""
    times = 1
    while times < size:
        yield times
        times += max(1, times // 16)
    yield size


def _fitting(layer: Layer, array: SpatialArray, dims: list[str], tile: Sizes, coarse: int) -> Iterator[Sizes]:
    if not dims:
        yield dict(tile)
        return
    dim, rest = dims[0], dims[1:]
    for extent in even(getattr(layer, dim), coarse):
        larger = tile | {dim: extent}
        if extent > LONGEST_INNER or not _fits(layer, array, larger, dim):
            break
        yield from _fitting(layer, array, rest, larger, coarse)


def _fits(layer: Layer, array: SpatialArray, tile: Sizes, dim: str) -> bool:
    last = {name: extent - 1 for name, extent in tile.items()}
    for tensor, room in zip(TENSORS, array.l1_words, strict=True):
        if dim in RELEVANT[tensor]:
            words = 1
            for end in base(layer, tensor, last):
                words *= end + 1
            if words > room:
                return False
    return True
