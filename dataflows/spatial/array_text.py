"""Spatial arrays as plain data: what YAML files hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SCHEMA, Depths, SpatialArray, SpatialAxis

_OPTIONS = ("input_bits", "weight_bits", "acc_bits", "tag_bits", "pe_stages", "tree_levels", "zero_gating")
_TOP = ("schema", "name", "description", "axes", "l1_words", "ports", "links", *_OPTIONS)
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_AXIS = ("name", "size", "dims", "delay")


def array_from_dict(data: Any, path: str = "array") -> SpatialArray:
    """Read the YAML form; what is left out has the default of `SpatialArray`."""
    _known(data, path, _TOP, "axes")
    if data.get("schema", SCHEMA) != SCHEMA:
        raise SpecError(f"{path}.schema", data["schema"], str(SCHEMA), "use the form of this version")
    if not isinstance(data["axes"], list):
        raise SpecError(f"{path}.axes", data["axes"], "a list of {name, size, dims, delay}", "correct the value")
    axes = tuple(_axis(entry, f"{path}.axes[{at}]") for at, entry in enumerate(data["axes"]))
    words = _per_tensor(data.get("l1_words", {}), f"{path}.l1_words", 1)
    ports = [_port(entry, f"{path}.ports") for entry in _per_tensor(data.get("ports", {}), f"{path}.ports", [])]
    widths = {name: data[name] for name in _OPTIONS if name in data}
    found = data.get("links", {})
    _known(found, f"{path}.links", TENSORS[:2])
    links = [_depths(found.get(tensor, {}), f"{path}.links.{tensor}") for tensor in TENSORS[:2]]
    try:
        return SpatialArray(
            axes, (words[0], words[1], words[2]), (ports[0], ports[1], ports[2]), **widths, links=(links[0], links[1])
        )  # fmt: skip
    except SpecError as error:
        raise SpecError(path + error.path.removeprefix("array"), error.found, error.allowed, error.fix) from None


def array_name(data: Any, default: str, path: str) -> str:
    """Return the name of an array file: a word that Verilog and file names can have."""
    name = data.get("name", default)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpecError(f"{path}.name", name, "letters, digits and _, beginning with a letter", "rename the array, or the file")
    return name


def _axis(data: Any, path: str) -> SpatialAxis:
    _known(data, path, _AXIS, "name", "size")
    try:
        return SpatialAxis(**{str(key): value for key, value in data.items()})
    except SpecError as error:
        raise SpecError(f"{path}: {error.path}", error.found, error.allowed, error.fix) from None
    except TypeError:
        raise SpecError(path, data, "a name, a number, letters of dimensions, 0 or 1", "correct the types") from None


def _per_tensor(data: Any, path: str, absent: Any) -> list[Any]:
    _known(data, path, TENSORS)
    return [data.get(tensor, absent) for tensor in TENSORS]


def _port(value: Any, path: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value) or len(set(value)) != len(value):
        raise SpecError(path, value, "a list of axes for each tensor", "write for example {weights: [cols]}")
    return frozenset(value)


def _depths(value: Any, path: str) -> Depths:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise SpecError(path, value, "axes with depths", "write for example {inputs: {cols: 2}}")
    return tuple(value.items())


def _known(data: Any, path: str, known: Sequence[str], *required: str) -> None:
    if not isinstance(data, dict):
        raise SpecError(path, data, f"fields {', '.join(known)}", "write them as `name: value`")
    for key in data:
        if key not in known:
            raise SpecError(f"{path}.{key}", data[key], ", ".join(known), suggestion(str(key), known, "remove it"))
    for key in required:
        if data.get(key) is None:
            raise SpecError(f"{path}.{key}", "nothing", "a value: this field is required", f"add {key}")
