"""What one delivery brings, as loops, and when the tile behind it changes."""

from __future__ import annotations

import math
from itertools import product

from dataflows.nest.rules import RELEVANT
from dataflows.spatial.program import SpatialProgram, base_at, tile_extents
from dataflows.spatial.system.nests import regular


def tile_change(array: SpatialProgram, depth: int, tensor: str) -> int:
    """Return the innermost outer loop from `depth` on that a tensor depends on; their number if there is none."""
    outer = array.outer
    return next((at for at in range(depth, len(outer)) if outer[at].dim in RELEVANT[tensor]), len(outer))


def places(program: SpatialProgram, tensor: str) -> list[list[int]]:
    """Return, per coordinate, the ascending places that one delivery brings: it is their product.

    Every coordinate is moved by loops of its own, so that the union of the tiles of all PEs of a port is a product.
    """
    shared, extents = program.array.shared(tensor), tile_extents(program.nest, tensor)
    found: list[set[int]] = [set() for _ in extents]
    for at in product(*(range(axis.size) for axis in shared)):
        first = base_at(program.nest, shared, at, tensor)
        for into, begin, extent in zip(found, first or (), extents, strict=bool(first)):
            into.update(range(begin, begin + extent))
    return [sorted(each) for each in found]


def delivery_length(program: SpatialProgram, tensor: str) -> int:
    """Return the beats of a delivery."""
    return math.prod(len(each) for each in places(program, tensor))


def delivery_loops(program: SpatialProgram, tensor: str) -> list[tuple[int, int, int]] | None:
    """Return the loops of a delivery, innermost first: coordinate, extent, step; None where no nest visits its places."""
    found = []
    for coordinate, each in reversed(list(enumerate(places(program, tensor)))):
        loops = regular(each)
        if loops is None:
            return None
        found += [(coordinate, extent, step) for extent, step in loops]
    return found
