"""From cuts and orders to a mapping, and mappings near it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dataflows.mapping import Level, Loop, Mapping
from dataflows.workload import DIMS
from mappers.system.core import Core, Sizes
from mappers.system.figures import STATIONARY

REDUCED = "CRS"
REST = "GNPQKCRS"
"""Loops that are not the reuse of the stationary tensor, outermost first."""


@dataclass(frozen=True, slots=True)
class Nest:
    """A mapping as the search has it.

    Attributes
    ----------
    core : Core
        Axes and PEs.
    inside, outside : dict
        Iterations in the buffers and over memory.
    stream, dram : str
        Orders of the loops there, outermost first.
    """

    core: Core
    inside: Sizes
    outside: Sizes
    stream: str
    dram: str

    @property
    def mapping(self) -> Mapping:
        """The mapping."""
        dram = tuple(Loop(dim, self.outside[dim]) for dim in self.dram if self.outside[dim] > 1)
        stream = tuple(Loop(dim, self.inside[dim]) for dim in self.stream if self.inside[dim] > 1)
        pe = tuple(Loop(dim, self.core.pe[dim]) for dim in REST if self.core.pe[dim] > 1)
        return Mapping((Level("dram", dram), Level("stream", (*stream, *self.core.choice)), Level("pe", pe)))


def nest_of(core: Core, inside: Sizes, outside: Sizes, stationary: str, innermost: str) -> Nest:
    """Return the mapping with the reuse of one tensor innermost in the buffers, and loops `innermost` over memory."""
    last = STATIONARY[stationary]
    rest = "".join(dim for dim in REST if dim not in last)
    others = "".join(dim for dim in "GNPQK" if dim not in innermost)
    return Nest(core, inside, outside, rest + last, others + innermost + REDUCED)


def near(nest: Nest) -> Iterator[Nest]:
    """Yield mappings that differ in the place of one loop, or in one cut."""
    for name, sizes in (("stream", nest.inside), ("dram", nest.outside)):
        order = getattr(nest, name)
        used = [dim for dim in order if sizes[dim] > 1]
        idle = "".join(dim for dim in order if sizes[dim] == 1)
        for at, dim in enumerate(used):
            left = used[:at] + used[at + 1 :]
            for to in range(len(used)):
                if to not in (at, at - 1):
                    yield replace(nest, **{name: idle + "".join((*left[:to], dim, *left[to:]))})
    for dim in DIMS:
        trips = nest.core.trips[dim]
        for outside in {nest.outside[dim] + 1, nest.outside[dim] - 1, 2 * nest.outside[dim], nest.outside[dim] // 2}:
            inside = -(-trips // outside) if outside > 0 else 0
            if inside and -(-trips // inside) == outside:
                yield replace(nest, inside=nest.inside | {dim: inside}, outside=nest.outside | {dim: outside})
