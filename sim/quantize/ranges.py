"""Ranges of tensors, seen while the float network runs on calibration inputs, and the scales that follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from sim.quantize.float_model import FloatModel
from sim.quantize.model import Feeds

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """How reals are stored: value q of `bits` bits stands for ``step * (q - zero)``."""

    step: float
    zero: int
    bits: int = 8

    @property
    def lowest(self) -> int:
        """Least stored value."""
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        """Largest stored value."""
        return (1 << (self.bits - 1)) - 1

    @classmethod
    def covering(cls, found: Range, bits: int = 8) -> Scale:
        """Return the finest scale that stores 0 exactly and reaches from end to end, but for the rounding of its zero point."""
        low, high = min(found[0], 0.0), max(found[1], 0.0)
        step = (high - low) / ((1 << bits) - 1)
        if step < np.finfo(np.float32).tiny:  # a tensor that never was anything but 0
            return cls(1.0, 0, bits)
        lowest = -(1 << (bits - 1))
        return cls(step, min(max(round(lowest - low / step), lowest), -lowest - 1), bits)

    def store(self, values: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the nearest stored values; halves go to even, as onnxruntime's QuantizeLinear does."""
        rounded = np.rint(np.asarray(values, np.float64) / self.step) + self.zero
        return np.clip(rounded, self.lowest, self.highest).astype(np.int64)

    def real(self, stored: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return what stored values stand for."""
        return (stored.astype(np.float64) - self.zero) * self.step


def observe(model: FloatModel, tensors: Iterable[str], calibration: Sequence[Feeds | NDArray[np.float32]]) -> dict[str, Range]:
    """Return the least and the largest value of each tensor over all calibration inputs.

    Raises
    ------
    SpecError
        No inputs, or values that are not finite.
    """
    names = tuple(dict.fromkeys(tensors))
    if not calibration:
        raise SpecError("calibration", 0, "at least one input", "give calibration images")
    session = model.session(names)
    found = dict.fromkeys(names, (math.inf, -math.inf))
    for entry in calibration:
        values = session(entry)
        for name in names:
            low, high = float(values[name].min()), float(values[name].max())
            if not math.isfinite(low) or not math.isfinite(high):
                fix = "calibrate with inputs the network was trained on"
                raise SpecError(f"{model.where}: {name}", [low, high], "finite values", fix)
            found[name] = min(found[name][0], low), max(found[name][1], high)
    return found
