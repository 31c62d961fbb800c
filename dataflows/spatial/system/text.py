"""Systems as plain data: what YAML files hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from dataflows.arch import Memory
from dataflows.errors import SpecError, suggestion
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array_text import array_from_dict
from dataflows.spatial.system.coding import Coding
from dataflows.spatial.system.spec import L2_WORDS, SpatialSystem

Part = TypeVar("Part", Memory, Coding)
KEYS = ("memory", "l2_words", "post_lanes", "channels", "rlc")
"""What makes the file of an array that of a system; one of them is enough."""
MEMORY = tuple(field.name for field in fields(Memory))
RLC = tuple(field.name for field in fields(Coding))


def system_from_dict(data: dict[str, Any], path: str = "system") -> SpatialSystem:
    """Read the YAML form: that of an array, and any of `KEYS`; what is left out has its default.

    Raises
    ------
    SpecError
        Naming the field.
    """
    array = array_from_dict({key: value for key, value in data.items() if key not in KEYS}, path)
    given: dict[str, Any] = {key: data[key] for key in KEYS[2:4] if key in data}
    if "memory" in data:
        given["memory"] = _part(Memory, data["memory"], f"{path}.memory", MEMORY, "memory")
    if data.get("rlc") is not None:
        given["coding"] = _part(Coding, data["rlc"], f"{path}.rlc", RLC, "system.rlc")
    if "l2_words" in data:
        words = _known(data["l2_words"], f"{path}.l2_words", TENSORS)
        given["l2_words"] = tuple(words.get(tensor, have) for tensor, have in zip(TENSORS, L2_WORDS, strict=True))
    try:
        return SpatialSystem(array, **given)
    except SpecError as error:
        raise SpecError(path + error.path.removeprefix("system"), error.found, error.allowed, error.fix) from None


def _part(kind: type[Part], data: Any, path: str, names: tuple[str, ...], own: str) -> Part:
    """Read a part of integers; errors name the fields of the file."""
    known = _known(data, path, names)
    for key, value in known.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise SpecError(f"{path}.{key}", value, "an integer", "correct the value")
    try:
        return kind(**known)
    except SpecError as error:
        raise SpecError(path + error.path.removeprefix(own), error.found, error.allowed, error.fix) from None


def _known(data: Any, path: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise SpecError(path, data, f"fields {', '.join(known)}", "write them as `name: value`")
    for key, value in data.items():
        if key not in known:
            raise SpecError(f"{path}.{key}", value, ", ".join(known), suggestion(str(key), known, "remove it"))
    return {str(key): value for key, value in data.items()}
