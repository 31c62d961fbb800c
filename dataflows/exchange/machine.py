"""An imported architecture, and what the other tool calls its directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.exchange.source import Place, Reader
from dataflows.nest.architecture import Architecture
from dataflows.tech import TECHNOLOGIES

X, Y = "cols", "rows"
"""Our names of the directions that Timeloop calls X and Y."""


_NAME = re.compile(r"[A-Za-z_][\w-]*")
_COUNTED = re.compile(r"L\d+")


def level_name(name: str) -> str:
    """Return a name that a level of ours may have: ``L1`` means the second from the inside here, whatever it is there."""
    plain = re.sub(r"[^\w-]", "_", name)
    return plain if _NAME.fullmatch(plain) and not _COUNTED.fullmatch(plain) else f"mem_{plain}"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where loops over space go: the level above, and its axes called X and Y, if there are such."""

    level: str
    x: str | None
    y: str | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that exist."""
        return tuple(axis for axis in (self.x, self.y) if axis is not None)


@dataclass(frozen=True, slots=True)
class Machine:
    """An architecture.

    Attributes
    ----------
    architecture : Architecture
        In this suite's terms.
    spots : dict
        By the other tool's name of a container, level or dimension of the array, for mappings in its form.
    notes : tuple of str
        What was not understood.
    """

    architecture: Architecture
    spots: Mapping[str, Spot]
    notes: tuple[str, ...] = ()


def machine(architecture: Architecture) -> Machine:
    """Return one of our own architectures with the names that its export has (`dataflows.exchange.timeloop_write`)."""
    spots: dict[str, Spot] = {}
    for level in architecture.levels:
        names = [axis.name for axis in level.fanout.axes]
        for name in names:
            spots[f"{level.name}_{name}"] = Spot(level.name, None, name) if name == Y else Spot(level.name, name)
        if names:
            spots[level.name] = Spot(level.name, X if X in names else None, Y if Y in names else None)
    return Machine(architecture, spots)


def build(read: Reader, data: dict[str, Any], places: list[Place]) -> Architecture:
    """Build from our YAML form; an error names the place of the level in the other tool's file."""
    try:
        return Architecture.from_dict(data, "")
    except SpecError as error:
        for number, place in enumerate(places):
            level, head = data["levels"][number]["name"], f".levels[{number}]"
            if error.path.startswith((head, f"level {level}")):
                rest = error.path.removeprefix(head).removeprefix(f"level {level}").lstrip(".: ")
                text = f"{read.document.where(*place)}: {rest}"
                raise SpecError(text, error.found, error.allowed, error.fix) from None
        raise SpecError(f"{read.document.path}: {error.path.lstrip('.')}", error.found, error.allowed, error.fix) from None


def renamed(read: Reader, name: str, at: Place) -> str:
    """Return the name of a level, with a note where it is another."""
    found = level_name(name)
    if found != name:
        read.note(at, f"{name} is called {found}: {name} is no name of a level here")
    return found


def technology(read: Reader, text: Any, at: Place) -> str | None:
    """Return the nearest of our technology tables for a node such as ``40nm``, with a note where it is another."""
    digits = str(text).lower().removesuffix("nm").strip()
    try:
        node = float(digits)
    except ValueError:
        read.note(at, f"not understood: technology {text}")
        return None
    if node <= 0:
        return None
    nearest = min(TECHNOLOGIES.values(), key=lambda table: abs(table.node_nm - node))
    tables = f"energies that are not given come from this suite's {nearest.name} table"
    read.note(at, f"technology {text}: {tables}, not from Accelergy")
    return nearest.name
