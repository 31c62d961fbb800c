"""Accelerators that ship with the suite (`dataflows/presets`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable


def _folder() -> Traversable:
    return files("dataflows") / "presets"


@cache
def names() -> tuple[str, ...]:
    """Return the preset names, sorted."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml")))


def text(name: str) -> str:
    """Return the YAML of a preset."""
    return (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
