"""Where the loops outside the PEs are cut between buffers and memory: all even cuts that fit, at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import LONGEST_OUTER, MOST_OUTER
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.limits import COUNT_BITS, MOST_TILE_LOOPS
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import DIMS, Layer
from mappers.system.core import Core, Sizes
from mappers.system.figures import STATIONARY, Inside, Outside, product
from mappers.system.tiles import even

MOST_CUTS = 24
"""Cuts of one dimension that are tried."""
MOST_ROWS = 60_000
"""Combinations that are tried for one core."""
ORDERS = ("K", "NPQ")
"""Which loops over memory are the innermost ones; those over C, R and S always are inside them, G is outside."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Combinations of cuts.

    Attributes
    ----------
    core : Core
        What they are round.
    inside, outside : dict
        Iterations in the buffers and over memory, by dimension, as arrays.
    """

    core: Core
    inside: dict[str, Ints]
    outside: dict[str, Ints]

    def __len__(self) -> int:
        return len(self.inside["N"])

    def at(self, index: int) -> tuple[Sizes, Sizes]:
        """Return one combination."""
        return tuple({dim: int(each[dim][index]) for dim in DIMS} for each in (self.inside, self.outside))  # type: ignore[return-value]


def cuts_of(layer: Layer, system: SpatialSystem, core: Core, *, fitting: bool = True) -> Cuts:
    """Return all combinations that the sequencer walks and, if they are to be `fitting`, the buffers hold."""
    options = [_options(layer, system, core, dim) for dim in DIMS]
    while math.prod(len(each) for each in options) > MOST_ROWS:
        longest = max(range(len(DIMS)), key=lambda at: len(options[at]))
        options[longest] = [*options[longest][0:-1:2], options[longest][-1]]
    grid = np.meshgrid(*(np.arange(len(each)) for each in options), indexing="ij")
    pick = [np.array(each)[index.ravel()] for each, index in zip(options, grid, strict=True)]
    inside = {dim: each[:, 0] for dim, each in zip(DIMS, pick, strict=True)}
    outside = {dim: each[:, 1] for dim, each in zip(DIMS, pick, strict=True)}
    good = _walked(layer, core, inside, outside)
    if fitting:
        good &= strain(layer, system, core, inside).max(axis=0) <= 1
    good = np.nonzero(good)[0]
    return Cuts(core, {dim: each[good] for dim, each in inside.items()}, {dim: each[good] for dim, each in outside.items()})


def _options(layer: Layer, system: SpatialSystem, core: Core, dim: str) -> list[tuple[int, int]]:
    """Return even cuts (inside, outside) of one dimension, everything inside first.

    Tiles of channels begin with a beat: where they are cut, the loops inside make whole beats.
    """
    trips, least = core.trips[dim], 1
    for tensor, channels, whole in (("inputs", "C", layer.C), ("outputs", "K", layer.K)):
        if dim in ("G", channels):
            words = system.beat_words(tensor)
            least = math.lcm(least, words // math.gcd(words, core.unit[dim] * (whole if dim == "G" else 1)))
    groups = -(-trips // least)
    found = [(trips, 1)]
    found += [(least * each, -(-groups // each)) for each in even(groups)[::-1] if each < groups]
    if len(found) <= MOST_CUTS:
        return found
    first, rest = found[: MOST_CUTS // 2], found[MOST_CUTS // 2 :]  # few tiles, and ever more of them
    places = np.unique(np.geomspace(1, len(rest), MOST_CUTS - len(first)).astype(int)) - 1
    return [*first, *(rest[place] for place in places)]


def tile_words(layer: Layer, system: SpatialSystem, core: Core, inside: dict[str, Any]) -> dict[str, Any]:
    """Return rows of weights, and words of inputs and outputs, of a tile without gaps between ports."""
    sizes = {dim: core.unit[dim] * inside[dim] for dim in DIMS}
    rows, cols = reached(layer, sizes, 0), reached(layer, sizes, 1)
    block = system.beat_words("outputs")
    channels = (sizes["G"] - 1) * layer.K + sizes["K"]
    return {
        "weights": product(inside, "GKCRS") * core.lengths["weights"],
        "inputs": sizes["N"] * rows * cols * ((sizes["G"] - 1) * layer.C + sizes["C"]),
        "outputs": (sizes["N"] * sizes["P"] * sizes["Q"] - 1) * channels + -(-channels // block) * block,
    }


def reached(layer: Layer, sizes: dict[str, Any], side: int) -> Any:
    """Return the rows (0) or columns (1) of a tile of inputs."""
    out, tap = ("PR", "QS")[side]
    return (sizes[out] - 1) * layer.stride[side] + (sizes[tap] - 1) * layer.dilation[side] + 1


def strain(layer: Layer, system: SpatialSystem, core: Core, inside: dict[str, Any]) -> Any:
    """Return how much of every buffer a tile takes, one row for each limit: more than 1 does not fit."""
    words = tile_words(layer, system, core, inside)
    beats = -(-words["weights"] // system.rows_per_beat) * system.row_parts
    found = [words["weights"] / system.rows("weights"), beats / ((1 << COUNT_BITS) - 1)]
    found += [-(-words[tensor] // system.banks(tensor)) / system.rows(tensor) for tensor in TENSORS[1:]]
    return np.stack(found)


def _walked(layer: Layer, core: Core, inside: dict[str, Ints], outside: dict[str, Ints]) -> Any:
    """Return which combinations are within the numbers of loops and iterations, and take whole groups where they take several."""
    loops = [np.sum([each[dim] > 1 for dim in DIMS], axis=0) for each in (inside, outside)]
    good = (loops[1] <= MOST_TILE_LOOPS) & (loops[0] + loops[1] <= MOST_OUTER)
    for dim in DIMS:
        good &= (inside[dim] <= LONGEST_OUTER) & (outside[dim] <= LONGEST_OUTER)
    several = core.unit["G"] * inside["G"] > 1
    return good & (~several | (core.unit["K"] * inside["K"] == layer.K))


def figures_inside(core: Core, cuts: Cuts) -> Inside:
    """Return what happens between buffers and PEs."""
    trips = {dim: cuts.inside[dim] * cuts.outside[dim] for dim in DIMS}
    everything = "".join(DIMS)
    return Inside(
        core.ports, core.steps, product(trips, everything), dict(core.lengths), dict(core.words), product(trips, "NGKPQ")
    )


def reuse(cuts: Cuts, stationary: str, order: str) -> Ints:
    """Return how many iterations on end leave a tensor's tile in the PEs alone, over memory too if nothing else is inside."""
    inside = product(cuts.inside, STATIONARY[stationary])
    alone = inside == product(cuts.inside, "".join(DIMS))
    return np.where(alone, inside * _kept(cuts, order)[stationary], inside)


def _kept(cuts: Cuts, order: str) -> dict[str, Any]:
    """Return per tensor how many tiles in memory on end are the same one: the innermost loops that leave it alone."""
    out = cuts.outside
    reduced, pixels, filters = product(out, "CRS"), product(out, "NPQ"), out["K"]
    first, second = (filters, pixels) if order == "K" else (pixels, filters)
    second = np.where((reduced == 1) & (first == 1), second, 1)
    first = np.where(reduced == 1, first, 1)
    pixels, filters = (second, first) if order == "K" else (first, second)
    return {"weights": pixels, "inputs": filters, "outputs": reduced}


def figures_outside(layer: Layer, system: SpatialSystem, cuts: Cuts, order: str, program_beats: int) -> Outside:
    """Return the traffic of every combination with the loops `order` innermost."""
    core, out = cuts.core, cuts.outside
    sizes = {dim: core.unit[dim] * cuts.inside[dim] for dim in DIMS}
    kept = _kept(cuts, order)
    words = tile_words(layer, system, core, cuts.inside)
    tile = -(-words["weights"] // system.rows_per_beat) * system.row_parts
    block = {tensor: system.beat_words(tensor) for tensor in TENSORS}
    rows, cols = (_covered(layer, sizes, out, side) for side in (0, 1))
    beats_in, beats_out = (_channels(layer, system, sizes, out, tensor) for tensor in TENSORS[1:])
    channels = {"inputs": (sizes["G"] - 1) * layer.C + sizes["C"], "outputs": (sizes["G"] - 1) * layer.K + sizes["K"]}
    wide = {tensor: -(-channels[tensor] // block[tensor]) for tensor in channels}
    steps = product(out, "".join(DIMS))
    # A tile outside the image reads one beat all the same.
    empty = out["N"] * (product(out, "PQRSCG") - rows[1] * cols[1] * beats_in[1])
    beats = {
        "weights": steps // kept["weights"] * tile,
        "inputs": out["K"] // kept["inputs"] * (layer.N * rows[0] * cols[0] * beats_in[0] + empty),
        "outputs": layer.N * layer.P * layer.Q * beats_out[0],
    }
    full = channel_beats(layer, system, "outputs") * block["outputs"]
    beats |= {"program": program_beats, "scales": full // system.post_lanes * system.scale_beats}
    seen = [np.clip(reached(layer, sizes, side) - layer.padding[side], 0, (layer.H, layer.W)[side]) for side in (0, 1)]
    first = np.minimum(sizes["N"], layer.N) * seen[0] * seen[1]
    first = tile + first * np.minimum(wide["inputs"], channel_beats(layer, system, "inputs"))
    left = {dim: np.minimum(sizes[dim], getattr(layer, dim) - (out[dim] - 1) * sizes[dim]) for dim in "NPQ"}
    tiles = {"weights": steps // kept["weights"], "inputs": steps // kept["inputs"], "steps": steps}
    return Outside(beats, first, np.maximum(product(left, "NPQ"), 1) * wide["outputs"], tiles)


def _covered(layer: Layer, sizes: dict[str, Ints], out: dict[str, Ints], side: int) -> tuple[Ints, Ints]:
    """Return the rows (columns) of the image that all tiles along its height (width) read, and how many tiles read any."""
    names = ("PR", "QS")[side]
    fixed = layer.stride[side], layer.dilation[side], layer.padding[side], (layer.H, layer.W)[side]
    columns = [sizes[names[0]], out[names[0]], sizes[names[1]], out[names[1]]]
    return _each(columns, lambda *kind: _rows_of(*fixed, *kind))


@lru_cache(maxsize=1 << 16)
def _rows_of(
    stride: int, dilation: int, before: int, limit: int, size: int, tiles: int, taps: int, tap_tiles: int
) -> tuple[int, int]:
    wide = (size - 1) * stride + (taps - 1) * dilation + 1
    found = []
    for at in range(tiles):
        for tap in range(tap_tiles):
            first = at * size * stride + tap * taps * dilation - before
            found.append(max(0, min(first + wide, limit) - max(first, 0)))
    return sum(found), sum(map(bool, found))


def _channels(
    layer: Layer, system: SpatialSystem, sizes: dict[str, Ints], out: dict[str, Ints], tensor: str
) -> tuple[Ints, Ints]:
    """Return the beats of a pixel that all tiles along the channels move, and how many tiles move any."""
    dim = "C" if tensor == "inputs" else "K"
    words, whole = system.beat_words(tensor), getattr(layer, dim)

    def beats(groups: int, group_tiles: int, size: int, tiles: int) -> tuple[int, int]:
        wide = -(-((groups - 1) * whole + size) // words)
        if tensor == "inputs" or groups > 1:
            limit = channel_beats(layer, system, tensor)
            starts = [(g * groups * whole + at * size) // words for g in range(group_tiles) for at in range(tiles)]
        else:  # of one group, clipped to it
            limit = -(-whole // words)
            starts = [at * size // words for at in range(tiles)] * group_tiles
        found = [max(0, min(wide, limit - start)) for start in starts]
        return sum(found), sum(map(bool, found))

    return _each([sizes["G"], out["G"], sizes[dim], out[dim]], beats)


def _each(columns: list[Ints], figure: Callable[..., tuple[int, int]]) -> tuple[Ints, Ints]:
    """Apply a function of integers to every row, once to equal ones."""
    kinds, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    found = np.array([figure(*kind) for kind in kinds.tolist()], np.int64)[which.reshape(-1)]
    return found[:, 0], found[:, 1]
