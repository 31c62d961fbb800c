"""Architectures of SCALE-Sim (``.cfg``): array, dataflow, and what its cycles without stalls do not depend on."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from dataflows.errors import SpecError, suggestion
from dataflows.nest.scalesim import SPACE
from dataflows.yaml_lines import read_text

SECTION = "architecture_presets"
_KNOWN = ("arrayheight", "arraywidth", "dataflow")
_MEMORY = ("ifmapsramszkb", "filtersramszkb", "ofmapsramszkb", "bandwidth")
_WHAT = "a .cfg file of SCALE-Sim"


@dataclass(frozen=True, slots=True)
class ScaleSim:
    """An array.

    Attributes
    ----------
    name : str
        Its `run_name`, or the file's.
    rows, cols : int
        Size of the array.
    dataflow : str
        ``ws``, ``os`` or ``is``.
    notes : tuple of str
        What was not understood.
    """

    name: str
    rows: int
    cols: int
    dataflow: str
    notes: tuple[str, ...]


def read_cfg(path: str | Path) -> ScaleSim:
    """Read a file; raise `SpecError` with file, line and key."""
    text = read_text(path, _WHAT)
    lines = _lines(text)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text.removeprefix("\ufeff"), str(path))
    except configparser.Error as error:
        number = getattr(error, "lineno", None)
        place = f"{path}:{number}" if number else str(path)
        raise SpecError(place, " ".join(str(error.message).split()), _WHAT, "correct the line") from None
    if not parser.has_section(SECTION):
        raise SpecError(str(path), "no section of that name", f"[{SECTION}]", "add it")
    given = parser[SECTION]
    rows, cols = (_whole(path, lines, given, key) for key in ("ArrayHeight", "ArrayWidth"))
    flow = given.get("dataflow", "").strip().lower()
    if flow not in SPACE:
        known = ", ".join(SPACE)
        raise SpecError(_place(path, lines, "Dataflow"), flow or "nothing", known, suggestion(flow, SPACE, "choose one of these"))
    if parser.get("sparsity", "sparsitysupport", fallback="false").strip().lower() == "true":
        allowed = "false: sparsity comes from the topology's column, as a density"
        raise SpecError(_place(path, lines, "SparsitySupport"), "true", allowed, "set it to false")
    name = parser.get("general", "run_name", fallback="").strip().strip('"') or Path(path).stem
    return ScaleSim(name, rows, cols, flow, _notes(path, lines, parser))


def _notes(path: str | Path, lines: dict[str, int], parser: configparser.ConfigParser) -> tuple[str, ...]:
    found = []
    for key in parser[SECTION]:
        if key in _MEMORY:
            found.append(f"{_place(path, lines, key)}: not understood: cycles are those without stalls, whatever the memories")
        elif key not in _KNOWN:
            found.append(f"{_place(path, lines, key)}: not understood: {key}")
    for section in parser.sections():
        if section not in (SECTION, "general", "sparsity"):
            found.append(f"{path}: not understood: section [{section}]")
    return tuple(found)


def _lines(text: str) -> dict[str, int]:
    """Return the line of every key, in small letters."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key = line.replace("=", ":").partition(":")[0].strip().lower()
        found.setdefault(key, number)
    return found


def _place(path: str | Path, lines: dict[str, int], key: str) -> str:
    return f"{path}:{lines.get(key.lower(), 1)}: {key}"


def _whole(path: str | Path, lines: dict[str, int], given: configparser.SectionProxy, key: str) -> int:
    text = given.get(key, "").strip()
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):
        raise SpecError(_place(path, lines, key), text or "nothing", "a positive integer", "correct the value")
    return int(text)
