"""How the final shift of a requantisation rounds: names that programs, hardware and golden model share."""

from __future__ import annotations

from typing import Literal

Rounding = Literal["single", "floor", "toward_zero", "half_even", "half_away"]

ROUNDINGS: tuple[Rounding, ...] = ("single", "floor", "toward_zero", "half_even", "half_away")
"""Dense reference, 13.2; the position is the value of the program field ``rounding``. ``single`` is half up."""
