"""Reading files of other tools, and telling what they are by what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.yaml_lines import TAG, Document, parse_yaml, read_text

TAGS = frozenset(
    f"!{name}" for name in ("Component", "Container", "Hierarchical", "Parallel", "Pipelined", "Nothing", "Compute", "Storage")
)
"""Tags of Timeloop's architectures."""
TIMELOOP = {"problem": "timeloop problem", "architecture": "timeloop architecture", "mapping": "timeloop mapping"}
ZIGZAG = ("zigzag workload", "zigzag accelerator", "zigzag mapping")
SCALESIM = "scalesim architecture"
KINDS = (*TIMELOOP.values(), *ZIGZAG, SCALESIM)
_KEYS = "problem|architecture|mapping|operational_array|multipliers|operator_type|equation|spatial_mapping|temporal_ordering"
_HINT = re.compile(rf"^\s*-?\s*({_KEYS})\s*:", re.M)
_CFG = re.compile(r"^\s*\[\s*architecture_presets\s*\]", re.M)
_TEMPLATE = re.compile(r"\{\{|\{%")
Place = tuple[str | int, ...]


def unsupported(document: Document, at: Place, what: object, allowed: str, fix: str = "") -> SpecError:
    """Return the error for a construct that this suite cannot take over, with file, line and field."""
    return SpecError(document.where(*at), what, allowed, fix)


def recognised(path: str | Path) -> tuple[Document, tuple[str, ...]] | None:
    """Return a file of another tool as parsed YAML, and what it holds (`KINDS`); None for any other file.

    Raises
    ------
    SpecError
        If the file looks like one but is not well-formed YAML, or is a template.
    """
    if Path(path).suffix.lower() not in (".yaml", ".yml"):
        return None
    text = read_text(path, "a YAML file")
    if not _HINT.search(text):
        return None
    _no_template(text, str(path))
    document = parse_yaml(text, str(path), TAGS)
    found = kinds(document.data)
    return (document, found) if found else None


def is_scalesim(path: str | Path) -> bool:
    """Whether a file is an architecture of SCALE-Sim."""
    return Path(path).suffix.lower() == ".cfg" and _CFG.search(read_text(path, "a .cfg file of SCALE-Sim")) is not None


def kinds(data: Any) -> tuple[str, ...]:
    """Tell what parsed YAML holds."""
    if isinstance(data, list):
        entries = [entry for entry in data if isinstance(entry, dict)]
        if entries and any("equation" in entry or "operator_type" in entry for entry in entries):
            return ("zigzag workload",)
        if entries and any("spatial_mapping" in entry or "temporal_ordering" in entry for entry in entries):
            return ("zigzag mapping",)
        return ()
    if not isinstance(data, dict):
        return ()
    if "memories" in data and ("operational_array" in data or "multipliers" in data):
        return ("zigzag accelerator",)
    return tuple(kind for key, kind in TIMELOOP.items() if key in data and _is_timeloop(key, data[key]))


def _is_timeloop(key: str, part: Any) -> bool:
    if key == "mapping":  # this suite's own have levels
        return isinstance(part, list) or (isinstance(part, dict) and "levels" not in part)
    if key == "problem":
        return isinstance(part, dict) and bool({"shape", "instance", "version"} & set(part))
    return isinstance(part, dict) and bool({"nodes", "subtree", "version"} & set(part))


def _no_template(text: str, path: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.partition("#")[0]
        if _TEMPLATE.search(bare):
            fix = "expand it first: Timeloop's front end writes the expanded file as parsed-processed-input.yaml"
            raise SpecError(f"{path}:{number}", f"a jinja2 template: {bare.strip()}", "plain YAML", fix)


class Reader:
    """A document being read, and the notes on what was not understood."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.notes: list[str] = []

    def note(self, at: Place, what: str) -> None:
        """Remember something that was not understood, or understood in another way."""
        text = f"{self.document.where(*at)}: {what}"
        if text not in self.notes:
            self.notes.append(text)

    def unknown(self, data: dict[Any, Any], known: Iterable[str], at: Place) -> None:
        """Note the fields that have no meaning here."""
        for key in data:
            if key not in {*known, TAG}:
                self.note((*at, str(key)), f"not understood: {key}")

    def unsupported(self, at: Place, what: object, allowed: str, fix: str = "") -> SpecError:
        """Return the error for a construct that matters and cannot be taken over."""
        return unsupported(self.document, at, what, allowed, fix)

    def table(self, data: Any, at: Place, what: str) -> dict[str, Any]:
        """Return a mapping, or raise."""
        if not isinstance(data, dict):
            raise self.unsupported(at, _short(data), what, "write fields as name: value")
        return data

    def items(self, data: Any, at: Place, what: str) -> list[Any]:
        """Return a list, or raise."""
        if not isinstance(data, list):
            raise self.unsupported(at, _short(data), what, "write a list")
        return data

    def rows(self, data: Any, at: Place, what: str) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Yield place and entry of a list of mappings, each of the form `what`."""
        for number, entry in enumerate(self.items(data, at, f"a list of {what}")):
            yield (*at, number), self.table(entry, (*at, number), what)

    def word(self, data: Any, at: Place, known: Iterable[str]) -> str:
        """Return one of the known words, or raise."""
        options = list(known)
        if data not in options:
            raise self.unsupported(at, _short(data), ", ".join(options), suggestion(str(data), options, "choose one of these"))
        return str(data)

    def number(self, data: Any, at: Place) -> float:
        """Return a number that is not negative; YAML reads 1e-9 as text, which counts as one too."""
        if isinstance(data, str):
            try:
                data = float(data)
            except ValueError:
                raise self.unsupported(at, f"an expression: {data}", "a number", "write its value") from None
        if isinstance(data, bool) or not isinstance(data, int | float) or not 0 <= data < float("inf"):
            raise self.unsupported(at, _short(data), "a number, not negative", "correct the value")
        return data

    def whole(self, data: Any, at: Place) -> int:
        """Return a positive integer."""
        value = self.number(data, at)
        if value != int(value) or value < 1:
            raise self.unsupported(at, _short(data), "a positive integer", "correct the value")
        return int(value)

    def version(self, data: dict[str, Any], at: Place) -> None:
        """Check that a part of a Timeloop file is of version 0.4."""
        if str(data.get("version", "0.4")) != "0.4":
            raise self.unsupported((*at, "version"), f"version {data['version']}", "0.4", "convert it with Timeloop's front end")


def _short(data: Any) -> str:
    text = "nothing" if data is None else str(data)
    return text if len(text) <= 80 else text[:77] + "..."
