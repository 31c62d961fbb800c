"""From a layer and directives to levels: every cluster with all its loops, its units and the size of what it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dataflows.errors import SpecError
from dataflows.maestro.directives import Cluster, Directives, Extent, Map
from dataflows.workload import Layer

WINDOWS = {"Y": "R", "X": "S"}
"""Input dimension: the filter dimension that slides along it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A layer in the tool's dimensions.

    Attributes
    ----------
    extents : mapping of str to int
        Sizes; Y and X are those of the padded input.
    strides : mapping of str to int
        Of Y and X.
    tensors : mapping of str to tuple of str
        Dimensions of ``inputs``, ``weights`` and ``outputs``; outputs have Y and X for their rows and columns.
    """

    extents: Mapping[str, int]
    strides: Mapping[str, int]
    tensors: Mapping[str, tuple[str, ...]]

    @property
    def looped(self) -> tuple[str, ...]:
        """Dimensions that every level has a loop over, sorted."""
        return tuple(sorted({*self.tensors["inputs"], *self.tensors["weights"]}))


@dataclass(frozen=True, slots=True)
class Loop:
    """A directive with its numbers: part of `size` elements, the next `offset` further."""

    dim: str
    size: int
    offset: int
    spatial: bool


@dataclass(frozen=True, slots=True)
class Level:
    """One cluster: its loops, outermost first, its number of units, and the sizes it is made for."""

    loops: tuple[Loop, ...]
    units: int
    extents: Mapping[str, int]

    def find(self, dim: str) -> Loop:
        """Return the loop over a dimension."""
        return next(loop for loop in self.loops if loop.dim == dim)

    @property
    def spatial(self) -> Loop:
        """The first loop over space."""
        return next(loop for loop in self.loops if loop.spatial)


def problem_of(layer: Layer, input_size: tuple[int, int] | None = None) -> Problem:
    """Turn a layer, or one of its groups, into the tool's dimensions.

    Parameters
    ----------
    input_size : tuple of int, optional
        Rows and columns of the input. By default those that the outputs use, border included: the tool has no padding.

    Raises
    ------
    SpecError
        For dilated filters, which the tool has no notion of.
    """
    if layer.dilation != (1, 1):
        raise SpecError(f"{layer.name}.dilation", layer.dilation, "(1, 1) in mode maestro", "use mode timeloop")
    rows, cols = (
        (out - 1) * stride + taps for out, stride, taps in zip((layer.P, layer.Q), layer.stride, (layer.R, layer.S), strict=True)
    )
    sizes = dict(zip("YX", input_size or (rows, cols), strict=True)) | {"R": layer.R, "S": layer.S}
    batch = ("N",) if layer.N > 1 else ()
    sizes |= dict.fromkeys(batch, layer.N)
    if layer.kind == "depthwise" and layer.K == 1:
        sizes |= {"C": layer.G}
        tensors = {"inputs": (*batch, *"CYX"), "weights": tuple("CRS"), "outputs": (*batch, *"CYX")}
    else:
        sizes |= {"K": layer.K, "C": layer.C}
        tensors = {"inputs": (*batch, *"CYX"), "weights": tuple("KCRS"), "outputs": (*batch, *"KYX")}
    return Problem(sizes, dict(zip("YX", layer.stride, strict=True)), tensors)


def levels_of(problem: Problem, directives: Directives, pes: int) -> tuple[Level, ...]:
    """Complete the directives, level by level, outermost first.

    A level lacking a directive inherits that of the level above, as a loop over time; a dimension nobody maps is held whole.

    Raises
    ------
    SpecError
        For directives over a dimension the layer does not have, a level without or with more than two spatial maps, or
        fewer PEs than the clusters need.
    """
    items = directives.depthwise if "K" not in problem.extents and directives.depthwise else directives.items
    parts, clusters = _split(items, problem)
    inner = math.prod(clusters)
    if pes < inner:
        raise SpecError(f"{directives.name}: pes", pes, f"at least {inner}, the size of a cluster", "give it more PEs")
    units = [pes // inner, *clusters]
    found: list[Level] = []
    extents, above = problem.extents, ()
    for maps, count in zip(parts, units, strict=True):
        loops = _completed(maps, above, extents, problem, directives.name)
        above = tuple(_strided(loop, extents, problem, top=not found) for loop in loops)
        if not 1 <= sum(loop.spatial for loop in above) <= 2:
            text = "; ".join(map(str, maps))
            raise SpecError(
                f"{directives.name}: level {len(found)}", text, "one or two spatial maps", "map one dimension over units"
            )
        found.append(Level(above, count, extents))
        extents = {dim: min(found[-1].find(dim).size, extents[dim]) for dim in problem.looped}
    return tuple(found)


def _split(items: tuple[Map | Cluster, ...], problem: Problem) -> tuple[list[list[Map]], list[int]]:
    parts: list[list[Map]] = [[]]
    clusters: list[int] = []
    for item in items:
        if isinstance(item, Cluster):
            clusters.append(_number(item.size, problem))
            parts.append([])
        else:
            parts[-1].append(item)
    return parts, clusters


def _completed(
    maps: list[Map], above: tuple[Loop, ...], extents: Mapping[str, int], problem: Problem, name: str
) -> tuple[Loop, ...]:
    """Return the loops of one level over input rows and columns, with those that the directives leave out."""
    given = {item.dim for item in maps}
    loops: list[Loop] = []
    for item in maps:
        dim, size = item.dim, _number(item.size, problem)
        if dim.endswith("'") and dim[0] not in given:  # outputs: the window of the whole filter that makes them
            dim = dim[0]
            size += problem.extents[WINDOWS[dim]] - 1
        if dim not in problem.looped:
            raise SpecError(name, str(item), f"maps over {', '.join(problem.looped)}", "leave this directive out")
        loops.append(Loop(dim, size, _number(item.offset, problem), item.kind == "spatial"))
    for loop in above:
        if loop.dim not in {one.dim for one in loops}:
            loops.insert(0, replace(loop, spatial=False))
    missing = [dim for dim in problem.looped if dim not in {loop.dim for loop in loops}]
    return (*loops, *(Loop(dim, extents[dim], extents[dim], spatial=False) for dim in missing))


def _strided(loop: Loop, extents: Mapping[str, int], problem: Problem, *, top: bool) -> Loop:
    """Fit the part of an input dimension to whole outputs and let it move by their strides."""
    taps = problem.extents[WINDOWS[loop.dim]] if loop.dim in WINDOWS else 0
    stride = problem.strides.get(loop.dim, 1)
    if stride == 1 or loop.size < taps:
        return loop
    outputs = (loop.size + stride - taps) // stride
    step = taps if taps < stride and not top else stride
    return replace(loop, size=outputs * min(stride, taps) + max(taps - stride, 0), offset=outputs * step)


def _number(value: Extent, problem: Problem) -> int:
    return problem.extents.get(value, 1) if isinstance(value, str) else value
