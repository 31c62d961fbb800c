"""Activation functions as integer tables: what every stored value of a layer's output is replaced by."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError, suggestion

Function = Callable[[Fraction], Fraction | float]
MOST_BITS = 16


def hard_sigmoid(slope: Fraction = Fraction(1, 6), offset: Fraction = Fraction(1, 2)) -> Function:
    """Return ``clip(slope x + offset, 0, 1)``; 1/6 and 1/2 are those of MobileNetV3, ONNX leaves them to the node."""
    return lambda x: min(max(slope * x + offset, Fraction(0)), Fraction(1))


def _hard_swish(x: Fraction) -> Fraction:
    return x * min(max(x + 3, Fraction(0)), Fraction(6)) / 6


def _sigmoid(x: Fraction) -> float:
    small = math.exp(-abs(float(x)))  # never overflows
    return (1 if x >= 0 else small) / (1 + small)


def _gelu(x: Fraction) -> float:
    return float(x) * math.erfc(-float(x) / math.sqrt(2)) / 2


ACTIVATIONS: dict[str, Function] = {
    "hard_swish": _hard_swish,
    "hard_sigmoid": hard_sigmoid(),
    "sigmoid": _sigmoid,
    "tanh": lambda x: math.tanh(float(x)),
    "gelu": _gelu,
}
"""Functions by name. Those of straight lines and parabolas are exact, the others as good as doubles."""


def activation_table(
    function: str | Function, bits: int, input_scale: float, input_zero: int, output_scale: float, output_zero: int
) -> NDArray[np.int64]:
    """Return the table of a function between two quantised tensors.

    Entry i belongs to the stored value ``v = i - 2**(bits - 1)``, which means ``x = input_scale (v - input_zero)``. It is
    ``function(x) / output_scale``, rounded to the nearest integer and halves away from zero, plus `output_zero`, clipped to
    the stored range. Scales count as the exact values of their doubles, so no result depends on an order of operations.

    Parameters
    ----------
    function : str or callable
        One of `ACTIVATIONS`, or a function from a Fraction to a number.
    bits : int
        Width of stored values, 2 to 16; hardware has tables up to 8.
    input_scale, output_scale : float
        Positive: what one step of a stored value means before and after.
    input_zero, output_zero : int
        Stored values that mean 0.

    Returns
    -------
    (2**bits,) array of int64

    Raises
    ------
    SpecError
        A parameter out of range, or an unknown function.
    """
    if isinstance(function, str):
        if function not in ACTIVATIONS:
            raise SpecError("activation", function, ", ".join(ACTIVATIONS), suggestion(function, ACTIVATIONS, "use one of these"))
        function = ACTIVATIONS[function]
    if not 2 <= bits <= MOST_BITS:
        raise SpecError("bits", bits, f"2 to {MOST_BITS}", "change the width")
    for name, scale in (("input_scale", input_scale), ("output_scale", output_scale)):
        if not (math.isfinite(scale) and scale > 0):
            raise SpecError(name, scale, "a positive finite number", "check the quantisation parameters")
    half = 1 << (bits - 1)
    for name, zero in (("input_zero", input_zero), ("output_zero", output_zero)):
        if not -half <= zero < half:
            raise SpecError(name, int(zero), f"{-half} to {half - 1}", "check the quantisation parameters")
    step, unit = Fraction(float(input_scale)), Fraction(float(output_scale))
    rounded = (_half_away(Fraction(function(step * (v - int(input_zero)))) / unit) for v in range(-half, half))
    return np.array([min(max(value + int(output_zero), -half), half - 1) for value in rounded], np.int64)


def _half_away(x: Fraction) -> int:
    return math.floor(abs(x) + Fraction(1, 2)) * (-1 if x < 0 else 1)
