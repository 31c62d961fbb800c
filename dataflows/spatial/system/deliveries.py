"""What one delivery brings, as loops, and when the tile behind it changes."""

from __future__ import annotations

import math

from dataflows.nest.rules import RELEVANT
from dataflows.spatial.program import SpatialProgram, base, spreads, tile_extents
from dataflows.spatial.system.nests import regular


def tile_change(array: SpatialProgram, depth: int, tensor: str) -> int:
    """Return the innermost outer loop from `depth` on that a tensor depends on; their number if there is none."""
    outer = array.outer
    return next((at for at in range(depth, len(outer)) if outer[at].dim in RELEVANT[tensor]), len(outer))


def places(program: SpatialProgram, tensor: str) -> list[list[int]]:
    """Return, per coordinate, the ascending places that one delivery brings: it is their product.

    Every coordinate is moved by loops of its own, so that the union of the tiles of all PEs of a port is a product.
    """
    found = [set(range(extent)) for extent in tile_extents(program.nest, tensor)]
    for axis in program.array.shared(tensor):
        for spread in spreads(program.nest, axis):
            step = base(program.layer, tensor, {spread.dim: spread.step})
            for at, apart in enumerate(step):
                if apart:
                    found[at] = {place + index * apart for place in found[at] for index in range(spread.extent)}
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
