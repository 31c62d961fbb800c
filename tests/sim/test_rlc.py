from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.compression import Format
from dataflows.errors import SpecError
from sim.formats.rlc import EYERISS, decode, encode, from_runs, runs

FORMS = ("rlc:run_bits=1", "rlc:run_bits=2,pack=2", "rlc:run_bits=1,pack=3,flag_bits=1", "rlc:run_bits=5,pack=3,flag_bits=1")


def one_by_one(values: list[int], run_bits: int) -> list[tuple[int, int]]:
    """The rule, word by word: a word closes a pair if it is not zero, if no more zeros fit the run, or if it is the last."""
    pairs, zeros = [], 0
    for at, value in enumerate(values):
        if value or zeros == (1 << run_bits) - 1 or at == len(values) - 1:
            pairs.append((zeros, value))
            zeros = 0
        else:
            zeros += 1
    return pairs


def sparse(most: int = 200) -> st.SearchStrategy[list[int]]:
    word = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(-(1 << 15), (1 << 15) - 1))
    blocks = st.lists(st.one_of(st.lists(word, max_size=9), st.integers(0, 70).map(lambda n: [0] * n)), max_size=9)
    return blocks.map(lambda parts: [value for part in parts for value in part][:most])


def test_the_printed_example():
    # Eyeriss' example: 0 0 12 0 0 0 0 53 0 0 22 is (2, 12) (4, 53) (2, 22), one memory word, here a whole tensor with its flag.
    values = [0, 0, 12, 0, 0, 0, 0, 53, 0, 0, 22]
    assert [list(each) for each in runs(values, 5)] == [[2, 4, 2], [12, 53, 22]]
    packed = encode(values)
    assert packed.shape == (1, 8)
    assert int.from_bytes(packed.tobytes(), "little") == (
        2 | 12 << 5 | 4 << 21 | 53 << 26 | 2 << 42 | 22 << 47 | 1 << 63
    )  # fmt: skip


@pytest.mark.parametrize(
    ("zeros", "pairs"), [(1, [(0, 0)]), (31, [(30, 0)]), (32, [(31, 0)]), (33, [(31, 0), (0, 0)]), (64, [(31, 0), (31, 0)])]
)
def test_zeros_alone(zeros, pairs):
    assert list(zip(*(each.tolist() for each in runs([0] * zeros, 5)), strict=True)) == pairs


@given(sparse(), st.integers(1, 6))
def test_pairs_are_those_of_the_rule(values, run_bits):
    found_runs, levels = runs(values, run_bits)
    assert list(zip(found_runs.tolist(), levels.tolist(), strict=True)) == one_by_one(values, run_bits)
    assert from_runs(found_runs, levels, len(values)).tolist() == values


@given(sparse(), st.sampled_from(FORMS), st.sampled_from((16, 17, 24)))
def test_decoding_returns_what_was_encoded(values, text, word_bits):
    form = Format.parse(text)
    packed = encode(values, word_bits, form)
    assert decode(packed, len(values), word_bits, form).tolist() == values
    pairs = len(one_by_one(values, form.run_bits))
    bits = form.pack * (form.run_bits + word_bits) + form.flag_bits
    assert packed.shape == (-(-pairs // form.pack), -(-bits // 8))


@pytest.mark.parametrize("text", FORMS)
def test_sizes_have_the_mean_that_the_model_expects(text):
    # The mean over all masks, each as often as its zeros make it, is what dataflows.compression says.
    form, n, density = Format.parse(text), 10, Fraction(2, 7)
    word = form.pack * (form.run_bits + 16) + form.flag_bits
    mean = Fraction(0)
    for mask in product((0, 1), repeat=n):
        ones = sum(mask)
        mean += density**ones * (1 - density) ** (n - ones) * len(encode(mask, 16, form)) * word
    assert float(mean) == pytest.approx(form.bits(n, density, 16), rel=1e-12)


def test_sizes_of_long_tensors_are_near_the_expectation():
    rng, words, samples = np.random.default_rng(3), 2000, 60
    for density in (0.02, 0.3, 0.9):
        sizes = [64 * len(encode(np.where(rng.random(words) < density, 7, 0))) for _ in range(samples)]
        error = np.std(sizes) / samples**0.5
        assert abs(np.mean(sizes) - EYERISS.bits(words, density, 16)) < 4.5 * error


def test_incompressible_words_cost_a_third_more():
    assert encode(np.ones(3000, int)).size == 3000 * 2 * 4 // 3
    assert encode([]).shape == (0, 8)
    assert decode(encode([]), 0).tolist() == []


def test_what_is_no_tensor_is_refused():
    packed = encode([1, 2, 3, 4])
    with pytest.raises(SpecError, match="flags"):
        decode(packed[:1], 3)
    with pytest.raises(SpecError, match="flags"):
        decode(np.concatenate([packed, packed]), 10)
    with pytest.raises(SpecError, match="at most 6"):
        decode(packed, 7)
    with pytest.raises(SpecError, match="more than 3"):
        decode(packed, 3)
    with pytest.raises(SpecError, match="more than 0"):
        decode(packed[1:], 0)
    with pytest.raises(SpecError, match="memory words, 8"):
        decode(packed[:, :7], 4)
    with pytest.raises(SpecError, match="-32768 to 32767"):
        encode([1 << 15])
    with pytest.raises(SpecError, match="without segments"):
        encode([1], 16, Format.parse("rlc:segment=4"))
    with pytest.raises(SpecError, match="rlc without"):
        encode([1], 16, Format.parse("csc"))
    with pytest.raises(SpecError, match="1 to 32"):
        encode([1], 33)
