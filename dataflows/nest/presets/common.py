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


MOST = {
    "dim": 4096, "rows": 4096, "cols": 4096, "pes": 1 << 20, "rf_bytes": 1 << 20, "scratchpad_kb": 1 << 20,
    "accumulator_kb": 1 << 20, "buffer_kb": 1 << 20,
}  # fmt: skip
"""Largest values of parameters: 16 million PEs and 1 GB on a chip, beyond which figures fitted to real chips say nothing."""


def positive(name: str, **values: int) -> None:
    """Raise `SpecError` for a parameter that is no integer from 1 to its largest value (`MOST`)."""
    for key, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST[key]:
            raise SpecError(f"{name}: {key}", value, f"a positive integer, at most {MOST[key]:,}", "correct the value")


def near_square(pes: int) -> tuple[int, int]:
    """Return rows and columns of the squarest array of so many PEs."""
    rows = max(rows for rows in range(1, int(pes**0.5) + 1) if pes % rows == 0)
    return rows, pes // rows
