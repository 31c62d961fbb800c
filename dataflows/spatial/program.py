"""What a layer's mapping makes an array do: loops, addresses, and the tags of the PEs.

Loops above the PEs are *outer*: each iteration is one use of the tiles that the PEs hold. Loops in the PEs are *inner*.
A tensor's tile changes with the innermost outer loop that it depends on, and with every loop outside that one (codesign
reference, 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.mapping import Mapping
from dataflows.nest.nest import Nest, Spread, bind
from dataflows.nest.rules import RELEVANT, TENSORS
from dataflows.spatial.array import (
    COORDINATES,
    LONGEST_INNER,
    LONGEST_OUTER,
    MOST_INNER,
    MOST_OUTER,
    SpatialArray,
    SpatialAxis,
)  # fmt: skip
from dataflows.workload import DIMS, Layer

Place = tuple[int, ...]
Coordinates = tuple[int, ...]
REDUCED = frozenset("CRS")


@dataclass(frozen=True, slots=True)
class OuterLoop:
    """A loop above the PEs: `extent` iterations of `dim`, `step` elements apart."""

    dim: str
    extent: int
    step: int


@dataclass(frozen=True, slots=True)
class InnerLoop:
    """A loop in the PEs, with what one iteration adds to the addresses of weights, inputs and outputs."""

    dim: str
    extent: int
    strides: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Tag:
    """What one PE is told before a layer.

    Attributes
    ----------
    active : bool
        Whether the mapping uses it.
    weights, inputs : tuple of int
        First position of its tile along each field of the tensor (`SpatialArray.fields`), from that of its port on.
    slot : int
        Its group of outputs among the PEs of its port: when its sums leave.
    """

    active: bool
    weights: Coordinates
    inputs: Coordinates
    slot: int


@dataclass(frozen=True, slots=True)
class SpatialProgram:
    """One layer on one array.

    Attributes
    ----------
    layer, array : Layer, SpatialArray
        What runs where.
    nest : Nest
        The bound mapping.
    outer, inner : tuple
        Loops, innermost first.
    changes : tuple of int
        Per tensor, the position of the innermost outer loop that changes its tile; their number if none does.
    extents : dict
        ``{tensor: extent of a PE's tile along each field}`` for weights and inputs.
    tags : dict
        ``{place: Tag}`` of every PE; a place is its index along each axis.
    slots : int
        Groups of outputs that share a port.
    """

    layer: Layer
    array: SpatialArray
    nest: Nest
    outer: tuple[OuterLoop, ...]
    inner: tuple[InnerLoop, ...]
    changes: tuple[int, int, int]
    extents: dict[str, Coordinates]
    tags: dict[Place, Tag]
    slots: int

    @property
    def iterations(self) -> int:
        """Iterations of the outer loops."""
        return math.prod(loop.extent for loop in self.outer)

    @property
    def steps(self) -> int:
        """Cycles that the PEs compute in one iteration."""
        return math.prod(loop.extent for loop in self.inner)

    @property
    def output_words(self) -> int:
        """Outputs that a PE holds."""
        return math.prod(tile_extents(self.nest, "outputs"))

    def tiles(self, tensor: str) -> int:
        """How often the tiles of a tensor are exchanged (codesign reference, 4.2)."""
        return math.prod(loop.extent for loop in self.outer[self.changes[TENSORS.index(tensor)] :])


def compile_spatial(layer: Layer, array: SpatialArray, mapping: Mapping) -> SpatialProgram:
    """Bind a mapping of the levels ``stream`` and ``pe``.

    Raises
    ------
    SpecError
        For a mapping that does not belong to the layer and the array (`dataflows.nest.nest.bind`).
    InfeasibleError
        Naming every limit of the array that the mapping exceeds.
    """
    nest = bind(layer, array.architecture(layer.name), mapping)
    outer = tuple(OuterLoop(trip.dim, trip.extent, trip.step) for trip in nest.trips[1])
    program = SpatialProgram(
        layer=layer,
        array=array,
        nest=nest,
        outer=outer,
        inner=tuple(_inner(nest)),
        changes=(_change(outer, "weights"), _change(outer, "inputs"), _change(outer, "outputs")),
        extents={tensor: _along_fields(array, tensor, tile_extents(nest, tensor)) for tensor in TENSORS[:2]},
        tags={place: _tag(nest, array, place) for place in product(*(range(axis.size) for axis in array.axes))},
        slots=math.prod(_groups(nest, axis) for axis in array.shared("outputs")),
    )
    if reasons := violations(program):
        raise InfeasibleError(reasons)
    return program


def violations(program: SpatialProgram) -> list[Infeasible]:
    """Return every limit of the array that a program exceeds."""
    array, nest, subject = program.array, program.nest, program.layer.name
    found = []

    def need(level: str, demand: int, bound: int, unit: str, remedy: str) -> None:
        if demand > bound:
            found.append(Infeasible(level, demand, bound, unit, remedy, subject))

    for tensor, room in zip(TENSORS, array.l1_words, strict=True):
        words = math.prod(tile_extents(nest, tensor))
        need(f"pe.{tensor}", words, room, "words", "move loops of the PEs outward, or give the PEs more storage")
    for tensor in TENSORS[:2]:
        remedy = "unroll less along the axes that share a port, or widen the tags"
        need(f"tags of {tensor}", reach(nest, array, tensor), (1 << array.tag_bits) - 1, "positions", remedy)
    need("sequencer", len(program.outer), MOST_OUTER, "outer loops", "merge loops of one dimension that follow each other")
    need("sequencer", len(program.inner), MOST_INNER, "inner loops", "merge loops of one dimension that follow each other")
    need("sequencer", max((o.extent for o in program.outer), default=1), LONGEST_OUTER, "iterations", "split the loop")
    need("sequencer", max((i.extent for i in program.inner), default=1), LONGEST_INNER, "iterations", "split the loop")
    for axis in array.ported("outputs"):
        adds = math.prod(spread.extent for spread in spreads(nest, axis) if spread.dim in REDUCED)
        need(f"outputs on {axis.name}", adds, 1, "PEs that add", f"unroll N, G, K, P or Q on {axis.name}, or share its port")
    return found


def base(layer: Layer, tensor: str, at: dict[str, int]) -> Coordinates:
    """Return the coordinates of the first word that the loop indices `at` lead to."""
    if tensor != "inputs":
        return tuple(at.get(dim, 0) for dim in COORDINATES[tensor])
    y = at.get("P", 0) * layer.stride[0] + at.get("R", 0) * layer.dilation[0]
    x = at.get("Q", 0) * layer.stride[1] + at.get("S", 0) * layer.dilation[1]
    return at.get("N", 0), at.get("G", 0), at.get("C", 0), y, x


def tile_extents(nest: Nest, tensor: str) -> Coordinates:
    """Return the extents of one PE's tile; of inputs, the whole box (codesign reference, 4.1)."""
    last = {dim: extent - 1 for dim, extent in nest.tiles[0].items()}
    return tuple(end + 1 for end in base(nest.layer, tensor, last))


def offsets(nest: Nest, axis: SpatialAxis, index: int) -> dict[str, int] | None:
    """Return what index `index` of an axis adds to the loop indices; None beyond the part that the mapping uses."""
    found: dict[str, int] = {}
    for spread in spreads(nest, axis):
        index, digit = divmod(index, spread.extent)
        found[spread.dim] = found.get(spread.dim, 0) + digit * spread.step
    return None if index else found


def reach(nest: Nest, array: SpatialArray, tensor: str) -> int:
    """Return the most positions along a coordinate that the tiles of the PEs of one port spread over."""
    reached = tile_extents(nest, tensor)
    for axis in array.shared(tensor):
        for spread in spreads(nest, axis):
            last = base(nest.layer, tensor, {spread.dim: (spread.extent - 1) * spread.step})
            reached = tuple(positions + more for positions, more in zip(reached, last, strict=True))
    return max(_along_fields(array, tensor, reached), default=1)


def lane_base(program: SpatialProgram, tensor: str, lane: Place) -> Coordinates | None:
    """Return the coordinates that a port adds to what it feeds; None for a port that the mapping does not use."""
    return base_at(program.nest, program.array.ported(tensor), lane, tensor)


def base_at(nest: Nest, axes: list[SpatialAxis], places: Place, tensor: str) -> Coordinates | None:
    """Return what indices along some axes add to a tensor's coordinates; None beyond the part that the mapping uses."""
    total: dict[str, int] = dict.fromkeys(DIMS, 0)
    for axis, index in zip(axes, places, strict=True):
        found = offsets(nest, axis, index)
        if found is None:
            return None
        for dim, offset in found.items():
            total[dim] += offset
    return base(nest.layer, tensor, total)


def spreads(nest: Nest, axis: SpatialAxis) -> list[Spread]:
    """Loops along one axis, innermost first."""
    return [spread for spread in nest.spreads[1] if spread.axis == axis.name]


def _groups(nest: Nest, axis: SpatialAxis) -> int:
    """Return the groups of outputs along one axis."""
    return math.prod(spread.extent for spread in spreads(nest, axis) if spread.dim in RELEVANT["outputs"])


def _tag(nest: Nest, array: SpatialArray, place: Place) -> Tag:
    at = {axis.name: index for axis, index in zip(array.axes, place, strict=True)}
    if any(offsets(nest, axis, at[axis.name]) is None for axis in array.axes):
        return Tag(False, (0,) * len(array.fields("weights")), (0,) * len(array.fields("inputs")), 0)
    slot, weight = 0, 1
    for axis in array.shared("outputs"):
        index = at[axis.name]
        for spread in spreads(nest, axis):
            index, digit = divmod(index, spread.extent)
            if spread.dim in RELEVANT["outputs"]:
                slot += digit * weight
                weight *= spread.extent
    return Tag(True, _first(nest, array, at, "weights"), _first(nest, array, at, "inputs"), slot)


def _first(nest: Nest, array: SpatialArray, at: dict[str, int], tensor: str) -> Coordinates:
    """Return where the tile of a PE in use begins, along the fields."""
    shared = array.shared(tensor)
    found = base_at(nest, shared, tuple(at[axis.name] for axis in shared), tensor)
    assert found is not None
    return _along_fields(array, tensor, found)


def _along_fields(array: SpatialArray, tensor: str, values: Coordinates) -> Coordinates:
    names = COORDINATES[tensor]
    return tuple(values[names.index(field)] for field in array.fields(tensor))


def _change(outer: tuple[OuterLoop, ...], tensor: str) -> int:
    return next((at for at, loop in enumerate(outer) if loop.dim in RELEVANT[tensor]), len(outer))


def _inner(nest: Nest) -> Iterator[InnerLoop]:
    pitches = [_pitches(tile_extents(nest, tensor)) for tensor in TENSORS]
    for trip in nest.trips[0]:
        strides = []
        for tensor, pitch in zip(TENSORS, pitches, strict=True):
            step = base(nest.layer, tensor, {trip.dim: trip.step}) if trip.dim in RELEVANT[tensor] else (0,) * len(pitch)
            strides.append(sum(part * words for part, words in zip(step, pitch, strict=True)))
        yield InnerLoop(trip.dim, trip.extent, (strides[0], strides[1], strides[2]))


def _pitches(extents: Coordinates) -> Coordinates:
    """Return the words between neighbours along each coordinate of a tile in lexicographic order."""
    return tuple(math.prod(extents[at + 1 :]) for at in range(len(extents)))
