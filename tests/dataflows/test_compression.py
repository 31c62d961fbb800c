from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows import zero_runs
from dataflows.compression import DENSE, KINDS, Format, checked_density
from dataflows.errors import SpecError

# Encoders: what each format stores of one tensor, pair by pair, so that a decoder can read it back.


def entropy_bits(words: int, density: float, word_bits: int) -> float:
    """The least any code can take on average: the entropy of the mask, plus non-zeros that are uniform."""
    mask = -sum(p * math.log2(p) for p in (density, 1 - density) if p > 0)
    return words * (mask + density * math.log2((1 << word_bits) - 1))


def runs(values: list[int], run_bits: int, trailing: bool) -> list[tuple[int, int]]:
    """Pairs (zeros before, word); a run longer than the field takes a pair whose word is a zero."""
    pairs, zeros = [], 0
    for value in values:
        if value or zeros == (1 << run_bits) - 1:
            pairs.append((zeros, value))
            zeros = 0
        else:
            zeros += 1
    if trailing:
        return pairs + ([(zeros - 1, 0)] if zeros else [])
    while pairs and not pairs[-1][1]:
        pairs.pop()
    return pairs


def from_runs(pairs: list[tuple[int, int]], length: int) -> list[int]:
    values = [word for zeros, level in pairs for word in (*[0] * zeros, level)]
    return values + [0] * (length - len(values))


def encoded_bits(form: Format, values: list[int], word_bits: int) -> int:
    """Bits that the encoder writes; every encoding is decoded and compared on the way."""
    size = form.segment or max(1, len(values))
    return sum(_encoded(form, values[i : i + size], size, word_bits) for i in range(0, len(values), size))


def _encoded(form: Format, values: list[int], span: int, word_bits: int) -> int:
    if form.kind in ("rlc", "csc"):
        bits = form.run_bits or form.index_bits
        pairs = runs(values, bits, trailing=form.kind == "rlc")
        assert from_runs(pairs, len(values)) == values
        assert all(zeros < 1 << bits for zeros, _ in pairs)
        if form.kind == "rlc":
            memory_words = math.ceil(len(pairs) / form.pack)
            return memory_words * (form.pack * (bits + word_bits) + form.flag_bits) + form.segment_bits
        return len(pairs) * (bits + word_bits) + form.segment_bits
    if form.kind == "zfnaf":
        packed = [(i, value) for i, value in enumerate(values) if value] + [(0, 0)] * span
        brick = packed[:span]
        assert [dict(brick[::-1]).get(i, 0) for i in range(len(values))] == [v if v else 0 for v in values]
        return len(brick) * (word_bits + math.ceil(math.log2(span)))
    kept = [(i, value) for i, value in enumerate(values) if value]
    assert [dict(kept).get(i, 0) for i in range(len(values))] == values
    index = form.index_bits or math.ceil(math.log2(span))
    per_word = {"dense": 0, "bitmask": 0, "coordinate": index}[form.kind]
    count = len(values) if form.kind == "dense" else len(kept)
    mask = len(values) if form.kind == "bitmask" else 0
    return count * (word_bits + per_word) + mask + form.segment_bits


FORMS = (
    "dense", "bitmask", "bitmask:segment=4,segment_bits=3", "rlc:run_bits=1", "rlc:run_bits=2", "rlc:run_bits=5",
    "rlc:run_bits=2,segment=5,segment_bits=1", "rlc:run_bits=1,pack=3,flag_bits=1", "rlc:run_bits=2,pack=2", "csc:index_bits=1",
    "csc:index_bits=2", "csc:index_bits=4", "csc:index_bits=1,segment=4,segment_bits=16", "coordinate",
    "coordinate:index_bits=8", "coordinate:segment=4,segment_bits=2", "zfnaf", "zfnaf:segment=4",
)  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_the_expectation_is_the_mean_over_all_masks(text):
    form = Format.parse(text)
    for n in range(11):
        by_ones = [0] * (n + 1)
        for mask in product((0, 1), repeat=n):
            by_ones[sum(mask)] += encoded_bits(form, list(mask), 6)
        for density in (Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(4, 5), Fraction(1)):
            mean = sum(density**k * (1 - density) ** (n - k) * bits for k, bits in enumerate(by_ones))
            assert form.expected_bits(n, density, 6) == mean, (n, density)
            assert form.bits(n, density, 6) == pytest.approx(float(mean), rel=1e-12)


@pytest.mark.parametrize("density", [0.02, 0.09, 0.3, 0.75])
@pytest.mark.parametrize("text", [*FORMS, "rlc:run_bits=5,pack=3,flag_bits=1", "csc:index_bits=4,segment=64,segment_bits=16"])
def test_random_tensors_are_as_long_as_expected(text, density):
    form, rng = Format.parse(text), np.random.default_rng(7)
    words, samples = 200, 150
    sizes = [encoded_bits(form, (rng.random(words) < density).astype(int).tolist(), 8) for _ in range(samples)]
    error = np.std(sizes) / math.sqrt(samples)
    assert abs(np.mean(sizes) - form.bits(words, density, 8)) <= 4.5 * error + 1e-9


def test_worked_columns():
    # EIE's example: 0 0 1 2, 18 zeros, 3; Eyeriss' example of three pairs (sparse reference, 2.1; dense reference, 3.7).
    assert runs([0, 0, 1, 2, *[0] * 18, 3], 4, trailing=False) == [(2, 1), (0, 2), (15, 0), (2, 3)]
    assert runs([0, 0, 12, 0, 0, 0, 0, 53, 0, 0, 22], 5, trailing=True) == [(2, 12), (4, 53), (2, 22)]
    assert [len(runs([0] * n + [1], 5, trailing=True)) for n in (30, 31, 32, 33, 63, 64)] == [1, 1, 2, 2, 2, 3]
    assert [len(runs([0] * n, 5, trailing=True)) for n in (0, 1, 31, 32, 33, 64, 65)] == [0, 1, 1, 1, 2, 2, 3]


def test_a_masked_matrix_has_the_published_entries():
    # Vector B of the sparse reference, 13.10: 422 entries of which 158 are padding, row i on PE i mod 4.
    entries = padding = 0
    for pe, column in product(range(4), range(40)):
        cells = [int((7 * i + 11 * column + i * column) % 23 == 0) for i in range(pe, 160, 4)]
        pairs = runs(cells, 4, trailing=False)
        entries, padding = entries + len(pairs), padding + sum(word == 0 for _, word in pairs)
    assert (entries, padding) == (422, 158)


def test_padding_of_short_columns():
    # Simulated in the sparse reference, 2.1 and 13.1: columns of 64 rows; the limit of long columns is far above.
    form = Format("csc", index_bits=4)
    for density, simulated, limit in ((0.04, 0.56, 1.09), (0.09, 0.19, 0.28)):
        assert round(form.entries(64, density) / (64 * density) - 1, 2) == simulated
        assert round(form.entries(10**9, density) / (1e9 * density) - 1, 2) == limit


# Layer, words per PE, weight and input density; us with random zeros (simulated), as published, and without padding
# (sparse reference, 13.1). 64 PEs, 800 MHz, columns of 4096 / 64 rows. VGG-6 is published far above its average densities.
EIE_LAYERS = [
    ("Alex-6", 64 * 9216, 0.09, 0.351, 28.0, 28.1, 23.3),
    ("Alex-7", 64 * 4096, 0.09, 0.353, 12.6, 11.7, 10.4),
    ("VGG-6", 64 * 25088, 0.04, 0.183, 23.1, 28.1, 14.7),
    ("VGG-7", 64 * 4096, 0.04, 0.375, 7.8, 7.9, 4.9),
]


@pytest.mark.parametrize(("name", "words", "weights", "inputs", "simulated", "published", "bare"), EIE_LAYERS)
def test_entries_give_the_times_of_eie(name, words, weights, inputs, simulated, published, bare):
    # What is left to the simulation is the draw of active inputs and the cycle of an empty column.
    microseconds = Format("csc", index_bits=4, segment=64).entries(words, weights) * inputs / 800
    assert microseconds == pytest.approx(simulated, rel=0.03), name
    assert abs(microseconds / published - 1) < (0.08 if name != "VGG-6" else 0.2)
    assert words * weights * inputs / 800 == pytest.approx(bare, abs=0.05)


# Words of weights, inputs and outputs, densities of the last two; reduction of all DRAM traffic as Sparseloop has it and as
# Eyeriss published it (sparse reference, 13.4).
EYERISS_LAYERS = [
    ("conv1", 1_115_136, 776_160, 1_204_224, None, 0.378, 1.24, 1.2),
    ("conv2", 1_228_800, 1_769_472, 802_816, 0.600, 0.169, 1.36, 1.4),
    ("conv4", 663_552, 1_036_800, 259_584, 0.207, 0.304, 1.87, 1.8),
]


@pytest.mark.parametrize(
    ("name", "weights", "inputs", "outputs", "dense_in", "dense_out", "sparseloop", "published"), EYERISS_LAYERS
)
def test_dram_traffic_of_eyeriss(name, weights, inputs, outputs, dense_in, dense_out, sparseloop, published):
    def reduction(form: Format) -> float:
        coded = inputs if dense_in is None else inputs * form.ratio(dense_in, 16, inputs)
        return (weights + inputs + outputs) / (weights + coded + outputs * form.ratio(dense_out, 16, outputs))

    assert round(reduction(Format("rlc", run_bits=5)), 2) == sparseloop, name
    # Whole 64-bit words of three pairs take 1.6 % more.
    words = reduction(Format("rlc", run_bits=5, pack=3, flag_bits=1))
    assert 0.985 * sparseloop < words < sparseloop
    assert words == pytest.approx(published, rel=0.05)


def test_eyeriss_words_cost_a_third_without_zeros():
    form = Format.parse("rlc:run_bits=5,pack=3,flag_bits=1")
    assert form.bits(3000, 1.0, 16) == 64 * 1000  # 64 bits per three words: +33 %
    assert form.ratio(1.0, 16) == pytest.approx(4 / 3, rel=1e-12)
    assert form.ratio(0.0, 16) == pytest.approx(64 / 3 / 32 / 16)
    assert form.bits(31, 0.0, 16) == 64
    # Within 5 to 10 % of the entropy limit (published, real feature maps); uniform zeros at conv5's 25 %: 9 % per pair.
    assert 1.05 < Format("rlc").bits(10**6, 0.25, 16) / entropy_bits(10**6, 0.25, 16) < 1.10


def test_a_mask_and_four_bit_runs_break_even_at_a_quarter():
    # Without padding (sparse reference, 2.7): with a wide index only the index width differs, 1 bit per word or 4 per entry.
    assert Format("coordinate", index_bits=4).bits(16, 0.25, 8) == Format("bitmask").bits(16, 0.25, 8)


@given(
    st.sampled_from(FORMS), st.integers(1, 256), st.floats(0, 1), st.floats(0, 1), st.integers(1, 32)
)  # fmt: skip
def test_bounds(text, words, one, other, word_bits):
    form, (low, high) = Format.parse(text), sorted((one, other))
    assert form.bits(words, low, word_bits) <= form.bits(words, high, word_bits) * (1 + 1e-9) + 1e-9
    assert form.bits(words, low, word_bits) <= form.bits(words, low, word_bits + 1)
    assert form.entries(words, low) >= min(words * low * (1 - 1e-9), words)
    if form.kind in ("dense", "bitmask", "rlc"):  # decodable with nothing but the number of words
        assert form.bits(words, low, word_bits) >= entropy_bits(words, low, word_bits) * (1 - 1e-9)
    assert DENSE.ratio(low, word_bits) == DENSE.ratio(low, word_bits, words) == 1


@settings(max_examples=40)
@given(st.sampled_from([text for text in FORMS if text != "coordinate"]), st.floats(0.001, 1), st.integers(1, 32))
def test_the_ratio_without_words_is_the_limit(text, density, word_bits):
    form = Format.parse(text)
    if form.kind == "coordinate" and not form.segment:
        form = Format("coordinate", index_bits=32)
    assert form.ratio(density, word_bits, 1 << 30) == pytest.approx(form.ratio(density, word_bits), rel=1e-5)


def test_the_ratio_of_a_coordinate_needs_a_width():
    with pytest.raises(SpecError, match="words or index_bits"):
        Format("coordinate").ratio(0.5, 8)
    assert Format("coordinate").ratio(0.5, 8, 1024) == 0.5 * 18 / 8


def test_long_sparse_blocks_lose_no_digits():
    n, density, form = 3000, Fraction(1, 1 << 30), Format("rlc", run_bits=5)
    assert form.bits(n, float(density), 8) == pytest.approx(float(form.expected_bits(n, density, 8)), rel=1e-13)
    padding = Format("csc", index_bits=4).entries(n, float(density)) - n * float(density)
    exact = Format("csc", index_bits=4).entries(n, density) - n * density
    assert padding == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize(("run_bits", "pack", "words"), [(5, 39, 700), (5, 17, 1), (4, 64, 1025), (1, 256, 600), (8, 4, 300)])
def test_the_phases_of_large_memory_words_are_those_of_a_walk_word_by_word(run_bits, pack, words):
    for density in (0.0, 0.02, 0.6, 1.0):
        walked = zero_runs._by_word(words, density, run_bits, pack).astype(float)
        assert zero_runs._by_frequency(words, density, run_bits, pack) == pytest.approx(walked, abs=1e-13)


@pytest.mark.parametrize("density", [Fraction(1, 3), 0.3, 0.02])
def test_all_ways_to_count_memory_words_agree(density, monkeypatch):
    count, exact = zero_runs.memory_words.__wrapped__, isinstance(density, Fraction)
    for run_bits, pack, words in ((2, 5, 1), (2, 5, 37), (1, 3, 60), *([] if exact else [(5, 3, 5000), (3, 8, 1 << 20)])):
        wanted = count(words, density, run_bits, pack, words * density)
        with monkeypatch.context() as patch:
            patch.setattr(zero_runs, "DENSE_STATES", 0)
            found = count(words, density, run_bits, pack, words * density)
        assert found == (wanted if exact else pytest.approx(wanted, rel=1e-12))


def test_a_beat_of_64_bytes_holds_39_pairs():
    form = Format("rlc", run_bits=5, pack=39, flag_bits=1)
    assert form.bits(6, 0.0, 8) == 508  # one memory word, however few pairs it has
    assert form.expected_bits(40, Fraction(1), 8) == 2 * 508
    assert form.ratio(0.3, 8, 1 << 20) == pytest.approx(form.ratio(0.3, 8), rel=1e-4)


@st.composite
def formats(draw: st.DrawFn) -> Format:
    kind = draw(st.sampled_from(sorted(KINDS)))
    ranges = {"run_bits": (1, 5), "index_bits": (1, 32), "pack": (1, 9), "flag_bits": (0, 9), "segment": (1, 99)}
    made = {name: draw(st.integers(*ranges[name])) for name in KINDS[kind] if name in ranges and draw(st.booleans())}
    if "segment" in made and kind != "zfnaf":
        made["segment_bits"] = draw(st.integers(0, 20))
    return Format(kind, **made)


@given(formats())
def test_round_trip(form):
    assert Format.parse(str(form)) == form
    assert Format.parse(form.to_dict()) == form
    assert Format.parse(form) is form


@pytest.mark.parametrize(
    ("value", "where", "found", "allowed"),
    [
        ("rle", "layer.format", "rle", "rlc"),
        ("rlc:run_bit=5", "layer.format.run_bit", 5, "run_bits"),
        ("rlc:run_bits=0", "layer.format.run_bits", 0, "1 to 16"),
        ("rlc:run_bits=five", "layer.format.run_bits", "five", "an integer"),
        ("rlc:run_bits", "layer.format", "rlc:run_bits", "key=value"),
        ("rlc:", "layer.format", "rlc:", "key=value"),
        ("rlc:run_bits=5,run_bits=6", "layer.format.run_bits", "6", "each key once"),
        ("rlc:run_bits=9,pack=3", "layer.format.pack, run_bits", (3, 9), "pack up to 1 with"),
        ("rlc:run_bits=6,pack=65", "layer.format.pack, run_bits", (65, 6), "pack up to 64 with"),
        ("bitmask:index_bits=4", "layer.format.index_bits", 4, "segment"),
        ("csc:segment_bits=16", "layer.format.segment_bits", 16, "0 without segments"),
        ({"format": "csc", "index_bits": True}, "layer.format.index_bits", True, "an integer"),
        ({"format": "csc", "index_bits": 4.0}, "layer.format.index_bits", 4.0, "an integer"),
        ({"format": ["csc"]}, "layer.format", ["csc"], "dense"),
        ({"kind": "csc"}, "layer.format", {"kind": "csc"}, "{format: rlc"),
        (None, "layer.format", None, "text such as"),
    ],
)  # fmt: skip
def test_bad_formats_say_what_to_change(value, where, found, allowed):
    with pytest.raises(SpecError) as caught:
        Format.parse(value, "layer.format")
    assert (caught.value.path, caught.value.found) == (where, found)
    assert allowed in caught.value.allowed
    assert caught.value.fix


@pytest.mark.parametrize("density", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_bad_densities(density):
    with pytest.raises(SpecError, match="from 0 to 1"):
        checked_density(density)
    with pytest.raises(SpecError):
        Format("rlc").bits(4, density, 8)


def test_bad_uses():
    with pytest.raises(SpecError, match="has no index_bits"):
        Format("rlc", index_bits=4)
    with pytest.raises(SpecError, match="words"):
        Format("rlc").bits(-1, 0.5, 8)
    with pytest.raises(SpecError, match="word_bits"):
        Format("rlc").ratio(0.5, 0)
    with pytest.raises(SpecError, match="at least 5 for 17 positions"):
        Format("coordinate", index_bits=4).bits(17, 0.5, 8)
