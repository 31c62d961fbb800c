"""What goes over the ports: which words, in which order, and where the sums that come back belong.

A delivery brings the tiles of all PEs of a port: the union of their boxes in lexicographic order, every word once. A PE takes
the words inside its own box, so that they reach it in the order of its addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import COORDINATES
from dataflows.spatial.program import Coordinates, Place, SpatialProgram, base, base_at, lane_base, tile_extents
from dataflows.workload import DIMS


@dataclass(frozen=True, slots=True)
class Beat:
    """One cycle on the ports of an operand.

    Attributes
    ----------
    words : tuple
        Coordinates of each port's word, None for a port that is not used.
    fields : tuple of int
        Positions that PEs compare with their tags.
    last : bool
        Whether it ends a delivery.
    final : bool
        Whether it ends the last delivery of the layer.
    """

    words: tuple[Coordinates | None, ...]
    fields: Coordinates
    last: bool
    final: bool


def sequence(program: SpatialProgram, tensor: str) -> list[Coordinates]:
    """Return the coordinates of a delivery, from those of the port and of the outer loops on."""
    shared = program.array.shared(tensor)
    extents = tile_extents(program.nest, tensor)
    places = product(*(range(axis.size) for axis in shared))
    found: set[Coordinates] = set()
    for first in {base_at(program.nest, shared, each, tensor) for each in places} - {None}:
        found.update(product(*(range(begin, begin + extent) for begin, extent in zip(first or (), extents, strict=True))))
    return sorted(found)


def indices(program: SpatialProgram, tensor: str) -> Iterator[dict[str, int]]:
    """Yield the loop indices of the outer loops at every exchange of a tensor's tiles."""
    change = program.changes[TENSORS.index(tensor)]
    outside = program.outer[change:][::-1]
    for counters in product(*(range(loop.extent) for loop in outside)):
        at: dict[str, int] = dict.fromkeys(DIMS, 0)
        for loop, index in zip(outside, counters, strict=True):
            at[loop.dim] += index * loop.step
        yield at


def beats(program: SpatialProgram, tensor: str) -> Iterator[Beat]:
    """Yield everything that goes to the ports of weights or inputs, in order."""
    array, names = program.array, COORDINATES[tensor]
    lanes = [lane_base(program, tensor, lane) for lane in product(*(range(axis.size) for axis in array.ported(tensor)))]
    order = sequence(program, tensor)
    fields = [tuple(word[names.index(field)] for field in array.fields(tensor)) for word in order]
    deliveries = program.tiles(tensor)
    for delivery, at in enumerate(indices(program, tensor), 1):
        origin = base(program.layer, tensor, at)
        for number, (word, tags) in enumerate(zip(order, fields, strict=True), 1):
            words = tuple(None if lane is None else _sum(origin, lane, word) for lane in lanes)
            last = number == len(order)
            yield Beat(words, tags, last, last and delivery == deliveries)


def results(program: SpatialProgram) -> Iterator[tuple[Coordinates | None, ...]]:
    """Yield the coordinates of the sums on every port, in the order in which they leave."""
    array, nest = program.array, program.nest
    lanes = [lane_base(program, "outputs", lane) for lane in product(*(range(axis.size) for axis in array.ported("outputs")))]
    tile = list(product(*(range(extent) for extent in tile_extents(nest, "outputs"))))
    slots = _slot_bases(program)
    for at in indices(program, "outputs"):
        origin = base(program.layer, "outputs", at)
        for slot in slots:
            for word in tile:
                yield tuple(None if lane is None else _sum(origin, lane, slot, word) for lane in lanes)


def _slot_bases(program: SpatialProgram) -> list[Coordinates]:
    """Return what each group of outputs adds to the coordinates, in the order of slots."""
    found: dict[int, Coordinates] = {}
    axes, shared = program.array.axes, program.array.shared("outputs")
    for place, tag in program.tags.items():
        if tag.active and tag.slot not in found:
            inside = tuple(index for axis, index in zip(axes, place, strict=True) if axis in shared)
            found[tag.slot] = base_at(program.nest, shared, inside, "outputs") or ()
    return [found[slot] for slot in sorted(found)]


@lru_cache(maxsize=1 << 16)
def _sum(*parts: Coordinates) -> Coordinates:
    return tuple(map(sum, zip(*parts, strict=True)))


__all__ = ["Beat", "Place", "beats", "indices", "results", "sequence"]
