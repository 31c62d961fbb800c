"""The tile loops, one iteration at a time, as both walkers follow them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from dataflows.arch import Accelerator
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration of the tile loops.

    Attributes
    ----------
    at : dict
        Index of each tile loop.
    blocks, channels, rows, cols : range
        Output blocks, input-channel blocks, output rows and columns of the tile.
    walks_groups : bool
        Whether `blocks` are of groups rather than of output channels.
    """

    at: dict[str, int]
    blocks: range
    channels: range
    rows: range
    cols: range
    walks_groups: bool

    def index(self, dims: str) -> tuple[int, ...]:
        """Return the indices of some loops."""
        return tuple(self.at[dim] for dim in dims)

    def group(self, block: int) -> int:
        """Return the group, or block of groups, that an output block belongs to."""
        return block if self.walks_groups else self.at["G"]


def steps(layer: Layer, acc: Accelerator, tiling: Tiling) -> Iterator[Step]:
    """Yield the steps of a layer in the order of the hardware."""
    blocking = Blocking.of(layer, acc)
    groups = blocking.walks_groups
    ranges = {
        "N": _cut(layer.N, 1),
        "G": _cut(blocking.group_blocks, tiling.blocks if groups else 1),
        "K": _cut(blocking.k_blocks, 1 if groups else tiling.blocks),
        "P": _cut(layer.P, tiling.p),
        "Q": _cut(layer.Q, tiling.q),
        "C": _cut(blocking.c_blocks, tiling.c_blocks),
    }
    dims = (*tiling.order, "C")
    for indices in product(*(range(len(ranges[dim])) for dim in dims)):
        at = dict(zip(dims, indices, strict=True))
        part = {dim: ranges[dim][i] for dim, i in at.items()}
        yield Step(at, part["G" if groups else "K"], part["C"], part["P"], part["Q"], groups)


def _cut(total: int, size: int) -> list[range]:
    return [range(start, min(start + size, total)) for start in range(0, total, size)]
