"""What the presets share."""

from __future__ import annotations

from dataflows.errors import SpecError
from dataflows.nest.architecture import Triple

ALL = frozenset(("weights", "inputs", "outputs"))
KB = 8192
"""Bits."""


def same(pj: float) -> Triple:
    """Return one energy for all tensors."""
    return (pj, pj, pj)


def positive(name: str, **values: int) -> None:
    """Raise `SpecError` for a parameter that is no positive integer."""
    for key, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SpecError(f"{name}: {key}", value, "a positive integer", "correct the value")


def near_square(pes: int) -> tuple[int, int]:
    """Return rows and columns of the squarest array of so many PEs."""
    rows = max(rows for rows in range(1, int(pes**0.5) + 1) if pes % rows == 0)
    return rows, pes // rows
