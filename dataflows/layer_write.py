"""Networks as layer files, the inverse of `dataflows.layer_text.read_layers`."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import yaml

from dataflows.errors import SpecError
from dataflows.traffic import TrafficLayer
from dataflows.workload import Layer, Network

_SIZES = ("K", "C", "P", "Q", "R", "S", "N", "G", "H", "W", "stride", "dilation", "padding")
_DEFAULTS = {field.name: field.default for field in fields(Layer) if field.default is not MISSING}
_REST = tuple(name for name in _DEFAULTS if name not in _SIZES)


def write_layers(net: Network) -> str:
    """Return a network as the text of a layer file, one line per entry.

    Reading it back gives an equal network. Layers are written as `gemm` or `conv` where these say all, and as `nest`
    otherwise; an operation that only moves data stands after the layer it follows.

    Raises
    ------
    SpecError
        When such an operation follows a layer that the network does not have.
    """
    lines = [_line({"name": net.name}), _line({"source": net.source})] if net.source else [_line({"name": net.name})]
    if net.parameters != sum(layer.parameters for layer in net.layers):
        lines.append(_line({"parameters": net.parameters}))
    lines.append("layers:")
    waiting, seen = list(net.traffic), {""}
    lines += _due(waiting, "", seen)
    for layer in net.layers:
        seen.add(layer.name)
        lines += [f"  - {_flow(_entry(layer))}", *_due(waiting, layer.name, seen)]
    if waiting:
        raise SpecError(f"{net.name}.traffic", waiting[0].after, "a layer of the network", f"correct {waiting[0].name}")
    return "\n".join(lines) + "\n"


def _due(waiting: list[TrafficLayer], last: str, seen: set[str]) -> list[str]:
    """Return the lines of the operations that may stand here, and remove them from those that wait."""
    lines = []
    while waiting and waiting[0].after in seen:
        entry = waiting.pop(0)
        body: dict[str, Any] = {"op": entry.op, "input_words": entry.input_words, "output_words": entry.output_words}
        if entry.bits != 8:
            body["bits"] = entry.bits
        if entry.after != last:
            body["after"] = entry.after
        lines.append(f"  - {_flow({'name': entry.name, 'traffic': body})}")
    return lines


def _entry(layer: Layer) -> dict[str, Any]:
    rest = {key: value for key in _REST if (value := getattr(layer, key)) != _DEFAULTS[key]}
    sizes = {"M": layer.Q, "N": layer.K, "K": layer.C, "G": layer.G}
    if layer.op == "mac" and Layer.gemm(layer.name, **sizes, **rest) == layer:
        return {"name": layer.name, "gemm": {**{key: v for key, v in sizes.items() if key != "G" or v > 1}, **rest}}
    if layer.op != "mac":
        return {"name": layer.name, "nest": {**{key: _short(key, getattr(layer, key)) for key in _SIZES}, **rest}}
    own = {"K": layer.K * layer.G, "C": layer.C * layer.G, **{key: getattr(layer, key) for key in ("H", "W", "R", "S")}}
    moves = {
        key: value for key in ("N", "G", "stride", "padding", "dilation") if (value := getattr(layer, key)) != _DEFAULTS[key]
    }
    try:
        same = Layer.conv(layer.name, **own, **moves, **rest) == layer
    except SpecError:  # such as an input that the filter does not fit
        same = False
    if not same:
        own, moves = {}, {key: getattr(layer, key) for key in _SIZES}
    body = {key: _short(key, value) for key, value in (own | moves).items()}
    return {"name": layer.name, "conv" if same else "nest": {**body, **rest}}


def _short(key: str, value: Any) -> Any:
    """Return 2 for (2, 2), and a list for other tuples."""
    if not isinstance(value, tuple):
        return value
    return value[0] if len(set(value)) == 1 else list(value)


def _flow(entry: dict[str, Any]) -> str:
    return yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1 << 20, allow_unicode=True).strip()


def _line(entry: dict[str, Any]) -> str:
    return yaml.safe_dump(entry, sort_keys=False, width=1 << 20, allow_unicode=True).strip()
