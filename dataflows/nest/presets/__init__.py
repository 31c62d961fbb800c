"""Architectures with published figures, by name: YAML files where they are fixed, functions where they have parameters.

Every figure names its source; what is not published says what was assumed (`docs/architectures.md`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib.resources import files

from dataflows.nest.architecture import Architecture
from dataflows.nest.presets.accelergy import eyeriss, gemmini, gemmini_dosa, simba, tpu_v1, tri256
from dataflows.nest.presets.common import ALL, KB
from dataflows.nest.presets.envelopes import (
    interstellar,
    naas_edgetpu,
    naas_eyeriss,
    naas_nvdla256,
    naas_nvdla1024,
    naas_shidiannao,
)
from dataflows.nest.presets.isca16 import isca16_nlr, isca16_osa, isca16_osb, isca16_osc, isca16_rs, isca16_ws
from dataflows.yaml_lines import parse_yaml

__all__ = ["ALL", "KB", "PRESETS", "eyeriss", "gemmini", "gemmini_dosa", "parameters", "simba", "tpu_v1", "tri256"]

_FUNCTIONS = (
    eyeriss, gemmini, gemmini_dosa, simba, tpu_v1, tri256, isca16_rs, isca16_ws, isca16_osa, isca16_osb, isca16_osc, isca16_nlr,
    naas_edgetpu, naas_eyeriss, naas_nvdla1024, naas_nvdla256, naas_shidiannao, interstellar,
)  # fmt: skip


def _load(name: str) -> Architecture:
    text = (files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
    return Architecture.from_dict(parse_yaml(text, f"{name}.yaml").data, name)


def _names() -> list[str]:
    return sorted(entry.name.removesuffix(".yaml") for entry in files(__name__).iterdir() if entry.name.endswith(".yaml"))


PRESETS: dict[str, Callable[..., Architecture]] = dict(
    sorted({make.__name__: make for make in _FUNCTIONS}.items() | {name: partial(_load, name) for name in _names()}.items())
)


def parameters(name: str) -> dict[str, int]:
    """Return the parameters of a preset and their defaults."""
    return {key: value.default for key, value in inspect.signature(PRESETS[name]).parameters.items()}
