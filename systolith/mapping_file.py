"""Mapping files: one loop nest, or one per layer as ``map --json`` and ``design.yaml`` hold them."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.mapping import Mapping, uncommented
from dataflows.tiling import Tiling, tiling_of
from dataflows.workload import Layer
from dataflows.yaml_lines import Document, parse_yaml, read_text
from systolith.compact import is_compact, parse_compact
from systolith.textspec import suggestion

WHAT = "a mapping: YAML with levels, a printed loop nest, or the JSON of `systolith map`"


def mapping_text(argument: str | Path) -> tuple[str, str]:
    """Return the text of a mapping and what to call it: a file's, or the argument itself when that is compact text."""
    if isinstance(argument, str) and re.match(r"\s*L\d+[\[:\s]", argument):
        return argument, "--mapping"
    return read_text(argument, WHAT), str(argument)


def read_mappings(argument: str | Path, layers: list[Layer], acc: Accelerator) -> dict[str, tuple[Layer, Tiling]]:
    """Read the mapping of every layer.

    Parameters
    ----------
    argument : str or Path
        Compact text (`systolith.compact`), or a file: YAML or JSON with ``levels`` (one nest), with a list ``layers`` of
        ``{name, mapping}`` or a table ``mappings`` of name to nest; or the text of a printed nest; or compact text.
    layers : list of Layer
        Layers that need a mapping.
    acc : Accelerator
        The machine they are for.

    Returns
    -------
    dict
        Layer name to the layer as the nest walks it (rows may be merged, see `Layer.flattened`) and its tiling.

    Raises
    ------
    SpecError
        Malformed file, a layer without a mapping, one nest for several layers, or a nest the machine does not walk.
    """
    text, source = mapping_text(argument)
    if is_compact(uncommented(text)):
        layer = only(layers, source)
        return {layer.name: parse_compact(uncommented(text), layer, acc, source)}
    found = nests(text, source, layers)
    return {layer.name: _fit(layer, acc, found[layer.name], source) for layer in layers}


def _fit(layer: Layer, acc: Accelerator, mapping: Mapping, source: str) -> tuple[Layer, Tiling]:
    """Read the tiling; a nest that walks one output row of one element may stand for the flattened layer."""
    flat = layer.flattened()
    try:
        rows = next((loop for loop in mapping.level("dram").loops if loop.dim == "P"), None)
        if rows is None and flat != layer:  # left out: the nest fits only one of the two
            with suppress(SpecError):
                return flat, tiling_of(flat, acc, mapping)
        layer = flat if rows is not None and (rows.extent, rows.step) == (1, 1) else layer
        return layer, tiling_of(layer, acc, mapping)
    except SpecError as error:
        raise SpecError(f"{source}: {layer.name}: {error.path}", _short(error.found), error.allowed, error.fix) from None


def nests(text: str, source: str, layers: list[Layer]) -> dict[str, Mapping]:
    """Read the nest of every layer from printed or YAML text; errors as for `read_mappings`."""
    first = next((line for line in uncommented(text).splitlines() if line.strip()), "")
    if " |" in first and ":" not in first:
        return {only(layers, source).name: _printed(text, source)}
    document = parse_yaml(text, source)
    data = document.data
    if isinstance(data, dict) and "levels" in data:
        return {only(layers, source).name: _mapping(document, data, ())}
    if isinstance(data, dict) and isinstance(data.get("layers"), list):
        found = dict(_entry(document, i, entry) for i, entry in enumerate(data["layers"]))
    elif isinstance(data, dict) and isinstance(data.get("mappings"), dict):
        found = {str(name): _mapping(document, nest, ("mappings", name)) for name, nest in data["mappings"].items()}
    else:
        raise SpecError(document.where(), _short(data), "one of the fields levels, layers, mappings", "see docs/mappings.md")
    for layer in layers:
        if layer.name not in found:
            fix = suggestion(layer.name, found, "map this network with `systolith map NETWORK --json`")
            raise SpecError(source, f"no mapping for layer {layer.name}", "one mapping per layer", fix)
    return found


def only(layers: list[Layer], source: str) -> Layer:
    """Return the one layer that a single nest is for."""
    if len(layers) != 1:
        raise SpecError(source, f"one mapping for {len(layers)} layers", "a mapping per layer, or --layer", "add --layer NAME")
    return layers[0]


def _printed(text: str, source: str) -> Mapping:
    try:
        return Mapping.parse(text)
    except SpecError as error:
        raise SpecError(f"{source}: {error.path}", error.found, error.allowed, error.fix) from None


def _entry(document: Document, index: int, entry: Any) -> tuple[str, Mapping]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or "mapping" not in entry:
        raise SpecError(
            document.where("layers", index), _short(entry), "{name: LAYER, mapping: {levels: [...]}}", "correct the entry"
        )
    return entry["name"], _mapping(document, entry["mapping"], ("layers", index, "mapping"))


def _mapping(document: Document, data: Any, loc: tuple[str | int, ...]) -> Mapping:
    try:
        return Mapping.from_dict(data, "")
    except SpecError as error:
        place = document.where(*loc, "levels")
        raise SpecError(f"{place}{error.path.removeprefix('.levels')}", _short(error.found), error.allowed, error.fix) from None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
