"""Requantisation in integers: from accumulators to narrow outputs (precision reference, 7.3)."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataflows.errors import SpecError, suggestion
from dataflows.rounding import ROUNDINGS, Rounding

Mode = Rounding | Literal["double"]
MODES: tuple[Mode, ...] = (*ROUNDINGS, "double")
MAX_SHIFT = 63


def quantize_multiplier(scale: float) -> tuple[int, int]:
    """Write a positive real factor as ``multiplier * 2**-shift``.

    Parameters
    ----------
    scale : float
        Input scale times weight scale over output scale, 0 < scale < 2**30.

    Returns
    -------
    multiplier, shift : int
        multiplier in [2**30, 2**31) and shift in 1 .. 62; multiplier 0 (shift 62) where `scale` is too small to matter.

    Raises
    ------
    SpecError
        `scale` is not positive, not finite or too large.
    """
    if not (math.isfinite(scale) and 0 < scale):
        raise SpecError("scale", scale, "a positive finite number", "check the quantisation parameters")
    fraction, exponent = math.frexp(scale)
    # floor(x + 1/2) of a 31-bit x is exact in a double; Python's round would go to even.
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 1 << 31:
        multiplier, exponent = 1 << 30, exponent + 1
    if exponent < -31:
        return 0, 62
    if exponent > 30:
        raise SpecError("scale", scale, "less than 2**30", "check the quantisation parameters")
    return multiplier, 31 - exponent


def requantize(
    acc: ArrayLike, multiplier: ArrayLike, shift: ArrayLike, *, zero_point: ArrayLike, low: int, high: int, mode: Mode = "single"
) -> NDArray[np.int64]:
    """Scale, round, add the zero point and clip.

    Parameters
    ----------
    acc : array of int
        Accumulators with bias, already wrapped to the hardware's width (48 bits at most; 32 for ``double``).
    multiplier, shift : array of int
        Multiplier below 2**32 and shift 1 .. 63, broadcast against `acc` (per channel: shape them so).
    zero_point : array of int
        Output zero point.
    low, high : int
        Bounds: output type and activation in one.
    mode : str
        One of `MODES`. ``single``: half up at the final shift; ``floor``, ``toward_zero``, ``half_even`` and ``half_away``
        (from zero) round there too, each as its name says (dense reference, 13.2). ``double``: first rounded at bit 31,
        then half away from zero at the rest, as gemmlowp does. ``single`` and ``double`` differ by at most one, and only
        sometimes (precision reference, 7.3).

    Returns
    -------
    array of int64

    Raises
    ------
    SpecError
        A shift, multiplier or accumulator out of range, or an unknown mode.
    """
    acc, multiplier, shift = (np.asarray(a, np.int64) for a in (acc, multiplier, shift))
    if shift.size and not (1 <= shift.min() and shift.max() <= MAX_SHIFT):
        raise SpecError("shift", int(shift.min()), f"1 to {MAX_SHIFT}", "use quantize_multiplier")
    if multiplier.size and not (0 <= multiplier.min() and multiplier.max() < 1 << 32):
        raise SpecError("multiplier", int(multiplier.max()), "0 to 2**32 - 1", "use quantize_multiplier")
    width = 32 if mode == "double" else 48
    if acc.size and not (-(1 << (width - 1)) <= acc.min() and acc.max() < 1 << (width - 1)):
        found = [int(acc.min()), int(acc.max())]
        raise SpecError("acc", found, f"signed {width}-bit values in mode {mode}", "wrap accumulators first")
    if mode not in MODES:
        raise SpecError("mode", mode, ", ".join(MODES), suggestion(str(mode), MODES, "choose one of these"))
    scaled = scale_double(acc, multiplier, shift) if mode == "double" else scale_single(acc, multiplier, shift, mode)
    return np.clip(scaled + np.asarray(zero_point, np.int64), low, high)


def scale_single(
    acc: NDArray[Any], multiplier: NDArray[Any], shift: NDArray[Any], mode: Rounding = "single"
) -> NDArray[np.int64]:
    """Return ``acc * multiplier / 2**shift``, rounded once, exactly.

    The product of a 48-bit accumulator and a multiplier takes 80 bits, so the accumulator is cut: with
    ``acc = a * 2**16 + b``, 0 <= b < 2**16, both partial products fit int64. A floor of the value one place earlier keeps
    the half; floors nest. Whether anything lies below that place tells ties from the rest.
    """
    low_product = (acc & 0xFFFF) * multiplier  # < 2**48
    high_product = (acc >> 16) * multiplier + (low_product >> 16)  # product >> 16, exact
    rest = low_product & 0xFFFF
    place = shift - 1
    # A place below 16 keeps some of the low 16 bits; results that leave int64 are far outside every output range.
    fine, coarse = np.minimum(place, 16), np.maximum(place - 16, 0)
    limit = np.int64(1) << (46 + fine)
    kept = np.clip(high_product, -limit, limit - 1)
    early = np.where(place >= 16, high_product >> coarse, (kept << (16 - fine)) | (rest >> fine))
    below = (rest & ((np.int64(1) << fine) - 1)) | (high_product & ((np.int64(1) << coarse) - 1))
    return _round_half(early, below != 0, mode)


def _round_half(early: NDArray[np.int64], below: NDArray[np.bool_], mode: Rounding) -> NDArray[np.int64]:
    """Halve `early`; `below` says where something was cut off under it already."""
    whole, half, negative = early >> 1, (early & 1).astype(bool), early < 0
    up = {
        "single": half,
        "floor": np.zeros_like(half),
        "toward_zero": negative & (half | below),
        "half_even": half & (below | (whole & 1).astype(bool)),
        "half_away": half & (below | ~negative),
    }[mode]
    return whole + up


def scale_double(acc: NDArray[Any], multiplier: NDArray[Any], shift: NDArray[Any]) -> NDArray[np.int64]:
    """Return gemmlowp's doubly rounded product: 32-bit `acc`, saturating doubling high multiply, rounding right shift."""
    exponent = 31 - shift
    left = np.clip(acc << np.maximum(exponent, 0).clip(max=30), -(1 << 31), (1 << 31) - 1)
    product = left * multiplier
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    # Division truncates towards zero; a shift alone would floor.
    high = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    return _shift_half_away(np.clip(high, -(1 << 31), (1 << 31) - 1), np.maximum(-exponent, 0))


def _shift_half_away(value: NDArray[Any], places: NDArray[Any]) -> NDArray[np.int64]:
    mask = (np.int64(1) << places) - 1
    threshold = (mask >> 1) + (value < 0)
    return (value >> places) + ((value & mask) > threshold).astype(np.int64)
