"""Architectures as text, mappings as text, and what is refused with which words."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.compact import is_compact
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.nest import bind, spelled_out
from dataflows.nest.presets import PRESETS, eyeriss, gemmini_dosa, parameters, tri256
from dataflows.nest.rules import TENSORS, Rules
from dataflows.nest.text import parse_compact
from dataflows.workload import Layer
from tests.dataflows.nest import random_nests

GEMM = Layer.gemm("gemm", M=6, N=4, K=10)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_round_trip(name):
    arch = PRESETS[name]()
    assert Architecture.from_dict(arch.to_dict()) == arch
    assert arch.source
    assert arch.levels[0].holds == {"weights", "inputs", "outputs"}


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_random_architectures_and_nests_round_trip(seed):
    rng = Random(seed)
    layer, arch = random_nests.draw_layer(rng), random_nests.draw_architecture(rng)
    assert Architecture.from_dict(arch.to_dict()) == arch
    mapping = spelled_out(random_nests.draw_mapping(rng, layer, arch), arch)
    assert Mapping.parse(str(mapping)) == mapping
    assert Mapping.from_dict(mapping.to_dict()) == mapping
    assert spelled_out(mapping, arch) == mapping


def test_spelling_out_keeps_the_meaning():
    rng = Random(5)
    for _ in range(40):
        layer, arch = random_nests.draw_layer(rng), random_nests.draw_architecture(rng)
        mapping = random_nests.draw_mapping(rng, layer, arch)
        assert bind(layer, arch, spelled_out(mapping, arch)) == bind(layer, arch, mapping)


def test_positions():
    arch = gemmini_dosa(8, 16, 8)
    assert [arch.position(i) for i in range(4)] == ["offchip", "shared", "column", "pe"]
    assert [arch.instances(i) for i in range(4)] == [1, 1, 8, 64]
    assert arch.pes == 64
    assert [eyeriss().position(i) for i in range(3)] == ["offchip", "shared", "pe"]
    assert parameters("gemmini_dosa") == {"dim": 16, "scratchpad_kb": 128, "accumulator_kb": 64}


AXIS = "a.levels[1].fanout.axes[0]: axis.name"
BROKEN = {
    "no levels": (lambda d: d.pop("levels"), "a.levels", "required"),
    "misspelt": (lambda d: d["levels"][1].update(bandwith=3), "a.levels[1].bandwith", "did you mean 'bandwidth'"),
    "a tensor": (lambda d: d["levels"][1].update(holds=["weight"]), "a.levels[1].holds", "weights, inputs, outputs"),
    "negative": (lambda d: d["levels"][0].update(read_pj={"weights": -1}), "a.levels[0].read_pj.weights", "not negative"),
    "fraction": (lambda d: d["levels"][1].update(capacity_bits=1.5), "a.levels[1].capacity_bits", "positive integer"),
    "two sizes": (lambda d: d["levels"][1].update(capacity_words=4), "a.levels[1].capacity_words", "remove one"),
    "axis": (lambda d: d["levels"][1]["fanout"]["axes"][0].update(name="z"), AXIS, "rows, cols, planes"),
    "size": (lambda d: d["levels"][1]["fanout"]["axes"][0].update(size=0), "axis.rows", "positive integer"),
    "flag": (lambda d: d["levels"][1]["fanout"].update(links="yes"), "a.levels[1].fanout.links", "true or false"),
    "buffering": (lambda d: d["levels"][1].update(buffering="triple"), "level glb.buffering", "ideal, double, single"),
    "ports": (lambda d: d["levels"][1].update(bandwidth=1, read_bandwidth=1), "level glb.bandwidth", "remove one"),
    "same name": (lambda d: d["levels"][1].update(name="rf"), "tri256.levels", "distinct names"),
    "outermost": (lambda d: d["levels"][0].update(holds=["inputs"]), "tri256.dram.holds", "all of weights"),
    "schema": (lambda d: d.update(schema=9), "a.schema", "use the form of this version"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_architectures_are_named(case):
    change, place, words = BROKEN[case]
    data = tri256().to_dict()
    change(data)
    with pytest.raises(SpecError) as caught:
        Architecture.from_dict(data, "a")
    assert place in caught.value.path
    assert words in str(caught.value)


WRONG = (-1e-9, float("nan"), float("inf"), -float("inf"), 1e31)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_energy_is_refused_in_code(wrong):
    """The least of what is left would mean nothing to a mapper that proves."""
    level = StorageLevel("dram", frozenset(TENSORS))
    makers = {
        "fanout.hop_pj": lambda: Fanout(hop_pj=wrong),
        "fanout.add_pj": lambda: Fanout(add_pj=wrong),
        "level dram.read_pj": lambda: StorageLevel("dram", frozenset(TENSORS), (0.0, wrong, 0.0)),
        "level dram.write_pj": lambda: StorageLevel("dram", frozenset(TENSORS), write_pj=(0.0, 0.0, wrong)),
        "a.mac_pj": lambda: Architecture("a", (level,), wrong),
        "a.leakage_pj": lambda: Architecture("a", (level,), 1.0, leakage_pj=wrong),
    }
    for path, make in makers.items():
        with pytest.raises(SpecError, match="allowed: numbers of pJ from 0 to 1e\\+30; correct the energy") as caught:
            make()
        assert caught.value.path == path
        assert str(wrong) in str(caught.value)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_energy_is_refused_in_text(wrong):
    """At its place in the file."""
    changes = {
        "a.levels[1].fanout.hop_pj": lambda d: d["levels"][1]["fanout"].update(hop_pj=wrong),
        "a.levels[1].fanout.add_pj": lambda d: d["levels"][1]["fanout"].update(add_pj=wrong),
        "a.levels[0].read_pj.inputs": lambda d: d["levels"][0].update(read_pj={"inputs": wrong}),
        "a.levels[0].write_pj": lambda d: d["levels"][0].update(write_pj=wrong),
        "a.mac_pj": lambda d: d.update(mac_pj=wrong),
        "a.leakage_pj": lambda d: d.update(leakage_pj=wrong),
    }
    for path, change in changes.items():
        data = tri256().to_dict()
        change(data)
        with pytest.raises(SpecError, match="allowed: ") as caught:
            Architecture.from_dict(data, "a")
        assert caught.value.path == path
        assert str(wrong) in str(caught.value)


def test_sizes_in_words():
    data = {"name": "a", "mac_pj": 1, "levels": [
        {"name": "dram", "holds": ["weights", "inputs", "outputs"], "read_pj": 1, "write_pj": 1},
        {"name": "buffer", "holds": ["weights", "inputs"], "read_pj": 1, "write_pj": 1, "word_bits": 4, "capacity_words": 100},
        {"name": "pe", "holds": ["outputs", "inputs"], "read_pj": 1, "write_pj": 1,
         "word_bits": {"weights": 8, "inputs": 8, "outputs": 32}, "capacity_words": {"inputs": 3, "outputs": 5}},
    ]}  # fmt: skip
    arch = Architecture.from_dict(data)
    assert [level.capacity_bits for level in arch.levels] == [None, 400, (None, 24, 160)]
    data["levels"][2]["capacity_words"] = 7
    with pytest.raises(SpecError, match="use capacity_bits"):
        Architecture.from_dict(data)


def test_compact_texts_are_the_same_mapping():
    arch = gemmini_dosa(4, 2, 1)
    texts = (
        "L3: C2 K2 | L2: K2X | L1: Q3 C5X | L0: Q2",
        "L3 C2 K2 ; L2 K2X ; L1 Q3 C5X ; L0 Q2",
        "L3[WIO] C2 K2 - L2[WI] K2X - L1[O] Q3 C5X - L0[W] Q2",
        "L3 C2 K2\nL2 N1 K2X\nL1 Q3 N1X C5X\nL0 Q2",
    )
    mappings = [spelled_out(parse_compact(text, arch), arch) for text in texts]
    assert all(is_compact(text) for text in texts)
    nests = [str(bind_or_reason(mapping, arch)) for mapping in mappings]
    assert len(set(nests)) == 1
    assert "rows" in nests[0]  # C5X does not fit four rows


def test_what_looks_like_compact_text():
    for text in ("L2 ; L1 K4", "L2: K4", "L2[WI] K4", "L2 K4", "L2: - | L1 K4"):
        assert is_compact(text)
    for text in ("L2 | for K in 0..4", "levels: []", "L2[WI] | for K in 0..4", "dram | for K in 0..4"):
        assert not is_compact(text)


def bind_or_reason(mapping: Mapping, arch: Architecture) -> object:
    try:
        return bind(GEMM, arch, mapping)
    except InfeasibleError as error:
        return error


def test_axes_are_chosen_so_that_loops_fit():
    mapping = parse_compact("L1 K2X Q6X K2X ; L2 C10", tri256())
    axes = [(loop.dim, loop.axis) for loop in mapping.levels[0].loops]
    sizes = {"rows": 1, "cols": 1}
    for (_, axis), extent in zip(axes, (2, 6, 2), strict=True):
        sizes[axis] *= extent
    assert sorted(sizes.values()) == [4, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L3 K4 C10 Q6", ["'L3'", "L2 = dram, L1 = glb, L0 = rf"]),
        ("L2 K4 C10 ; L0 Q5", ["mapping: Q", "found 5", "at least 6"]),
        ("L2 K4 C10 ; L1 Q6Y", ["L1", "'Q6Y'"]),
        ("L2 K4 C10 ; L0 Q6X", ["L0", "Q6X", "remove the X"]),
        ("L0 K4 C10 ; L2 Q6", ["mapping.levels[1]", "outermost to the innermost"]),
        ("L2 K4 C10 Q6 ; L2 K1", ["mapping.levels[1]", "each once"]),
        ("L2[WI] K4 C10 Q6", ["dram", "all tensors"]),
        ("L2 K4 C10 Q6 ; K3", ["'K3'"]),
    ],
)
def test_mappings_of_another_form_are_refused(text, words):
    arch = tri256()
    with pytest.raises(SpecError) as caught:
        bind(GEMM, arch, parse_compact(text, arch))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("nest", "words"),
    [
        ("dram | for PQ in 0..6", ["PQ", "write P and Q apart"]),
        ("scratchpad | spatial on rows C in 0..2", ["cols", "see the array"]),
        ("scratchpad | spatial on cols C in 0..2", ["K on cols"]),
        ("scratchpad[O] | for K in 0..4", ["outputs held by scratchpad", "inputs, weights"]),
        ("dram | for K in 0..2 step 3\n | for C in 0..10\n | for Q in 0..6\naccumulator | for K in 0..2", ["step 2"]),
        ("attic | for K in 0..2", ["attic", "L0 = register"]),
        ("[W] | for K in 0..2", ["NAME, NAME[WIO] or NAME[-O]"]),
    ],
)
def test_nests_that_the_hardware_lacks_are_refused(nest, words):
    with pytest.raises(SpecError) as caught:
        bind(GEMM, gemmini_dosa(), Mapping.parse(nest))
    for word in words:
        assert word in str(caught.value)


def test_steps_may_be_written():
    text = "dram | for K in 0..2 step 2\n | for C in 0..10\n | for Q in 0..6\naccumulator | for K in 0..2"
    plain = text.replace(" step 2", "")
    arch = gemmini_dosa()
    assert bind(GEMM, arch, Mapping.parse(text)) == bind(GEMM, arch, Mapping.parse(plain))


def test_arrays_that_are_too_short_are_infeasible():
    arch = tri256()
    with pytest.raises(InfeasibleError) as caught:
        bind(Layer.gemm("wide", M=300, N=1, K=1), arch, parse_compact("L1 Q300X", arch))
    (reason,) = caught.value.reasons
    assert (reason.level, reason.demand, reason.bound, reason.subject) == ("glb", 300, 16, "wide")


def test_rules_are_checked():
    with pytest.raises(SpecError, match="timeloop or physical"):
        Rules(halo="none")
    for name in ("gemmini_dosa", "gemmini"):
        with pytest.raises(SpecError, match="positive integer"):
            PRESETS[name](dim=0)


def test_steps_of_loops_over_space_are_checked():
    arch = PRESETS["tri256"]()
    layer = Layer.gemm("gemm", M=4, N=4, K=4)
    mapping = Mapping((Level("dram", (Loop("C", 4), Loop("Q", 4))), Level("glb", (Loop("K", 4, 99, "cols"),))))
    with pytest.raises(SpecError, match="step 1, the product of the inner loops over K"):
        bind(layer, arch, mapping)


@pytest.mark.parametrize("name", ["a|b", "a[W]", "# hi", "", "1st", "L5"])
def test_level_names_can_be_read_back(name):
    with pytest.raises(SpecError, match="rename the level"):
        Architecture("named", (StorageLevel("dram", frozenset(TENSORS)), StorageLevel(name, frozenset(TENSORS))), 1.0)


def test_a_level_below_planes_is_one_per_plane():
    fanout, inner = Fanout((Axis("planes", 3),)), Fanout((Axis("rows", 2),))
    every = frozenset(TENSORS)
    levels = (StorageLevel("dram", every, fanout=fanout), StorageLevel("mid", every, fanout=inner), StorageLevel("pe", every))
    arch = Architecture("planes", levels, 1.0)
    assert [arch.position(at) for at in range(3)] == ["offchip", "plane", "pe"]
