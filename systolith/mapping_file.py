"""Mapping files: one loop nest, or one per layer as ``map --json`` and ``design.yaml`` hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dataflows.arch import Accelerator
from dataflows.compact import is_compact
from dataflows.errors import SpecError
from dataflows.mapping import Mapping, uncommented
from dataflows.tiling import LEVELS, Tiling, by_name, tiling_of
from dataflows.workload import Layer
from dataflows.yaml_lines import Document, parse_yaml, read_text
from systolith.compact import parse_compact
from systolith.textspec import is_file, suggestion

WHAT = "a mapping: YAML with levels, a printed loop nest, or the JSON of `systolith map`"


_NEST = re.compile(r"[^\s:|#][^:|]*\|\s*(?:(?:for|spatial) .*)?")
"""The first line of a printed nest: a level, a bar, and a loop if it has one."""
_RULE = "\u2500"
"""What tables draw their lines with."""


def mapping_text(argument: str | Path, names: Sequence[str]) -> tuple[str, str]:
    """Return the text of a mapping and what to call it: a file's, or the argument itself when that is no file but a nest.

    Parameters
    ----------
    argument : str or Path
        As the user wrote it.
    names : sequence of str
        Levels of the architecture.
    """
    if isinstance(argument, str) and not is_file(argument):
        if not argument.strip():
            raise SpecError(
                "--mapping", "an empty text", f"compact text, or a file with {WHAT}", "write for example 'L1 K4 ; L0 C8'"
            )
        if is_compact(uncommented(argument), names) or _first_line_of_nest(argument) == 0:
            return argument, "--mapping"
    return read_text(argument, WHAT), str(argument)


def _first_line_of_nest(text: str) -> int | None:
    """Return the index of the line where a printed nest begins; None where there is none."""
    return next((i for i, line in enumerate(uncommented(text).splitlines()) if _NEST.fullmatch(line)), None)


def read_mappings(argument: str | Path, layers: list[Layer], acc: Accelerator) -> dict[str, tuple[Layer, Tiling]]:
    """Read the mapping of every layer.

    Parameters
    ----------
    argument : str or Path
        Compact text (`systolith.compact`), or a file: YAML or JSON with ``levels`` (one nest), with a list ``layers`` of
        ``{name, mapping}`` or a table ``mappings`` of name to nest; or what `cost` prints, as text or JSON; or compact text.
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
    text, source = mapping_text(argument, LEVELS)
    if is_compact(uncommented(text), LEVELS):
        layer = only(layers, source)
        return {layer.name: parse_compact(uncommented(text), layer, acc, source)}
    found = nests(text, source, layers)
    return {layer.name: _fit(layer, acc, found[layer.name], source) for layer in layers}


def _fit(layer: Layer, acc: Accelerator, mapping: Mapping, source: str) -> tuple[Layer, Tiling]:
    """Read the tiling; a nest that walks one output row of one element may stand for the flattened layer."""
    flat = layer.flattened()
    try:
        mapping = by_name(mapping)
        rows = next((loop for loop in mapping.level("dram").loops if loop.dim == "P"), None)
        if rows is None and flat != layer:  # left out: the nest fits only one of the two
            with suppress(SpecError):
                return flat, tiling_of(flat, acc, mapping)
        layer = flat if rows is not None and (rows.extent, rows.step) == (1, 1) else layer
        return layer, tiling_of(layer, acc, mapping)
    except SpecError as error:
        raise SpecError(f"{source}: {layer.name}: {error.path}", _short(error.found), error.allowed, error.fix) from None


def nests(text: str, source: str, layers: list[Layer]) -> dict[str, Mapping]:
    """Read the nest of every layer from printed or YAML text; errors as for `read_mappings`.

    What commands print before a nest, such as tables, is skipped.
    """
    plain = uncommented(text)
    first = next((line for line in plain.splitlines() if line.strip()), "")
    begin = 0 if " |" in first and ":" not in first else _first_line_of_nest(text)
    if begin is not None:
        return {only(layers, source).name: _printed("\n" * begin + "\n".join(plain.splitlines()[begin:]), source)}
    if _RULE in plain:
        fix = "cost or map a single layer (--layer NAME), which prints its nest, or save the output of --json"
        raise SpecError(source, "tables without a loop nest", WHAT, fix)
    document = parse_yaml(text, source)
    data = document.data
    if isinstance(data, dict) and "levels" in data and "mapping" not in data:
        return {only(layers, source).name: _mapping(document, data, ())}
    found = _listed(document)
    for layer in layers:
        if layer.name not in found:
            fix = suggestion(layer.name, found, "map this network with `systolith map NETWORK --json`")
            raise SpecError(source, f"no mapping for layer {layer.name}", "one mapping per layer", fix)
    return found


def _listed(document: Document) -> dict[str, Mapping]:
    """Read the nests of named layers: what `map --json`, `cost --json` and design files hold."""
    data = document.data
    if isinstance(data, dict) and isinstance(data.get("layers"), list):
        return dict(_entry(document, ("layers", i), entry) for i, entry in enumerate(data["layers"]))
    if isinstance(data, dict) and isinstance(data.get("mappings"), dict):
        return {str(name): _mapping(document, nest, ("mappings", name)) for name, nest in data["mappings"].items()}
    if isinstance(data, list) and data:
        return dict(_entry(document, (i,), entry) for i, entry in enumerate(data))
    if isinstance(data, dict) and "mapping" in data:
        return dict([_entry(document, (), data)])
    raise SpecError(document.where(), _short(data), "one of the fields levels, layers, mappings", "see docs/mappings.md")


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


def _entry(document: Document, loc: tuple[str | int, ...], entry: Any) -> tuple[str, Mapping]:
    name = entry.get("name", entry.get("layer")) if isinstance(entry, dict) else None
    if not isinstance(name, str) or "mapping" not in entry:
        allowed = "{name: LAYER, mapping: {levels: [...]}}"
        raise SpecError(document.where(*loc), _short(entry), allowed, "correct the entry")
    return name, _mapping(document, entry["mapping"], (*loc, "mapping"))


def _mapping(document: Document, data: Any, loc: tuple[str | int, ...]) -> Mapping:
    try:
        return Mapping.from_dict(data, "")
    except SpecError as error:
        keys = [int(index) if index else name for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", error.path)]
        place = document.where(*loc, *(keys or ["levels"]))
        raise SpecError(place, _short(error.found), error.allowed, error.fix) from None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
