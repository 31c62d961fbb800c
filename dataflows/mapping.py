"""Mappings: object, YAML and printed loop nest are three views of one thing.

A mapping is an ordered list of levels, outermost first; each level holds ordered loops, outermost first. A loop
walks `extent` iterations of one dimension, `step` elements apart; a step that does not divide the dimension leaves
a shorter last tile, which the hardware runs at its true size. A loop with an axis is spatial. ``PQ`` is the flattened
output plane of a tile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.nest.rules import TENSORS
from dataflows.residency import Resident, resident
from dataflows.workload import DIMS

SCHEMA = 1
_TOP = ("schema", "levels")
_LEVEL = ("level", "loops", "holds", "bypass")
AXES = ("rows", "cols", "planes")
LOOP_DIMS = (*DIMS, "PQ")
_LOOP = re.compile(r"(?P<dim>[A-Z]+)\s+(?P<extent>\d+)(?:\s+step\s+(?P<step>\d+))?(?:\s+on\s+(?P<axis>\w+))?")
_PRINTED = re.compile(r"(?:for|spatial on (?P<axis>\w+)) (?P<dim>[A-Z]+) in 0\.\.(?P<extent>\d+)(?: step (?P<step>\d+))?")


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: `extent` iterations of `dim`, `step` elements apart, over time or along an array axis."""

    dim: str
    extent: int
    step: int = 1
    axis: str | None = None

    def __str__(self) -> str:
        text = f"{self.dim} {self.extent}"
        if self.step != 1:
            text += f" step {self.step}"
        return f"{text} on {self.axis}" if self.axis else text

    @classmethod
    def parse(cls, text: str, path: str = "loop") -> Loop:
        """Read the form that ``str`` writes."""
        match = _LOOP.fullmatch(text.strip())
        sizes = [int(match[name] or 1) for name in ("extent", "step")] if match else [0]
        if not match or match["dim"] not in LOOP_DIMS or (match["axis"] or "rows") not in AXES or min(sizes) < 1:
            raise SpecError(path, text, "'DIM EXTENT [step N] [on rows|cols]'", "for example 'K 4 step 16'")
        return cls(match["dim"], int(match["extent"]), int(match["step"] or 1), match["axis"])


@dataclass(frozen=True, slots=True)
class Level:
    """The loops whose tiles one storage level holds.

    Attributes
    ----------
    name : str
        The level's name; ``glb[WI]`` also says which tensors stay there, ``glb[-O]`` which pass by (`dataflows.residency`).
    loops : tuple of Loop
        Outermost first.
    """

    name: str
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A loop nest over the levels of an accelerator, outermost level first."""

    levels: tuple[Level, ...]

    def level(self, name: str) -> Level:
        """Return the level called `name`; raise `SpecError` if there is none."""
        for level in self.levels:
            if level.name == name:
                return level
        raise SpecError("mapping.levels", [lv.name for lv in self.levels], f"a level called {name}", "add it")

    def to_dict(self) -> dict[str, Any]:
        """Return the YAML form."""
        return {
            "schema": SCHEMA,
            "levels": [{"level": lv.name, "loops": [str(loop) for loop in lv.loops]} for lv in self.levels],
        }

    @classmethod
    def from_dict(cls, data: Any, path: str = "mapping") -> Mapping:
        """Inverse of `to_dict`; what stays at a level may also be listed as `holds` or `bypass`.

        Raises
        ------
        SpecError
            Naming the field: another form, another schema, a field that there is not, or residency given twice.
        """
        if not isinstance(data, dict) or not isinstance(data.get("levels"), list):
            raise SpecError(path, data, "a mapping with a list called levels", "see docs/mappings.md")
        _known(data, _TOP, path)
        if data.get("schema", SCHEMA) != SCHEMA:
            raise SpecError(f"{path}.schema", data["schema"], str(SCHEMA), "use the form of this version")
        return cls(tuple(_level(entry, f"{path}.levels[{i}]") for i, entry in enumerate(data["levels"])))

    def __str__(self) -> str:
        """Return the printed loop nest; `parse` reads it back."""
        width = max((len(level.name) for level in self.levels), default=0)
        lines, depth = [], 0
        for level in self.levels:
            shown = level.name
            for loop in level.loops:
                word = f"spatial on {loop.axis}" if loop.axis else "for"
                step = f" step {loop.step}" if loop.step != 1 else ""
                lines.append(f"{shown:<{width}} | {'  ' * depth}{word} {loop.dim} in 0..{loop.extent}{step}")
                shown, depth = "", depth + 1
            if not level.loops:
                lines.append(f"{shown:<{width}} |")
        return "\n".join(lines)

    @classmethod
    def parse(cls, text: str) -> Mapping:
        """Read a printed loop nest; what follows ``#`` on a line, and blank space, mean nothing."""
        levels: list[tuple[str, list[Loop]]] = []
        for number, line in enumerate(uncommented(text).splitlines(), 1):
            if not line.strip():
                continue
            name, bar, rest = line.partition("|")
            if not bar or not (name.strip() or levels):
                raise SpecError(f"line {number}", line, "'LEVEL | for DIM in 0..N'", "keep the bar of the printed nest")
            if name.strip():
                levels.append((name.strip(), []))
            if rest.strip():
                levels[-1][1].append(_printed_loop(rest.strip(), number))
        if not levels:
            raise SpecError("line 1", "no loop nest", "'LEVEL | for DIM in 0..N'", "paste the printed nest")
        return cls(tuple(Level(name, tuple(loops)) for name, loops in levels))


def _known(data: dict[Any, Any], fields: tuple[str, ...], path: str) -> None:
    """Refuse fields that mean nothing: what is written must not be lost."""
    for key, value in data.items():
        if key not in fields:
            raise SpecError(f"{path}.{key}", value, ", ".join(fields), suggestion(str(key), fields))


def _level(data: Any, path: str) -> Level:
    if not isinstance(data, dict):
        raise SpecError(path, data, "{level: NAME, loops: [..]}", "correct the entry")
    _known(data, _LEVEL, path)
    if "level" not in data or not isinstance(data.get("loops", []), list):
        raise SpecError(path, data, "{level: NAME, loops: [..]}", "correct the entry")
    loops = [Loop.parse(str(text), f"{path}.loops[{i}]") for i, text in enumerate(data.get("loops", []))]
    name = str(data["level"])
    keys = [key for key in ("holds", "bypass") if key in data]
    if keys:
        said = resident(name)
        if len(keys) > 1 or (said is not None and not said.plain):
            found = " and ".join(keys) if len(keys) > 1 else f"{name} and {keys[0]}"
            fix = "keep one: holds lists all tensors that stay, bypass all that do not"
            raise SpecError(path, found, "holds, bypass or brackets", fix)
        tensors = _tensors(data[keys[0]], f"{path}.{keys[0]}")
        name = str(Resident(name, tensors) if keys == ["holds"] else Resident(name, None, tensors))
    return Level(name, tuple(loops))


def _tensors(data: Any, path: str) -> frozenset[str]:
    allowed = f"a list of {', '.join(TENSORS)}"
    if not isinstance(data, list):
        raise SpecError(path, data, allowed, "write for example [weights, inputs]")
    for i, name in enumerate(data):
        if name not in TENSORS:
            raise SpecError(f"{path}[{i}]", name, allowed, suggestion(str(name), TENSORS, "choose from these"))
    return frozenset(data)


def uncommented(text: str) -> str:
    """Return the text without comments, from ``#`` to the end of a line; lines keep their numbers."""
    return "\n".join(line.partition("#")[0].rstrip() for line in text.splitlines())


def _printed_loop(text: str, number: int) -> Loop:
    match = _PRINTED.fullmatch(" ".join(text.split()))
    sizes = [int(match[name] or 1) for name in ("extent", "step")] if match else [0]
    if not match or match["dim"] not in LOOP_DIMS or (match["axis"] or "rows") not in AXES or min(sizes) < 1:
        raise SpecError(f"line {number}", text, "'for DIM in 0..N [step M]' or 'spatial on AXIS DIM in 0..N'", "correct the line")
    return Loop(match["dim"], int(match["extent"]), int(match["step"] or 1), match["axis"])
