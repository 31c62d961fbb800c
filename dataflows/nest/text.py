"""Compact mapping text for any architecture: ``L3 P28 R7 Q56 K8 ; L2 K4X ; L1[O] K2 S7 Q2 P2 C3X ; L0 P2``.

Spatial loops lie inside the level's loops over time and take an axis that has room and may unroll the dimension.
"""

from __future__ import annotations

from itertools import product

from dataflows.compact import Word, read_parts
from dataflows.errors import SpecError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis


def parse_compact(text: str, arch: Architecture, source: str = "mapping") -> Mapping:
    """Read compact text (`dataflows.compact`).

    Raises
    ------
    SpecError
        For text of another form, with the offending word, and for a spatial loop below which there is no array.
    """
    names = [level.name for level in arch.levels]
    levels = []
    for part in read_parts(text, names, source):
        level = arch.levels[part.index]
        loops = _loops(part.words, level.fanout.axes, f"{source}: {part.label}")
        levels.append(Level(level.name + part.held, loops))
    return Mapping(tuple(levels))


def _loops(words: tuple[Word, ...], axes: tuple[Axis, ...], source: str) -> tuple[Loop, ...]:
    spatial = [word for word in words if word.spatial and word.extent > 1]
    if spatial and not axes:
        raise SpecError(source, str(spatial[0]), "loops over time: one instance below", "remove the X")
    chosen = iter(_axes(spatial, axes))
    return tuple(Loop(word.dim, word.extent, 1, next(chosen) if word in spatial else None) for word in words)


def _axes(spatial: list[Word], axes: tuple[Axis, ...]) -> list[str]:
    """Choose an axis for every spatial loop so that the axis with the least room has the most left.

    Where they do not fit, `dataflows.nest.nest.bind` names what is missing.
    """
    if not spatial or len(axes) == 1 or len(spatial) > 8:
        return [axis.name for axis in axes[:1]] * len(spatial)

    def load(choice: tuple[Axis, ...]) -> float:
        used = dict.fromkeys(axes, 1)
        for axis, (dim, extent, _) in zip(choice, spatial, strict=True):
            used[axis] *= extent if dim in axis.dims else extent << 32
        return max(extent / axis.size for axis, extent in used.items())

    return [axis.name for axis in min(product(axes, repeat=len(spatial)), key=load)]
