"""Activation tables against NumPy, published points and each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dataflows.errors import SpecError
from sim.golden.activations import ACTIVATIONS, activation_table, hard_sigmoid

Doubles = NDArray[Any]
IN_DOUBLES: dict[str, Callable[[Doubles], Doubles]] = {
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(x / 2)),
    "tanh": np.tanh,
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
}


@st.composite
def quantisations(draw: st.DrawFn) -> tuple[int, float, int, float, int]:
    bits = draw(st.sampled_from((2, 4, 8)))
    half = 1 << (bits - 1)
    zero, scale = st.integers(-half, half - 1), st.floats(2**-10, 4)
    return bits, draw(scale), draw(zero), draw(scale), draw(zero)


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(quantisations())
def test_tables_are_the_functions(name: str, quantisation: tuple[int, float, int, float, int]) -> None:
    """Within half a step of NumPy's doubles, or clipped."""
    bits, scale, zero, out_scale, out_zero = quantisation
    half = 1 << (bits - 1)
    found = activation_table(name, *quantisation)
    exact = IN_DOUBLES[name](scale * (np.arange(-half, half) - zero)) / out_scale + out_zero
    assert found.shape == (2 * half,)
    assert (np.abs(found - np.clip(exact, -half, half - 1)) <= 0.5 + 1e-9).all()


def test_halves_go_away_from_zero() -> None:
    """Straight parts of scale 1/2 to 1: every odd value is a tie."""
    found = activation_table(lambda x: x, 4, 0.5, 0, 1.0, 0)
    assert found.tolist() == [-4, -4, -3, -3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3, 3, 4]


def test_ties_of_hard_functions_are_exact() -> None:
    """Hard-swish at x = -3/2 is -3/8, hard-sigmoid at 0 is 1/2."""
    assert activation_table("hard_swish", 4, 0.25, 0, 0.25, 0)[8 - 6] == -2  # -1.5
    assert activation_table("hard_sigmoid", 8, 0.1, 5, 1.0, 0)[128 + 5] == 1  # 0.5


def test_other_slopes() -> None:
    """ONNX leaves slope and offset to the node: 1/5 and 1/2 unless it says otherwise."""
    found = activation_table(hard_sigmoid(Fraction(1, 5)), 4, 0.5, 0, 0.125, -8)
    assert found.tolist() == [round(float(np.clip(0.2 * x / 2 + 0.5, 0, 1)) * 8 - 8) for x in range(-8, 8)]


def test_far_arguments() -> None:
    """No function overflows."""
    for name in ACTIVATIONS:
        found = activation_table(name, 8, 1e6, 0, 0.01, -100)
        assert found[0] == {"tanh": -128}.get(name, -100)
        assert found[-1] == {"hard_swish": 127, "gelu": 127}.get(name, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"function": "swish"}, {"bits": 1}, {"bits": 17}, {"input_scale": 0.0}, {"output_scale": math.inf},
        {"input_zero": 128}, {"output_zero": -129},
    ],
)  # fmt: skip
def test_rejects(wrong: dict[str, object]) -> None:
    right = {"function": "tanh", "bits": 8, "input_scale": 0.1, "input_zero": 0, "output_scale": 0.1, "output_zero": 0}
    with pytest.raises(SpecError):
        activation_table(**{**right, **wrong})
