"""Layers as people write them: ``conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2`` and YAML lists of the same fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dataflows.documents import spec_error
from dataflows.errors import SpecError
from dataflows.layer_kinds import FLAGS, KINDS, TUPLES, Parsed, Part
from dataflows.traffic import TrafficLayer
from dataflows.workload import Layer, Network
from dataflows.yaml_lines import Document, read_yaml

_ALLOWED = f"{', '.join(KINDS)}, each followed by : and KEY=VALUE,..."
_TOP = ("name", "source", "parameters", "layers")


def is_layer_text(text: str) -> bool:
    """Whether the text starts like an inline layer."""
    return text.partition(":")[0].strip() in KINDS and ":" in text


def parse_layer(text: str, name: str = "") -> Layer:
    """Read one inline layer, see `parse_layers`; text that means several raises `SpecError`."""
    found = parse_layers(text, name)
    if len(found) != 1:
        raise SpecError("layer", text, "text that means a single layer", f"this one is {len(found)} layers: use it as a network")
    return found[0]


def parse_network(text: str) -> Network:
    """Read inline text as a network of its own, see `parse_parts`; text without a layer raises `SpecError`."""
    parsed, name = _parse(text), text.partition(":")[0].strip()
    parts = parsed.parts(parsed.name or name, "")
    if not any(isinstance(part, Layer) for part in parts):
        raise SpecError("network", text, "a network with at least one layer", "write it into a layer file beside a layer")
    return _network(parsed.name or name, parts, text, _weights(parsed, parts))


def parse_layers(text: str, name: str = "") -> tuple[Layer, ...]:
    """Read inline text that means layers; as `parse_parts`, without what only moves data."""
    return tuple(part for part in parse_parts(text, name) if isinstance(part, Layer))


def parse_parts(text: str, name: str = "", after: str = "") -> tuple[Part, ...]:
    """Read inline text.

    Parameters
    ----------
    text : str
        A kind of `dataflows.layer_kinds.KINDS`, a colon, and ``key=value`` pairs; pairs and fours are joined by ``x``:
        ``stride=2x1``, and ``padding`` is ``top x left x bottom x right``. Signs and other choices are ``true`` or
        ``false``. The manual's page on workloads lists the fields.
    name : str
        Used when the text gives none; the kind when both are empty.
    after : str
        Layer that an operation without layers follows.

    Returns
    -------
    tuple of Layer or TrafficLayer
        One, or one per stride phase of a transposed convolution, or those of an attention layer.

    Raises
    ------
    SpecError
        Naming the pair or the field.
    """
    parsed = _parse(text)
    return parsed.parts(parsed.name or name or text.partition(":")[0].strip(), after)


def _parse(text: str) -> Parsed:
    kind, _, body = text.partition(":")
    kind = kind.strip()
    if kind not in KINDS:
        raise SpecError("layer", text, _ALLOWED, "start with the kind of layer")
    fields: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in body.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise SpecError(f"{kind}:", pair, "KEY=VALUE", "write the pair with one =")
        if key in fields:
            raise SpecError(f"{kind}:{key}", pair, "each key once", "remove one of the two")
        fields[key] = tuple(value.split("x")) if key in TUPLES and "x" in value else value
    return _validated(kind, {key: _number(value) for key, value in fields.items()}, lambda field: f"{kind}:{field}")


def read_layers(path: str | Path) -> Network:
    """Read a YAML file of layers.

    The file is a list, or a mapping with `layers` and optionally `name`, `source` and `parameters` (the number of weights,
    where layers share some or multiply what the network itself makes). Each entry has one kind with the fields of
    `parse_parts` and optionally `name`, or is inline text; operations that only move data follow the layer before them::

        layers:
          - {name: stem, conv: {K: 64, C: 3, H: 224, W: 224, R: 7, S: 7, stride: 2, padding: 3}}
          - {pool: {op: maxpool, C: 64, H: 112, W: 112, R: 3, S: 3, stride: 2, padding: 1}}
          - gemm:M=1,N=1000,K=512

    Raises
    ------
    SpecError
        With ``file:line`` and the field.
    """
    document = read_yaml(path)
    data, prefix, top = document.data, (), {}
    if isinstance(data, dict):
        for key in data:
            if key not in _TOP:
                raise SpecError(document.where(str(key)), key, ", ".join(_TOP), "remove or rename the field")
        top, data, prefix = data, data.get("layers"), ("layers",)
    if not isinstance(data, list) or not data:
        raise SpecError(document.where(*prefix), data, "a list of at least one layer", "list layers as - conv: or - gemm:")
    parts: list[Part] = []
    taken: dict[type[Part], set[str]] = {Layer: set(), TrafficLayer: set()}
    weights = 0
    for index, entry in enumerate(data):
        after = next((part.name for part in reversed(parts) if isinstance(part, Layer)), "")
        parsed, found = _entry(document, (*prefix, index), entry, f"layer{index + 1}", after)
        weights += _weights(parsed, found)
        for part in found:
            if part.name in taken[type(part)]:
                raise SpecError(document.where(*prefix, index), part.name, "a name no other layer has", "rename the layer")
            taken[type(part)].add(part.name)
            parts.append(part)
    _check(document, prefix, parts, taken[Layer])
    given = top.get("parameters", weights)
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise SpecError(document.where("parameters"), given, "a number of weights", "correct or remove it")
    return _network(str(top.get("name") or Path(path).stem), parts, str(top.get("source") or path), given)


def _check(document: Document, prefix: tuple[str, ...], parts: Sequence[Part], layers: set[str]) -> None:
    """Raise `SpecError` for a file without layers, or for an operation after a layer that is not there."""
    if not layers:
        raise SpecError(document.where(*prefix), "only operations that move data", "at least one layer", "add a conv or gemm")
    for part in parts:
        if isinstance(part, TrafficLayer) and part.after not in layers | {""}:
            raise SpecError(
                document.where(*prefix), f"{part.name} after {part.after}", ", ".join(sorted(layers)), "name one of the layers"
            )


def _weights(parsed: Parsed, parts: Sequence[Part]) -> int:
    return sum(part.parameters for part in parts if isinstance(part, Layer)) if parsed.stored else 0


def _network(name: str, parts: Sequence[Part], source: str, parameters: int) -> Network:
    layers = tuple(part for part in parts if isinstance(part, Layer))
    traffic = tuple(part for part in parts if isinstance(part, TrafficLayer))
    return Network(name, layers, parameters, source, traffic)


def _entry(
    document: Document, path: tuple[str | int, ...], entry: object, name: str, after: str
) -> tuple[Parsed, tuple[Part, ...]]:
    try:
        if isinstance(entry, str) and is_layer_text(entry):
            parsed, given = _parse(entry), ""
        else:
            kind, fields, given = _parts(entry)
            parsed = _validated(kind, fields, lambda field: document.where(*path, kind, *field.split(".")))
        return parsed, parsed.parts(given or parsed.name or name, after)
    except SpecError as error:
        if error.path.startswith(document.path):
            raise
        raise SpecError(f"{document.where(*path)}: {error.path}", error.found, error.allowed, error.fix) from error


def _parts(entry: object) -> tuple[str, dict[str, Any], str]:
    """Split an entry into kind, fields and name."""
    if isinstance(entry, dict):
        kinds = [key for key in entry if key in KINDS]
        if len(kinds) == 1 and isinstance(entry[kinds[0]], dict) and set(entry) <= {*kinds, "name"}:
            return kinds[0], entry[kinds[0]], str(entry.get("name") or "")
    allowed = f"{{conv: {{...}}}} or another of {', '.join(KINDS)}, with an optional name"
    raise SpecError("layer", entry, allowed, "give one kind with its fields")


def _validated(kind: str, fields: dict[str, Any], where: Callable[[str], str]) -> Parsed:
    model = KINDS[kind]
    for key, value in fields.items():
        if isinstance(value, bool) and key not in FLAGS:  # YAML reads "yes" as true, and true would pass for 1
            raise SpecError(where(str(key)), value, "a number or a word", "correct the layer")
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise spec_error(model, error, lambda *loc: where(str(loc[0]) if loc else "")) from None


def _number(value: Any) -> Any:
    """Turn decimal text into int, leave the rest for validation to refuse or to read as a fraction."""
    if isinstance(value, tuple):
        return tuple(_number(part) for part in value)
    return int(value) if value.lstrip("-").isdecimal() and value.isascii() and len(value) < 12 else value
