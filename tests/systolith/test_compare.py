"""Mappings of any tool beside the best there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from systolith.comparison import KEYS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/exchange"
TIMELOOP = tuple(str(EXAMPLES / f"timeloop_{name}.yaml") for name in ("problem", "arch", "mapping"))
ZIGZAG = tuple(str(EXAMPLES / f"zigzag_{name}.yaml") for name in ("workload", "accelerator", "mapping"))
GEMM = ("gemm:name=g,M=6,N=4,K=10", "--arch", "tri256")
BY_HAND = "L2: C5 | L1: K2X Q6X | L0: C2 K2"


def test_a_timeloop_mapping_is_costed_as_by_cost_and_no_better_than_the_optimum(systolith):
    network, arch, mapping = TIMELOOP
    ran = systolith("compare", network, "--arch", arch, "--mapping", mapping, "--json")
    assert ran.code == 0, ran.err
    (row,) = ran.json
    (given,) = row["mappings"]
    (alone,) = systolith("cost", network, "--arch", arch, "--mapping", mapping, "--json").json
    assert [given[key] for key in ("cycles", "energy_pj", "edp")] == [alone[key] for key in ("cycles", "energy_pj", "edp")]
    assert row["optimal"]["gap"] == 0
    assert given["ratio"] == pytest.approx(given["edp"] / row["optimal"]["edp"])
    assert given["ratio"] > 1


def test_zigzags_layers_stand_by_themselves_and_what_is_left_out_is_said(systolith):
    network, arch, mapping = ZIGZAG
    ran = systolith("compare", network, "--arch", arch, "--mapping", mapping, "--json", "--layer", "classify")
    assert ran.code == 0, ran.err
    (row,) = ran.json
    assert row["layer"] == "classify"
    assert row["mappings"][0]["ratio"] > 1
    assert any("Add left out" in note for note in row["not_understood"])


@pytest.mark.parametrize("objective", ["edp", "energy", "latency"])
def test_the_best_mapping_compared_with_itself_has_ratio_one(systolith, folder, objective):
    found = systolith("map", *GEMM, "--objective", objective, "--json")
    (folder / "best.json").write_text(found.out)
    ran = systolith("compare", *GEMM, "--objective", objective, "--mapping", "best.json", "--mapping", BY_HAND, "--json")
    assert ran.code == 0, ran.err
    best, by_hand = ran.json[0]["mappings"]
    assert best["ratio"] == pytest.approx(1)
    assert by_hand["ratio"] >= best["ratio"]
    assert (best["file"], by_hand["file"]) == ("best.json", BY_HAND)


def test_a_mapping_outside_the_space_may_be_better_and_is_said_to_be(systolith):
    """Seven rows on sixteen: a padded tile of eight leaves two steps where divisors leave seven or one."""
    layer, arch = "gemm:name=g,M=1,N=17,K=1", ["--arch", "tri256"]
    ran = systolith("compare", layer, *arch, "--objective", "latency", "--mapping", "L2: K2 | L1: K9X | L0:")
    assert ran.code == 0, ran.err
    assert "outside the space" in ran.out


def test_the_table_names_every_file_and_one_layer_shows_its_nests(systolith):
    ran = systolith("compare", *GEMM, "--mapping", BY_HAND)
    assert ran.code == 0, ran.err
    for word in (*KEYS, "optimal", BY_HAND, "proved for 1 of 1 layers", "for C in 0..5"):
        assert word in ran.out


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--arch", "ws-8x8", "--mapping", BY_HAND], 2, ["--arch", "mode timeloop", "systolith presets"]),
        (["--arch", "tri256", "--mapping", "nothere.yaml"], 2, ["nothere.yaml", "no such file"]),
        (["--arch", "tri256", "--mapping", "L2: C5"], 2, ["K", "at least 4"]),
        (["--arch", "tri256"], 2, ["--mapping"]),
        (["--arch", "tri256", "--mapping", TIMELOOP[0]], 2, ["Timeloop problem", "a mapping"]),
        (["--arch", "tri256", "--rules", "halo=wet", "--mapping", BY_HAND], 2, ["halo", "physical"]),
    ],
    ids=["not a nest", "no file", "does not cover", "no mapping", "a problem", "unknown rule"],
)
def test_what_cannot_be_compared_is_said(systolith, args, code, words):
    ran = systolith("compare", GEMM[0], *args)
    assert ran.code == code
    assert all(word in ran.err for word in words), ran.err
    assert "Traceback" not in ran.err


def test_a_mapping_that_does_not_fit_is_named(systolith):
    ran = systolith("compare", "gemm:name=g,M=64,N=64,K=64", "--arch", "tri256", "--mapping", "L0: Q64 C64 K64")
    assert ran.code == 1
    assert "L0: Q64 C64 K64 does not fit tri256" in ran.err
    assert "rf lacks" in ran.err
