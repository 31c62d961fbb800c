from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.datapath import OPERANDS, PARALLEL, SCHEMES, STORAGE, Datapath
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.tech import TECHNOLOGIES

BIT_FUSION = Datapath("composable", 8, 8, brick_bits=2)
STRIPES = Datapath("serial_inputs", 16, 16)
UNPU = Datapath("serial_weights", 16, 16)
LOOM = Datapath("serial_both", 16, 16)
WIDTHS = range(1, 17)

# Products per cycle of one Fusion Unit, activation (row) by weight (column): precision reference, 2.4.
FUSION_TABLE = {
    2: {2: 16, 4: 8, 8: 4, 16: 2},
    4: {2: 8, 4: 4, 8: 2, 16: 1},
    8: {2: 4, 4: 2, 8: 1, 16: Fraction(1, 2)},
    16: {2: 2, 4: 1, 8: Fraction(1, 2), 16: Fraction(1, 4)},
}
FUSED = {
    **dict.fromkeys((1, 2), 2),
    **dict.fromkeys((3, 4), 4),
    **dict.fromkeys(range(5, 9), 8),
    **dict.fromkeys(range(9, 17), 16),
}

# M, K, N, input bits, weight bits; cycles of Bit Fusion 16 x 32, Stripes, Loom 128 and BISMO 8 x 256 x 8 (the same, 1).
MACHINES = [
    ((1024, 576, 128), 8, 8, 147456, 18432, 147456, 393216),
    ((1024, 576, 128), 8, 4, 73728, 18432, 73728, 196608),
    ((1024, 576, 128), 4, 4, 36864, 9216, 36864, 98304),
    ((1024, 576, 128), 8, 2, 36864, 18432, 36864, 98304),
    ((1024, 576, 128), 2, 2, 12288, 4608, 9216, 24576),
    ((1024, 576, 128), 5, 3, 73728, 11520, 34560, 92160),
    ((1024, 576, 128), 1, 1, 12288, 2304, 2304, 6144),
    ((1024, 576, 128), 16, 16, 589824, 36864, 589824, 1572864),
    ((196, 1152, 256), 8, 8, 112896, 7488, 119808, 256000),
    ((196, 1152, 256), 2, 2, 7840, 1872, 7488, 16000),
    ((196, 1152, 256), 5, 3, 56448, 4680, 28080, 60000),
    ((49, 27, 64), 8, 8, 196, 64, 512, 3584),
    ((49, 27, 64), 2, 2, 98, 16, 32, 224),
]

# (weight bits, input bits): ms of 1x1 96 -> 576, 1x1 576 -> 96, depthwise 3x3 stride 1, stride 2 (codesign reference, 8.5).
BIT_FUSION_MS = {
    (8, 8): (0.093984, 0.045376, 0.268992, 0.096768),
    (8, 4): (0.080656, 0.031264, 0.142416, 0.062928),
    (6, 6): (0.089304, 0.044292, 0.266688, 0.093168),
    (4, 8): (0.079136, 0.025040, 0.146664, 0.064872),
    (4, 4): (0.078352, 0.019552, 0.101016, 0.047052),
    (6, 4): (0.079504, 0.030112, 0.140688, 0.061200),
}


def cdiv(a: int, b: int) -> int:
    return -(-a // b)


@pytest.mark.parametrize("a", WIDTHS)
def test_fusion_units_make_the_published_products_per_cycle(a):
    for w in WIDTHS:
        assert BIT_FUSION.passes(w, a) == 1 / Fraction(FUSION_TABLE[FUSED[a]][FUSED[w]])
        per_cycle = FUSION_TABLE[min(FUSED[a], 8)][min(FUSED[w], 8)]
        assert BIT_FUSION.lanes(w, a) == per_cycle
        assert BIT_FUSION.lanes(w, a) * BIT_FUSION.passes(w, a) == (2 if a > 8 else 1) * (2 if w > 8 else 1)
        # The co-design reference's form, 5.8: 16 / (ceil(w/2) ceil(a/2)) times the 8 x 8 rate, widths rounded first.
        assert 1 / BIT_FUSION.passes(w, a) == Fraction(16, cdiv(FUSED[w], 2) * cdiv(FUSED[a], 2))


def test_serial_schemes_take_the_real_width():
    for a, w in product(WIDTHS, WIDTHS):
        assert 1 / STRIPES.passes(w, a) == Fraction(16, a)
        assert 1 / UNPU.passes(w, a) == Fraction(16, w)
        assert 1 / LOOM.passes(w, a) == Fraction(256, a * w)
        assert Datapath("parallel", 16, 16).passes(w, a) == 1


def test_compositions_of_other_sizes():
    # The multiply-accumulate benchmark, precision reference 4: products per cycle at 8x8, 8x4, 8x2, 4x4, 2x2.
    widths = ((8, 8), (8, 4), (8, 2), (4, 4), (2, 2))
    assert [1 / BIT_FUSION.passes(*pair) for pair in widths] == [1, 2, 4, 4, 16]
    assert [1 / Datapath("composable", 8, 8, brick_bits=4).passes(*pair) for pair in widths] == [1, 2, 2, 4, 4]
    assert [1 / Datapath("serial_weights").passes(b, a) for a, b in widths] == [1, 2, 4, 2, 4]
    assert [1 / Datapath("serial_both").passes(*pair) for pair in widths] == [1, 2, 4, 4, 16]


@pytest.mark.parametrize("row", MACHINES)
def test_cycles_of_whole_machines(row):
    (m, k, n), a, w, fusion, stripes, loom, bismo = row
    units = Fraction(k, 16) * BIT_FUSION.lane_padding(k, 16, w, a)
    assert m * cdiv(n, 32) * units * BIT_FUSION.passes(w, a) == fusion
    assert cdiv(m, 16) * cdiv(n, 256) * cdiv(k, 16) * 16 * STRIPES.passes(w, a) == stripes
    assert cdiv(m, 16) * cdiv(n, 128) * cdiv(k, 16) * 256 * LOOM.passes(w, a) == loom
    assert cdiv(m, 8) * cdiv(n, 8) * cdiv(k, 256) * 256 * LOOM.passes(w, a) == bismo
    assert m * k * n * BIT_FUSION.passes(w, a) / 512 <= fusion  # without padding it is a bound


def test_peak_rates():
    # Precision reference, 12.9. UNPU at 1 bit: linear scaling gives 5529.6 GOPS, the chip 7372, because its tables serve
    # four activations instead of three in that mode.
    assert [345.6 / UNPU.passes(w, 16) for w in (16, 8, 4)] == pytest.approx([345.6, 691.2, 1382.4])
    assert 345.6 / UNPU.passes(1, 16) * 4 / 3 == pytest.approx(7372.8)
    assert [256 / BIT_FUSION.passes(b, b) for b in (8, 4, 2)] == [256, 1024, 4096]
    assert [4096 / STRIPES.passes(16, p) for p in (16, 8)] == [4096, 8192]
    assert [128 / LOOM.passes(b, b) for b in (16, 8, 4)] == [128, 512, 2048]
    assert Fraction(10368, 64) / Datapath("serial_weights").passes(2, 8) == 162 * 4  # RBE: 10368 bit products per cycle


def test_alexnet_on_stripes_stays_near_the_published_bound():
    # Widths 9-8-5-5-7 of the convolutions; published ideal 2.38, MAC-weighted 2.31 to 2.33 (precision reference, 3.1).
    macs = (105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192)
    cycles = sum(n * STRIPES.passes(16, p) for n, p in zip(macs, (9, 8, 5, 5, 7), strict=True))
    assert 2.31 <= sum(macs) / cycles <= 2.33


@pytest.mark.parametrize(("widths", "ms"), list(BIT_FUSION_MS.items()))
def test_simulated_layers_stay_below_the_bound(widths, ms):
    # Nothing gains more than compute or storage alone would; 6 bits compute as 8 but are stored as 6.
    compute = 1 / BIT_FUSION.passes(*widths)
    storage = Fraction(8, min(BIT_FUSION.stored_bits(bits) for bits in widths))
    for before, now in zip(BIT_FUSION_MS[8, 8], ms, strict=True):
        assert before / now <= max(compute, storage)


def test_real_layers_are_far_from_the_bound():
    gains = [before / now for before, now in zip(BIT_FUSION_MS[8, 8], BIT_FUSION_MS[4, 4], strict=True)]
    assert [round(gain, 2) for gain in gains] == [1.20, 2.32, 2.66, 2.06]
    assert 1 / BIT_FUSION.passes(4, 4) == 4


# Precision reference 10.1, row by row: (term, value by this module, formula there) for a 27-long reduction of 3- and 5-bit
# operands on 16 rows, 64 outputs.
COST_TERMS = [
    ("compute, rounded when composable", BIT_FUSION.passes(3, 5), Fraction(4 * 8, 64)),
    ("compute, real when serial", LOOM.passes(3, 5), Fraction(3 * 5, 256)),
    ("weight bits, packed tightly", 27 * 64 * Datapath("composable", storage="tight").stored_bits(3), 27 * 64 * 3),
    ("weight bits, rounded", 27 * 64 * Datapath("composable", storage="rounded").stored_bits(3), 27 * 64 * 4),
    ("activation bits, packed tightly", 100 * Datapath(storage="tight").stored_bits(5), 100 * 5),
    ("activation bits, rounded", 100 * Datapath(storage="rounded").stored_bits(5), 100 * 8),
    ("partial sums of 32 bits", Datapath(storage="rounded").stored_bits(Datapath.psum_bits(8, 8, 4608)), 32),
    ("lane padding", BIT_FUSION.lane_padding(27, 16, 3, 5), Fraction(cdiv(27, 16 * 2) * 16 * 2, 27)),
    ("lane padding, 2 bits", BIT_FUSION.lane_padding(576, 16, 2, 2), Fraction(3 * 256, 576)),
]


@pytest.mark.parametrize(("term", "value", "formula"), COST_TERMS)
def test_cost_terms_of_operand_widths(term, value, formula):
    assert value == formula, term


def test_rounded_storage():
    rounded = Datapath(storage="rounded")
    assert [rounded.stored_bits(b) for b in WIDTHS] == [2, 2, 4, 4, *[8] * 4, *[16] * 8]
    assert [PARALLEL.stored_bits(b) for b in WIDTHS] == list(WIDTHS)


@given(st.integers(1, 16), st.integers(1, 16), st.integers(1, 1 << 40))
def test_sums_fit(w, a, k):
    bits = Datapath.psum_bits(w, a, k)
    assert bits == w + a + math.ceil(math.log2(k))
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    for weights, inputs in product(((-(1 << w - 1), (1 << w - 1) - 1),), ((-(1 << a - 1), (1 << a - 1) - 1), (0, (1 << a) - 1))):
        sums = [k * x * y for x, y in product(weights, inputs)]
        assert low <= min(sums)
        assert max(sums) <= high
    assert k * ((1 << w) - 1) * ((1 << a) - 1) < 1 << bits  # unsigned x unsigned, unsigned


def test_sums_of_the_published_table():
    # Signed weights by unsigned inputs (precision reference, 7.2): exact up to two of these, where K is just past a power.
    for k, bits in ((27, 21), (576, 26), (1152, 27), (2304, 28), (4608, 29), (9216, 30), (25088, 31)):
        assert Datapath.psum_bits(8, 8, k) == bits
    assert (Datapath.psum_bits(16, 8, 4608), Datapath.psum_bits(16, 16, 4608)) == (37, 45)


@given(
    st.frozensets(st.sampled_from(OPERANDS)), st.frozensets(st.sampled_from(OPERANDS)), st.integers(0, 8), st.integers(0, 8)
)  # fmt: skip
def test_work_is_the_mean_over_all_pairs_of_zeros(skip, gate, weights, inputs):
    path = Datapath(skip=skip, gate=gate - skip)
    time = energy = 0
    for w, x in product(range(8), range(8)):  # 8 x 8 equally likely pairs, the first ones not zero
        zero = {"weights": w >= weights, "inputs": x >= inputs}
        taken = not any(zero[name] for name in skip)
        time += taken
        energy += taken and not any(zero[name] for name in gate)
    assert path.work(Fraction(weights, 8), Fraction(inputs, 8)) == (Fraction(time, 64), Fraction(energy, 64))


def test_work_of_random_products():
    rng, n = np.random.default_rng(3), 200_000
    w, x = rng.random(n) < 0.3, rng.random(n) < 0.6
    assert Datapath(gate=frozenset({"inputs"})).work(0.3, 0.6) == pytest.approx((1, x.mean()), abs=0.006)  # Eyeriss
    assert Datapath(skip=frozenset({"weights"})).work(0.3, 0.6) == pytest.approx((w.mean(),) * 2, abs=0.006)  # Cambricon-X
    both = Datapath(skip=frozenset(OPERANDS)).work(0.3, 0.6)
    assert both == pytest.approx(((w & x).mean(),) * 2, abs=0.006)  # SCNN, EIE
    mixed = Datapath(skip=frozenset({"inputs"}), gate=frozenset({"weights"})).work(0.3, 0.6)
    assert mixed == pytest.approx((x.mean(), (w & x).mean()), abs=0.006)
    assert PARALLEL.work(0.3, 0.6) == (1, 1)
    assert Datapath(skip=frozenset(OPERANDS)).work() == (1, 1)


@pytest.mark.parametrize("name", TECHNOLOGIES)
@given(st.integers(1, 16), st.integers(1, 16), st.integers(8, 64))
def test_parallel_energy_is_that_of_the_technology_table(name, w, a, acc):
    table = TECHNOLOGIES[name]
    path = Datapath("parallel", 16, 16, acc_bits=40)
    assert path.mac_energy(w, a, acc) == pytest.approx(table.mac_pj(a, w, acc) / table.mac_pj(16, 16, 40), rel=1e-12)


@given(st.integers(1, 16), st.integers(1, 16))
def test_energy_at_the_native_accumulator(w, a):
    assert UNPU.mac_energy(w, 16) == pytest.approx(w / 16)  # proportional to the width of the serial operand
    assert STRIPES.mac_energy(16, a) == pytest.approx(a / 16)
    assert LOOM.mac_energy(w, a) == pytest.approx(w * a / 256)
    assert BIT_FUSION.mac_energy(w, a) == BIT_FUSION.passes(w, a)  # energy per active cycle does not depend on the width
    for path in (UNPU, STRIPES, LOOM, BIT_FUSION, PARALLEL):
        assert path.mac_energy(path.weight_bits, path.input_bits) == 1
        assert path.mac_energy(path.weight_bits, path.input_bits, 24) < 1 < path.mac_energy(path.weight_bits, path.input_bits, 48)


@st.composite
def datapaths(draw: st.DrawFn) -> Datapath:
    scheme = draw(st.sampled_from(SCHEMES))
    brick = draw(st.sampled_from((1, 2, 3, 4)))
    width = st.sampled_from([brick << i for i in range(3)]) if scheme == "composable" else st.integers(1, 16)
    skip, gate = draw(st.frozensets(st.sampled_from(OPERANDS))), draw(st.frozensets(st.sampled_from(OPERANDS)))
    return Datapath(
        scheme, draw(width), draw(width), brick if scheme == "composable" else 0, draw(st.integers(1, 64)),
        draw(st.sampled_from(STORAGE)), gate - skip, skip,
    )  # fmt: skip


@given(datapaths(), st.integers(1, 16), st.integers(1, 16), st.integers(1, 4096), st.integers(1, 64))
def test_properties_of_every_datapath(path, w, a, reduction, rows):
    if path.misfits(w, a):
        with pytest.raises(InfeasibleError, match="datapath"):
            path.passes(w, a)
        assert path.scheme != "serial_both"
        assert w > path.weight_bits or a > path.input_bits
        return
    assert path.passes(path.weight_bits, path.input_bits) == 1
    for narrower in ((max(1, w - 1), a), (w, max(1, a - 1))):
        assert path.passes(*narrower) <= path.passes(w, a)
        assert path.mac_energy(*narrower) <= path.mac_energy(w, a)
    assert 1 <= path.lane_padding(reduction, rows, w, a) < 1 + Fraction(rows * path.lanes(w, a), reduction)
    assert path.stored_bits(w) >= w


@given(datapaths())
def test_round_trip(path):
    assert Datapath.parse(str(path)) == path
    assert Datapath.parse(path.to_dict()) == path
    assert Datapath.parse(path) is path


def test_text():
    text = "composable:weight_bits=8,input_bits=8,brick_bits=2,storage=rounded,gate=weights+inputs"
    assert str(Datapath("composable", storage="rounded", gate=frozenset(OPERANDS))) == text
    assert Datapath.parse("parallel") == PARALLEL == Datapath.parse({"scheme": "parallel"}) == Datapath.parse({})
    assert Datapath.parse({"scheme": "serial_both", "skip": ["inputs"]}).skip == {"inputs"}


@pytest.mark.parametrize(
    ("value", "where", "found", "allowed"),
    [
        ("serial", "arch.datapath.scheme", "serial", "serial_weights"),
        ("parallel:weight_bits=0", "arch.datapath.weight_bits", 0, "1 to 16"),
        ("parallel:weight_bits=17", "arch.datapath.weight_bits", 17, "1 to 16"),
        ("parallel:brick_bits=2", "arch.datapath.brick_bits", 2, "composable"),
        ("composable:brick_bits=3", "arch.datapath.weight_bits", 8, "3 times a power of two"),
        ("composable:input_bits=6", "arch.datapath.input_bits", 6, "2 times a power of two"),
        ("composable:brick_bits=16", "arch.datapath.weight_bits", 8, "16 times a power of two"),
        ("parallel:weights=8", "arch.datapath.weights", 8, "weight_bits"),
        ("parallel:scheme=composable", "arch.datapath.scheme", "composable", "weight_bits"),
        ("parallel:storage=loose", "arch.datapath.storage", "loose", "tight, rounded"),
        ("parallel:skip=weights+outputs", "arch.datapath.skip", "outputs", "weights, inputs"),
        ("parallel:skip=weights,gate=weights+inputs", "arch.datapath.gate", "weights", "not skipped"),
        ({"weight_bits": "8"}, "arch.datapath.weight_bits", "8", "an integer"),
        ({"acc_bits": True}, "arch.datapath.acc_bits", True, "an integer"),
        ({"scheme": ["parallel"]}, "arch.datapath.scheme", ["parallel"], "parallel"),
        ({"gate": {"inputs": True}}, "arch.datapath.gate", {"inputs": True}, "weights, inputs"),
        ({"gate": [["inputs"]]}, "arch.datapath.gate", ["inputs"], "weights, inputs"),
        (8, "arch.datapath", 8, "text such as"),
    ],
)  # fmt: skip
def test_bad_datapaths_say_what_to_change(value, where, found, allowed):
    with pytest.raises(SpecError) as caught:
        Datapath.parse(value, "arch.datapath")
    assert (caught.value.path, caught.value.found) == (where, found)
    assert allowed in caught.value.allowed
    assert caught.value.fix


def test_operands_too_wide_are_infeasible():
    with pytest.raises(InfeasibleError, match=r"datapath.weights lacks 8 bits: needs 16, has 8") as caught:
        PARALLEL.passes(16, 16)
    assert [reason.level for reason in caught.value.reasons] == ["datapath.weights", "datapath.inputs"]
    assert [reason.level for reason in Datapath("serial_weights").misfits(16, 16, "conv1")] == ["datapath.inputs"]
    with pytest.raises(SpecError, match="weight_bits"):
        PARALLEL.passes(17, 8)
    with pytest.raises(SpecError, match="input_density"):
        PARALLEL.work(1, 1.5)
    with pytest.raises(SpecError, match="reduction"):
        Datapath.psum_bits(8, 8, 0)
