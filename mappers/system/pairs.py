"""Ways to unroll the array with tiles of the PEs, ranked by what they cost at best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.floors import floors
from dataflows.nest.rules import RELEVANT, TENSORS
from dataflows.spatial.system.energy import Ports
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tech import Technology
from dataflows.workload import DIMS, Layer
from mappers.base import Objective
from mappers.system.core import Sizes
from mappers.system.figures import STATIONARY, Inside, Outside, figures, product
from mappers.system.spatial import Choice, choices
from mappers.system.tiles import pe_tiles

PER_CHOICE = 12
"""Tiles of the PEs that are kept for one way to unroll the array."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A way to unroll the array and a tile of a PE; sorted by `value`, a lower bound on the objective, then by number."""

    value: float
    number: tuple[int, int]
    choice: Choice
    pe: tuple[int, ...]

    @property
    def tile(self) -> Sizes:
        """The PE's tile by dimension."""
        return dict(zip(DIMS, self.pe, strict=True))


def pairs(
    layer: Layer, system: SpatialSystem, tech: Technology, objective: Objective, program_beats: int
) -> tuple[list[Pair], int]:
    """Return pairs, the best first, and how many were looked at."""
    tiles = pe_tiles(layer, system.array)
    columns = {dim: np.array([tile[dim] for tile in tiles], np.float64) for dim in DIMS}
    outside = least(layer, system, program_beats)
    found: list[Pair] = []
    unrolled = choices(layer, system.array)
    for at, choice in enumerate(unrolled):
        inside = _inside(layer, system, choice, columns)
        values = np.full(len(tiles), np.inf)
        trips = _trips(layer, choice, columns)
        for stationary, dims in STATIONARY.items():
            one = figures(system, tech, inside, outside, stationary, product(trips, dims), np.maximum)
            values = np.minimum(values, one.value(objective))
        for number in np.argsort(values, kind="stable")[:PER_CHOICE]:
            found.append(Pair(float(values[number]), (at, int(number)), choice, tuple(tiles[number].values())))
    return sorted(found), len(STATIONARY) * len(unrolled) * len(tiles)


def least(layer: Layer, system: SpatialSystem, program_beats: int) -> Outside:
    """Return the traffic of every word once."""
    used = floors(layer, 1).words["inputs"] // (layer.G * layer.C)
    pixels = {"inputs": used, "outputs": layer.N * layer.P * layer.Q}
    beats = {tensor: count * channel_beats(layer, system, tensor) for tensor, count in pixels.items()}
    beats["weights"] = -(-layer.weight_words // system.beat_words("weights"))
    channels = channel_beats(layer, system, "outputs") * system.beat_words("outputs")
    beats |= {"program": program_beats, "scales": channels // system.post_lanes * system.scale_beats}
    return Outside(beats, 0, 0, {"weights": 1, "inputs": 1, "steps": 1})


def _trips(layer: Layer, choice: Choice, pe: dict[str, Array]) -> dict[str, Array]:
    along = _along(choice, {loop.axis for loop in choice})
    return {dim: np.ceil(getattr(layer, dim) / (along[dim] * pe[dim])) for dim in DIMS}


def _inside(layer: Layer, system: SpatialSystem, choice: Choice, pe: dict[str, Array]) -> Inside:
    array, trips = system.array, _trips(layer, choice, pe)
    shared = {tensor: _along(choice, {axis.name for axis in array.shared(tensor)}) for tensor in TENSORS}
    own = {tensor: _along(choice, {axis.name for axis in array.ported(tensor)}) for tensor in TENSORS}
    words = {
        "weights": product(pe, "GKCRS"), "outputs": product(pe, "NGKPQ"),
        "inputs": product(pe, "NGC") * math.prod(_side(layer, pe, side) for side in ("PR", "QS")),
    }  # fmt: skip
    spread = {dim: pe[dim] * shared["inputs"][dim] for dim in DIMS}
    sides = [
        np.minimum(_side(layer, spread, side), product(shared["inputs"], side) * _side(layer, pe, side)) for side in ("PR", "QS")
    ]
    lengths = {
        "weights": words["weights"] * product(shared["weights"], "GKCRS"),
        "inputs": product(spread, "NGC") * math.prod(sides),
        "outputs": words["outputs"] * product(shared["outputs"], "NGKPQ"),
    }
    ports = Ports(
        {tensor: math.prod(own[tensor].values()) for tensor in TENSORS},
        math.prod(extent for dim, extent in own["inputs"].items() if dim in RELEVANT["inputs"]),
        math.prod(loop.extent for loop in choice),
    )
    return Inside(ports, product(pe, "".join(DIMS)), product(trips, "".join(DIMS)), lengths, words, product(trips, "NGKPQ"))


def _side(layer: Layer, extents: dict[str, Array], side: str) -> Array:
    """Return the rows (or columns) of the inputs that output and filter rows (columns) reach over."""
    at = ("PR", "QS").index(side)
    return (extents[side[0]] - 1) * layer.stride[at] + (extents[side[1]] - 1) * layer.dilation[at] + 1


def _along(choice: Choice, axes: set[str | None]) -> dict[str, int]:
    found: dict[str, int] = dict.fromkeys(DIMS, 1)
    for loop in choice:
        if loop.axis in axes:
            found[loop.dim] *= loop.extent
    return found
