"""The published table of roundings (dense reference, 13.2): x / 2**s by mode."""

from __future__ import annotations

from dataflows.rounding import Rounding

_COLUMNS: tuple[Rounding, ...] = ("floor", "toward_zero", "half_even", "half_away", "single")
_ROWS = {
    (5, 1): (2, 2, 2, 3, 3), (-5, 1): (-3, -2, -2, -3, -2), (3, 1): (1, 1, 2, 2, 2), (-3, 1): (-2, -1, -2, -2, -1),
    (6, 2): (1, 1, 2, 2, 2), (-6, 2): (-2, -1, -2, -2, -1), (10, 2): (2, 2, 2, 3, 3), (-10, 2): (-3, -2, -2, -3, -2),
    (1004, 3): (125, 125, 126, 126, 126), (-1004, 3): (-126, -125, -126, -126, -125),
}  # fmt: skip

ROUNDED: dict[tuple[int, int], dict[Rounding, int]] = {key: dict(zip(_COLUMNS, row, strict=True)) for key, row in _ROWS.items()}
"""``{(x, s): {mode: x / 2**s}}``."""
