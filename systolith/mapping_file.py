"""Mapping files: one loop nest, or one per layer as ``map --json`` and ``design.yaml`` hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.mapping import Mapping
from systolith.documents import Document, parse_document, read_text
from systolith.textspec import suggestion

WHAT = "a mapping: YAML with levels, a printed loop nest, or the JSON of `systolith map`"


def read_mappings(path: Path, layers: list[str]) -> dict[str, Mapping]:
    """Read the mapping of every layer.

    Parameters
    ----------
    path : Path
        YAML or JSON with ``levels`` (one nest), with a list ``layers`` of ``{name, mapping}`` or a table ``mappings``
        of name to nest; or the text of a printed nest.
    layers : list of str
        Layers that need a mapping.

    Raises
    ------
    SpecError
        Malformed file, a layer without a mapping, or one nest for several layers.
    """
    text = read_text(path, WHAT)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if " |" in first and ":" not in first:
        return _single(_printed(text, str(path)), layers, str(path))
    document = parse_document(text, str(path), WHAT)
    data = document.data
    if isinstance(data, dict) and "levels" in data:
        return _single(_mapping(document, data, ()), layers, document.source)
    if isinstance(data, dict) and isinstance(data.get("layers"), list):
        found = dict(_entry(document, i, entry) for i, entry in enumerate(data["layers"]))
    elif isinstance(data, dict) and isinstance(data.get("mappings"), dict):
        found = {str(name): _mapping(document, nest, ("mappings", name)) for name, nest in data["mappings"].items()}
    else:
        raise SpecError(document.where(()), _short(data), "one of the fields levels, layers, mappings", "see docs/mappings.md")
    for name in layers:
        if name not in found:
            fix = suggestion(name, found, "map this network with `systolith map NETWORK --json`")
            raise SpecError(document.source, f"no mapping for layer {name}", "one mapping per layer", fix)
    return {name: found[name] for name in layers}


def _single(mapping: Mapping, layers: list[str], source: str) -> dict[str, Mapping]:
    if len(layers) != 1:
        raise SpecError(source, f"one mapping for {len(layers)} layers", "a mapping per layer, or --layer", "add --layer NAME")
    return {layers[0]: mapping}


def _printed(text: str, source: str) -> Mapping:
    try:
        return Mapping.parse(text)
    except SpecError as error:
        raise SpecError(f"{source}: {error.path}", error.found, error.allowed, error.fix) from None


def _entry(document: Document, index: int, entry: Any) -> tuple[str, Mapping]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or "mapping" not in entry:
        raise SpecError(document.where(("layers", index)), _short(entry), "{name: LAYER, mapping: {levels: [...]}}", "correct the entry")
    return entry["name"], _mapping(document, entry["mapping"], ("layers", index, "mapping"))


def _mapping(document: Document, data: Any, loc: tuple[str | int, ...]) -> Mapping:
    try:
        return Mapping.from_dict(data, "")
    except SpecError as error:
        place = document.where((*loc, "levels"))
        raise SpecError(f"{place}{error.path.removeprefix('.levels')}", _short(error.found), error.allowed, error.fix) from None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
