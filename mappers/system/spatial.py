"""Which dimensions an array's axes unroll, and how far."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dataflows.mapping import Loop
from dataflows.spatial.array import SpatialArray, SpatialAxis
from dataflows.spatial.program import REDUCED
from dataflows.workload import DIMS, Layer

MOST_FOLDED = 3
"""Dimensions that are tried together on one axis."""
MOST_PER_AXIS = 32
"""Ways to unroll one axis that are kept for every way to unroll the others."""
EVEN = 12
"""Extents that cut a dimension evenly, the largest ones."""
MOST = 400
"""Ways to unroll an array that are kept."""

Choice = tuple[Loop, ...]


def choices(layer: Layer, array: SpatialArray) -> list[Choice]:
    """Return ways to unroll the array, those with the fewest steps first; the last is to use one PE.

    On axes with ports for outputs nothing is summed (`dataflows.spatial.program.violations`). Extents are as large as there is
    room for, as even as that allows, divide the dimension, or are powers of two, which whole beats of channels may ask for.
    """
    found: dict[Choice, int] = {}
    for choice in _unrolled(layer, array, list(array.axes), {dim: getattr(layer, dim) for dim in DIMS}):
        found.setdefault(choice, steps(layer, choice))
    ranked = sorted(found, key=lambda choice: (found[choice], len(choice)))
    return ranked[:MOST] if () in ranked[:MOST] else [*ranked[:MOST], ()]


def steps(layer: Layer, choice: Choice) -> int:
    """Return the multiply-accumulates of the busiest PE."""
    along: dict[str, int] = dict.fromkeys(DIMS, 1)
    for loop in choice:
        along[loop.dim] *= loop.extent
    return math.prod(-(-getattr(layer, dim) // along[dim]) for dim in DIMS)


def _unrolled(layer: Layer, array: SpatialArray, axes: list[SpatialAxis], left: dict[str, int]) -> Iterator[Choice]:
    if not axes:
        yield ()
        return
    axis, rest = axes[0], axes[1:]
    ported = axis in array.ported("outputs")
    dims = [dim for dim in axis.dims if left[dim] > 1 and not (ported and dim in REDUCED)]
    for fold in _best(list(_folds(dims, left, axis.size, MOST_FOLDED)), left):
        loops = tuple(Loop(dim, extent, 1, axis.name) for dim, extent in fold)
        after = left | {dim: -(-left[dim] // extent) for dim, extent in fold}
        for more in _unrolled(layer, array, rest, after):
            yield (*loops, *more)


def _best(folds: list[tuple[tuple[str, int], ...]], left: dict[str, int]) -> list[tuple[tuple[str, int], ...]]:
    """Return the folds that make the fewest steps, and of every set of dimensions the first."""

    def share(fold: tuple[tuple[str, int], ...]) -> tuple[float, int]:
        return math.prod(-(-left[dim] // extent) / left[dim] for dim, extent in fold), len(fold)

    ranked = sorted(folds, key=share)
    kept = dict.fromkeys(ranked[:MOST_PER_AXIS])
    seen = {frozenset(dim for dim, _ in fold) for fold in kept}
    for fold in ranked:
        dims = frozenset(dim for dim, _ in fold)
        if dims not in seen and len(dims) <= 1:
            seen.add(dims)
            kept[fold] = None
    return list(kept)


def _folds(dims: list[str], left: dict[str, int], room: int, most: int) -> Iterator[tuple[tuple[str, int], ...]]:
    yield ()
    if not most:
        return
    for at, dim in enumerate(dims):
        for extent in extents(left[dim], room):
            for more in _folds(dims[at + 1 :], left, room // extent, most - 1):
                yield ((dim, extent), *more)


def extents(size: int, room: int) -> list[int]:
    """Return extents above 1 to unroll a dimension of `size` where there is room for `room`."""
    most = min(size, room)
    even = (-(-size // times) for times in range(-(-size // most), min(size, -(-size // most) + EVEN)))
    divisor = next(each for each in range(most, 0, -1) if size % each == 0)
    return [each for each in dict.fromkeys((most, divisor, 1 << most.bit_length() - 1, *even)) if each > 1]
