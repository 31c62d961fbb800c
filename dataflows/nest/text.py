"""Compact mapping text for any architecture, input only: ``L3 P28 R7 Q56 K8 ; L2 K4X ; L1[O] K2 S7 Q2 P2 C3X ; L0 P2``.

Levels go from the outermost to the innermost, separated by ``;``, ``|``, `` - `` or a line break; a colon may follow the
level, brackets the tensors that stay there. Loops go from outer to inner; X marks a spatial one, which lies inside the
level's loops over time and takes an axis that has room and may unroll the dimension. ``N1`` or a dash stands for no loops
(codesign reference, 8.3 and 7.1).
"""

from __future__ import annotations

import re
from itertools import product

from dataflows.errors import SpecError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis

_LEVEL = re.compile(r"\s*(?P<name>L\d+(?:\[[WIO]*\])?)\s*:?\s*(?P<loops>.*?)\s*", re.DOTALL)
_LOOP = re.compile(r"(?P<dim>[NGKCPQRS])(?P<extent>[1-9]\d{0,8})(?P<spatial>X?)")
_SEPARATOR = re.compile(r"[;|\n]|\s-\s(?=\s*L\d)")


def is_compact(text: str) -> bool:
    """Whether the text starts like a compact mapping."""
    return re.match(r"\s*L\d+(\[[WIO]*\])?\s*(:|;|\s[-\u2013A-Z])", text) is not None and " | for " not in text


def parse_compact(text: str, arch: Architecture, source: str = "mapping") -> Mapping:
    """Read compact text.

    Raises
    ------
    SpecError
        For text of another form, with the offending word, and for a spatial loop below which there is no array.
    """
    levels = []
    for part in filter(str.strip, _SEPARATOR.split(text)):
        match = _LEVEL.fullmatch(part)
        if not match:
            raise SpecError(source, part.strip(), "a level such as 'L2: K4X P7'", "start every part with L and a number")
        name, bracket, held = match["name"].partition("[")
        level = arch.levels[arch.index(name)]
        loops = _loops(match["loops"].split(), level.fanout.axes, f"{source}: {match['name']}")
        levels.append(Level(level.name + bracket + held, loops))
    return Mapping(tuple(levels))


def _loops(words: list[str], axes: tuple[Axis, ...], source: str) -> tuple[Loop, ...]:
    found: list[tuple[str, int, bool]] = []
    for word in words:
        if word in ("-", "\u2013"):  # a hyphen or an en dash
            continue
        match = _LOOP.fullmatch(word)
        if not match:
            allowed = "a dimension of N G K C P Q R S and its extent, X if spatial"
            raise SpecError(source, word, allowed, "write for example K32 or C16X")
        found.append((match["dim"], int(match["extent"]), bool(match["spatial"]) and int(match["extent"]) > 1))
    spatial = [(dim, extent) for dim, extent, is_spatial in found if is_spatial]
    if spatial and not axes:
        raise SpecError(source, f"{spatial[0][0]}{spatial[0][1]}X", "loops over time: one instance below", "remove the X")
    chosen = iter(_axes(spatial, axes))
    return tuple(Loop(dim, extent, 1, next(chosen) if is_spatial else None) for dim, extent, is_spatial in found)


def _axes(spatial: list[tuple[str, int]], axes: tuple[Axis, ...]) -> list[str]:
    """Choose an axis for every spatial loop so that the axis with the least room has the most left.

    Where they do not fit, `dataflows.nest.nest.bind` names what is missing.
    """
    if not spatial or len(axes) == 1 or len(spatial) > 8:
        return [axis.name for axis in axes[:1]] * len(spatial)

    def load(choice: tuple[Axis, ...]) -> float:
        used = dict.fromkeys(axes, 1)
        for axis, (dim, extent) in zip(choice, spatial, strict=True):
            used[axis] *= extent if dim in axis.dims else extent << 32
        return max(extent / axis.size for axis, extent in used.items())

    return [axis.name for axis in min(product(axes, repeat=len(spatial)), key=load)]
