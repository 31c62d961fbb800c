"""Amounts in messages keep their digits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.feasible import Infeasible, InfeasibleError, amount


def test_one_byte_too_many_is_seen():
    reason = Infeasible("buffer", 8_388_616, 8_388_608, "bits", "shrink the tile", "conv")
    assert str(reason) == "conv: buffer lacks 8 bits: needs 8,388,616, has 8,388,608; shrink the tile"
    assert reason.to_dict()["demand"] == 8_388_616


@given(st.integers(-(10**18), 10**18))
def test_whole_numbers_are_written_in_full(number):
    assert int(amount(number).replace(",", "")) == number


@given(st.floats(1e-9, 1e15))
def test_others_are_near(number):
    assert float(amount(number).replace(",", "")) == pytest.approx(number, rel=1e-3)


def test_what_is_no_amount_has_no_digits():
    assert [amount(value) for value in (0.25, 0.0, 12345.678, math.inf)] == ["0.25", "0", "12,345.678", "inf"]


def test_a_message_names_the_first_reasons_only():
    error = InfeasibleError([Infeasible("buffer", 2, 1, "words", "shrink", str(number)) for number in range(9)])
    assert "5: buffer lacks" in str(error)
    assert "6: buffer lacks" not in str(error)
    assert str(error).endswith("and 3 more reasons")
