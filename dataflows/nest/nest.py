"""A mapping bound to a layer and an architecture: what the closed form and the walker read.

Levels are numbered from the innermost here (codesign reference, 4.1). A tile holds everything that the loops of its own
and of all inner levels walk, time and space alike; the extents of a dimension multiply to at least its size, and where
they exceed it the layer is padded to them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.rules import TENSORS
from dataflows.residency import letters, resident
from dataflows.workload import DIMS, Layer, only_macs

_ONES: dict[str, int] = dict.fromkeys(DIMS, 1)


class Trip(NamedTuple):
    """A loop over time: `extent` iterations of `dim`, `step` elements apart."""

    dim: str
    extent: int
    step: int


class Spread(NamedTuple):
    """A loop over space: `extent` instances along `axis`, `step` elements of `dim` apart."""

    dim: str
    extent: int
    step: int
    axis: str


@dataclass(frozen=True, slots=True)
class Nest:
    """A bound mapping; all tuples run from the innermost level to the outermost.

    Attributes
    ----------
    layer : Layer
        The layer.
    arch : Architecture
        The hardware.
    storage : tuple of StorageLevel
        Its levels, innermost first.
    trips : tuple of tuple of Trip
        Loops over time by level, innermost first, those of one iteration left out.
    spreads : tuple of tuple of Spread
        Loops over the instances below each level.
    holds : tuple of frozenset
        Tensors that stay at each level under this mapping.
    tiles : tuple of dict
        ``{dim: extent}`` of the tile of one instance of each level.
    """

    layer: Layer
    arch: Architecture
    storage: tuple[StorageLevel, ...]
    trips: tuple[tuple[Trip, ...], ...]
    spreads: tuple[tuple[Spread, ...], ...]
    holds: tuple[frozenset[str], ...]
    tiles: tuple[dict[str, int], ...]

    @property
    def steps(self) -> int:
        """Cycles that the multipliers take, padding included."""
        return math.prod([trip.extent for trips in self.trips for trip in trips])

    @property
    def pes(self) -> int:
        """Multipliers in use."""
        return math.prod([spread.extent for spreads in self.spreads for spread in spreads])


def bind(layer: Layer, arch: Architecture, mapping: Mapping) -> Nest:
    """Bind a mapping.

    Parameters
    ----------
    layer, arch : Layer, Architecture
        What is mapped, and where.
    mapping : Mapping
        Outermost level first. Levels are named as in `arch` or ``L0`` (innermost) upwards; levels without loops may be
        left out. ``NAME[WI]`` says which tensors stay at the level, ``NAME[-O]`` which do not; all that it can hold where
        nothing is said.

    Raises
    ------
    SpecError
        For levels, loops or tensors that the architecture does not have, and for a nest that does not cover the layer.
    InfeasibleError
        If an axis has fewer instances than the loops on it.
    """
    only_macs(layer, "a loop nest on an architecture")
    count = len(arch.levels)
    loops: list[tuple[Loop, ...]] = [()] * count
    holds = [level.holds for level in arch.levels]
    last = -1
    for number, level in enumerate(mapping.levels):
        path = f"mapping.levels[{number}]"
        index, held = _level(arch, level.name, path)
        if index <= last:
            raise SpecError(path, level.name, "levels from the outermost to the innermost, each once", "reorder them")
        last, loops[index], holds[index] = index, level.loops, held
    if holds[0] != set(TENSORS):
        raise SpecError(f"mapping: {arch.levels[0].name}", sorted(holds[0]), "all tensors", "all come from and go to this level")
    return _bound(layer, arch, loops[::-1], holds[::-1])


def spelled_out(mapping: Mapping, arch: Architecture) -> Mapping:
    """Return the mapping with every level of the architecture, by its name and with the tensors that stay there.

    Within a level, loops over space come after those over time, as they are nested.
    """
    given = {_level(arch, level.name, "mapping")[0]: level for level in mapping.levels}
    levels = []
    for index, level in enumerate(arch.levels):
        held = _level(arch, given[index].name, "mapping")[1] if index in given else level.holds
        loops = given[index].loops if index in given else ()
        levels.append(Level(f"{level.name}[{letters(held)}]", tuple(sorted(loops, key=lambda loop: loop.axis is not None))))
    return Mapping(tuple(levels))


def _level(arch: Architecture, text: str, path: str) -> tuple[int, frozenset[str]]:
    """Return the index of a level and the tensors that stay there."""
    said = resident(text)
    if said is None:
        raise SpecError(path, text, "NAME, NAME[WIO] or NAME[-O]", "write for example L1[IO]")
    index = arch.index(said.name)
    level = arch.levels[index]
    held = said.of(level.holds)
    if not held <= level.holds:
        extra = ", ".join(sorted(held - level.holds))
        raise SpecError(path, f"{extra} held by {level.name}", ", ".join(sorted(level.holds)), "keep only these there")
    return index, held


def _bound(layer: Layer, arch: Architecture, loops: list[tuple[Loop, ...]], holds: list[frozenset[str]]) -> Nest:
    storage = arch.levels[::-1]
    extents = _ONES.copy()
    trips, spreads, tiles = [], [], []
    short: list[Infeasible] = []
    for level, nest in zip(storage, loops, strict=True):
        space: list[Spread] = []
        time: list[Loop] = []
        for loop in reversed(nest):
            dim, extent, axis = loop.dim, loop.extent, loop.axis
            if dim not in extents:
                raise SpecError(f"mapping: {level.name}", str(loop), f"dimensions {' '.join(DIMS)}", "write P and Q apart")
            if extent == 1:
                continue
            if axis is None:
                time.append(loop)
            else:
                space.append(Spread(dim, extent, _step(loop, extents, level), axis))
                extents[dim] *= extent
        if space:
            _check_axes(nest, level, arch)
            short[:0] = _short(space, level, layer.name)
        spreads.append(tuple(space))
        trips.append(tuple([_trip(loop, extents, level) for loop in time]) if time else ())
        tiles.append(extents.copy())
    if short:
        raise InfeasibleError(short)
    for dim, extent in extents.items():
        if extent < getattr(layer, dim):
            allowed = f"at least {getattr(layer, dim)}, the size of {dim} in {layer.name}"
            raise SpecError(f"mapping: {dim}", extent, allowed, f"let the extents of {dim} multiply to its size")
    return Nest(layer, arch, storage, tuple(trips), tuple(spreads), tuple(holds), tuple(tiles))


def _trip(loop: Loop, extents: dict[str, int], level: StorageLevel) -> Trip:
    """Bind a loop over time; `extents` are those of the loops inside, and grow."""
    step = _step(loop, extents, level)
    extents[loop.dim] = step * loop.extent
    return Trip(loop.dim, loop.extent, step)


def _step(loop: Loop, extents: dict[str, int], level: StorageLevel) -> int:
    """Return how far apart the iterations of a loop are; refuse another step that is written."""
    step = extents[loop.dim]
    if loop.step not in (1, step):
        allowed = f"step {step}, the product of the inner loops over {loop.dim}"
        raise SpecError(f"mapping: {level.name}", str(loop), allowed, "leave the step out")
    return step


def _check_axes(loops: tuple[Loop, ...], level: StorageLevel, arch: Architecture) -> None:
    """Refuse spatial loops on axes that do not exist, or of dimensions that an axis does not unroll."""
    axes = {axis.name: axis for axis in level.fanout.axes}
    for loop in loops:
        if loop.axis is None or loop.extent == 1:
            continue
        where = f"mapping: {level.name}"
        if loop.axis not in axes:
            allowed = ", ".join(axes) or "no spatial loops: one instance below"
            raise SpecError(where, str(loop), allowed, f"see the array of {arch.name}")
        axis = axes[loop.axis]
        if loop.dim not in axis.dims:
            raise SpecError(where, str(loop), f"{' '.join(axis.dims)} on {axis.name}", "unroll one of these")


def _short(spreads: list[Spread], level: StorageLevel, subject: str) -> list[Infeasible]:
    """Return the axes that have fewer instances than the loops on them."""
    found = []
    for axis in level.fanout.axes:
        used = math.prod([spread.extent for spread in spreads if spread.axis == axis.name])
        if used > axis.size:
            remedy = f"unroll at most {axis.size} there"
            found.append(Infeasible(level.name, used, axis.size, f"instances on {axis.name}", remedy, subject))
    return found
