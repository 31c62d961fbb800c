"""Spatial arrays on the command line: cost, generate, engines, and mistakes."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

WS = "array_ws:rows=16,cols=16"
GEMM = "gemm:M=64,N=64,K=64"
NEST = "stream K4 C4 Q64 C16X K16X"


def test_cost_is_that_of_the_systolic_array(systolith):
    (row,) = systolith("cost", GEMM, "--arch", WS, "--mapping", NEST, "--json").json
    # ROWS + (F - 1) M + M + ROWS + COLS - 2, and 3 (docs/arrays.md)
    assert row["cycles"] == 16 + 15 * 64 + 64 + 16 + 16 - 2 + 3
    assert (row["mode"], row["bound"], row["floor_cycles"], row["below_floor"]) == ("array", "compute", 1024, [])
    assert row["levels"]["stream"]["weights"] == {"reads": 64 * 64, "writes": 0}
    assert row["levels"]["stream"]["outputs"] == {"reads": 0, "writes": 4 * 64 * 64}


def test_cost_prints_and_takes_its_own_mapping_back(systolith, folder):
    printed = systolith("cost", GEMM, "--arch", WS, "--mapping", NEST)
    assert "1,073" in printed.out
    rows = systolith("cost", GEMM, "--arch", WS, "--mapping", NEST, "--json").json
    (folder / "rows.json").write_text(json.dumps(rows))
    assert systolith("cost", GEMM, "--arch", WS, "--mapping", "rows.json", "--json").json == rows


def test_links_between_neighbours_spare_the_ports(systolith):
    args = ("cost", "conv:K=1,C=1,P=8,Q=8,R=3,S=3", "--mapping", "stream R3 S3 P8X Q8X", "--json", "--arch")
    words = {}
    for links in (0, 3):
        (row,) = systolith(*args, f"array_shidiannao:rows=8,cols=8,links={links}").json
        words[links] = row["levels"]["stream"]["inputs"]["reads"]
    assert words == {0: 576, 3: 100}  # dense reference, 7


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["cost", GEMM, "--arch", WS, "--mapping", "stream K4 C2 Q64 C32X K16X"], 1, ["16 instances on rows", "needs 32"]),
        (["cost", GEMM, "--arch", WS, "--mapping", "stream K4 C4 C16X K16X ; pe Q64"], 1, ["pe.inputs", "needs 64, has 1"]),
        (["cost", GEMM, "--arch", WS, "--mapping", "stream Q64 C64 K64", "--check"], 2, ["systolith verify"]),
        (["cost", GEMM, "--arch", WS, "--mapping", "stream Q64 C64 K64", "--rules", "halo=physical"], 2, ["--rules"]),
        (["cost", GEMM, "--arch", WS], 2, ["--mapping"]),
        (["generate", "array_ws:rows=3"], 2, ["a value for cols"]),
        (["generate", "array_shidiannao:rows=3,cols=3,links=-2"], 2, ["links.inputs.rows", "deliveries from 1"]),
        (["generate", "system_shidiannao:rows=3,cols=3,links=2"], 2, ["links", "leave the links out"]),
        (["generate", "array_ws:rows=3,cols=x"], 2, ["cols"]),
        (["generate", "array_ws:rows=3,cols=4,weights_words=0"], 2, ["l1_words.weights", "found 0"]),
        (["verify", "array_wss:rows=3,cols=4"], 2, ["array_ws"]),
        (["map", GEMM, "--arch", "array_ws:rows=3,cols=4"], 2, ["array_ws", "costed with a mapping"]),
    ],
)
def test_mistakes_are_named(systolith, folder, args, code, words):
    ran = systolith(*args)
    assert ran.code == code, ran.err
    assert len(ran.err.strip().splitlines()) == 1
    for word in words:
        assert word in ran.err
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("axes: 3\n", ["axes", "a list"]),
        ("axes: [{name: rows, size: 2, dimz: C}]\n", ["axes[0].dimz", "dims"]),
        ("axes: [{name: rows, size: 2}, {name: rows, size: 3}]\n", ["each once"]),
        ("axes: [{name: rows, size: 2}]\nports: {weights: [cols]}\n", ["ports.weights", "rows"]),
        ("axes: [{name: rows, size: 2}]\nl1_words: {weight: 2}\n", ["l1_words.weight", "weights"]),
    ],
)
def test_broken_files_are_named(systolith, folder, text, words):
    (folder / "mine.yaml").write_text(text)
    ran = systolith("verify", "mine.yaml")
    assert ran.code == 2
    for word in ("mine.yaml", *words):
        assert word in ran.err


def test_generate_writes_what_it_lists(systolith, folder):
    made = systolith("generate", "array_os:rows=2,cols=3", "-o", "out", "--json").json
    assert sorted(made["files"]) == sorted(f"out/{name}" for name in ("array.v", "params.json", "array.core", "array.f"))
    params = json.loads((folder / "out" / "params.json").read_text())
    text = (folder / "out" / "array.v").read_text()
    assert f"module {params['top']}(" in text
    for port, about in params["ports"].items():
        assert f"[{about['width'] - 1}:0] {port};" in text
        covered = sorted((field["bit"], field["bit"] + field["width"]) for field in about["fields"])
        assert covered[0][0] == 0
        assert covered[-1][1] == about["width"]
        assert all(end == begin for (_, end), (begin, _) in pairwise(covered))
