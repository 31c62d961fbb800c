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
from dataflows.spatial.links import Links
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


def sequence(program: SpatialProgram, tensor: str, linked: frozenset[str] = frozenset()) -> list[Coordinates]:
    """Return the coordinates of a delivery, from those of the port and of the outer loops on.

    Without what neighbours have, where links along the axes `linked` hold (`dataflows.spatial.links`).
    """
    shared, links = program.array.shared(tensor), Links(program, tensor)
    extents = tile_extents(program.nest, tensor)
    places = product(*(links.brought(axis, linked) for axis in shared))
    found: set[Coordinates] = set()
    for first in {base_at(program.nest, shared, each, tensor) for each in places}:
        found.update(product(*(range(begin, begin + extent) for begin, extent in zip(first or (), extents, strict=True))))
    return sorted(found)


def lanes(program: SpatialProgram, tensor: str, linked: frozenset[str] = frozenset()) -> list[Coordinates | None]:
    """Return what every port adds to the coordinates of a delivery; None for those that bring nothing."""
    axes, links = program.array.ported(tensor), Links(program, tensor)
    brought = [links.brought(axis, linked) for axis in axes]
    found: list[Coordinates | None] = []
    for lane in product(*(range(axis.size) for axis in axes)):
        brings = all(index in some for index, some in zip(lane, brought, strict=True))
        found.append(lane_base(program, tensor, lane) if brings else None)
    return found


def port_words(program: SpatialProgram, tensor: str) -> tuple[int, int]:
    """Return the beats of a layer's stream of weights or inputs, and its words over all ports."""
    beats = words = 0
    for linked, deliveries in Links(program, tensor).classes.items():
        length = deliveries * len(sequence(program, tensor, linked))
        beats += length
        words += length * sum(lane is not None for lane in lanes(program, tensor, linked))
    return beats, words


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
    array, names, links = program.array, COORDINATES[tensor], Links(program, tensor)
    kinds = {linked: (sequence(program, tensor, linked), lanes(program, tensor, linked)) for linked in links.classes}
    places = [names.index(field) for field in array.fields(tensor)]
    deliveries = program.tiles(tensor)
    for delivery, at in enumerate(indices(program, tensor)):
        origin = base(program.layer, tensor, at)
        order, ports = kinds[links.holding(delivery)]
        for number, word in enumerate(order, 1):
            words = tuple(None if lane is None else _sum(origin, lane, word) for lane in ports)
            last = number == len(order)
            yield Beat(words, tuple(word[place] for place in places), last, last and delivery + 1 == deliveries)


def results(program: SpatialProgram) -> Iterator[tuple[Coordinates | None, ...]]:
    """Yield the coordinates of the sums on every port, in the order in which they leave."""
    array, nest = program.array, program.nest
    ports = [lane_base(program, "outputs", lane) for lane in product(*(range(axis.size) for axis in array.ported("outputs")))]
    tile = list(product(*(range(extent) for extent in tile_extents(nest, "outputs"))))
    slots = _slot_bases(program)
    for at in indices(program, "outputs"):
        origin = base(program.layer, "outputs", at)
        for slot in slots:
            for word in tile:
                yield tuple(None if lane is None else _sum(origin, lane, slot, word) for lane in ports)


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


__all__ = ["Beat", "Place", "beats", "indices", "lanes", "port_words", "results", "sequence"]
