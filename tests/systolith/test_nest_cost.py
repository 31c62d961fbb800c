"""``cost`` on architectures of any depth, through the command line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from dataflows.nest.architecture import Architecture
from dataflows.nest.presets import PRESETS, tri256
from dataflows.nest.walk import MOST_WORK

MANUAL = (Path(__file__).resolve().parents[2] / "docs/cost-model.md").read_text()
ARCHITECTURES = (Path(__file__).resolve().parents[2] / "docs/architectures.md").read_text()
PRESET_TABLE = ARCHITECTURES.partition("## Presets")[2].partition("###")[0]
CONV = "conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2"
DESIGN = "gemmini_dosa:dim=32,scratchpad_kb=2,accumulator_kb=16"
NEST = "L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2"
SMALL = ["cost", "gemm:M=6,N=4,K=10", "--arch", "tri256"]


def test_a_published_row(systolith):
    (row,) = systolith("cost", CONV, "--arch", DESIGN, "--mapping", NEST, "--json").json
    assert (row["mode"], row["cycles"], row["bound_cycles"], row["bound"]) == ("timeloop", 10_436_608, 10_436_608, "accumulator")
    assert row["energy_pj"] / 1e6 == pytest.approx(3057.0, rel=0.005)
    assert (row["macs"], row["count"], row["seed"]) == (118_013_952, 1, 0)
    assert "DOSA" in row["technology"]
    assert row["versions"]["systolith"]
    shown = systolith("cost", CONV, "--arch", DESIGN, "--mapping", NEST).out
    for text in ("10,436,608", "scratchpad", "29,503,488", "accumulator[O]", "spatial on rows C in 0..3"):
        assert text in shown


def test_the_same_mapping_in_a_file_in_every_form(systolith, folder):
    texts = {
        "compact.txt": "L2 C5 ; L1 K2X Q6X ; L0[O] C2 K2\n",
        "named.txt": "dram: C5\nglb: K2X Q6X\nrf[-WI]: C2 K2\n",
        "holds.yaml": "schema: 1\nlevels:\n- {level: dram, loops: [C 5]}\n- {level: L1, loops: [K 2 on rows, Q 6 on cols]}\n"
        "- {level: rf, holds: [outputs], loops: [C 2, K 2]}\n",
        "bypass.yaml": "levels:\n- {level: dram, loops: [C 5]}\n- {level: L1, loops: [K 2 on rows, Q 6 on cols]}\n"
        "- {level: rf, bypass: [inputs, weights], loops: [C 2, K 2]}\n",
        "printed.txt": "dram[WIO] | for C in 0..5\nglb | spatial on rows K in 0..2\n | spatial on cols Q in 0..6\n"
        "rf[O] | for C in 0..2\n | for K in 0..2\n",
        "nest.yaml": "levels:\n- {level: L2, loops: [C 5]}\n- {level: L1, loops: [K 2 on rows, Q 6 on cols]}\n"
        "- {level: 'rf[O]', loops: [C 2, K 2]}\n",
        "layers.yaml": "layers:\n- name: gemm\n  mapping:\n    levels:\n    - {level: L2, loops: [C 5]}\n"
        "    - {level: L1, loops: [K 2 on rows, Q 6 on cols]}\n    - {level: 'L0[O]', loops: [C 2, K 2]}\n",
    }
    rows = []
    for name, text in texts.items():
        (folder / name).write_text(text)
        ran = systolith(*SMALL, "--mapping", name, "--check", "--json")
        assert ran.code == 0
        assert "checked: all counts of 1 layers equal" in ran.err
        rows += ran.json
    assert all(row == rows[0] for row in rows)
    assert rows[0]["check"] == {"equal": True, "differences": []}


FED_BACK = {
    "mode timeloop": ["gemm:M=6,N=4,K=10", "--arch", "tri256", "--mapping", "L2 N1 C5 ; L1 K2X Q6X ; L0[O] C2 K2"],
    "mode machine": [
        "conv:K=16,C=8,P=8,Q=8,R=3,S=3", "--arch", "ws:rows=4,cols=4", "--mapping",
        "dram K2 P4 ; buffer K2 C2 R3 S3 P2 Q8 ; array C4X K4X",
    ],
}  # fmt: skip


@pytest.mark.parametrize("mode", FED_BACK)
def test_what_is_printed_can_be_fed_back(systolith, folder, mode):
    """All of it, the nest alone, and the JSON: with the mapping in it."""
    args = ["cost", *FED_BACK[mode]]
    shown, as_json = systolith(*args), systolith(*args, "--json")
    assert as_json.json[0]["mapping"]["levels"][0]["level"].startswith("dram")
    assert shown.out.index("cycles") < shown.out.index("\ndram") > 0  # a table comes first
    texts = {
        "all.txt": shown.out, "nest.txt": shown.out[shown.out.index("\ndram") :], "m.json": as_json.out,
        "row.json": json.dumps(as_json.json[0]),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
        assert systolith(*args[:-1], name, "--json").json == as_json.json
    nest = "\n".join(line for line in shown.out.splitlines() if "|" in line and not line.startswith("#"))
    assert systolith(*args[:-1], nest, "--json").json == as_json.json


def test_tables_without_a_nest_are_refused_with_what_to_do(systolith, folder):
    (folder / "two.yaml").write_text("- gemm:M=6,N=4,K=10,name=a\n- gemm:M=6,N=4,K=12,name=b\n")
    nest = "{levels: [{level: rf, loops: [K 4, C 12, Q 6]}]}"
    (folder / "m.yaml").write_text(f"mappings: {{a: {nest}, b: {nest}}}")
    args = ["cost", "two.yaml", "--arch", "tri256", "--mapping"]
    shown, as_json = systolith(*args, "m.yaml"), systolith(*args, "m.yaml", "--json")
    (folder / "all.txt").write_text(shown.out)
    ran = systolith(*args, "all.txt")
    assert ran.code == 2
    assert "all.txt: found 'tables without a loop nest'" in ran.err
    assert "--layer NAME" in ran.err
    (folder / "m.json").write_text(as_json.out)
    assert systolith(*args, "m.json", "--json").json == as_json.json


def test_what_passes_by_a_level_is_what_it_can_hold_but_that(systolith, folder):
    """Eyeriss keeps no weights in its shared buffer anyway, so that only inputs are left."""
    args = ["cost", "gemm:M=6,N=4,K=10", "--arch", "eyeriss", "--json", "--mapping"]
    (row,) = systolith(*args, "dram K4 ; glb[-O] C10 ; pe Q6").json
    assert set(row["levels"]["glb"]) == {"inputs"}
    assert row == systolith(*args, "dram K4 ; glb[I] C10 ; pe Q6").json[0]
    ran = systolith(*args, "dram K4 ; glb[W] C10 ; pe Q6")
    assert ran.code == 2
    assert "weights held by glb" in ran.err


def test_an_architecture_from_a_file(systolith, folder):
    data = tri256().to_dict()
    (folder / "mine.yaml").write_text(yaml.safe_dump(data))
    args = ["cost", "gemm:M=6,N=4,K=10", "--mapping", "L2 C10 Q6 K4", "--json", "--arch"]
    assert systolith(*args, "mine.yaml").json == systolith(*args, "tri256").json
    data["levels"][1]["bandwith"] = 3
    (folder / "mine.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    ran = systolith(*args, "mine.yaml")
    assert ran.code == 2
    line = (folder / "mine.yaml").read_text().splitlines().index("  bandwith: 3") + 1
    assert f"mine.yaml:{line}: levels[1].bandwith: found 3" in ran.err
    assert "did you mean 'bandwidth'?" in ran.err


def test_rules_are_options(systolith):
    args = ["cost", CONV, "--arch", DESIGN, "--mapping", NEST, "--json"]
    (row,) = systolith(*args, "--rules", "halo=physical,psums=strict").json
    assert row["rules"] == {"halo": "physical", "window": "box", "psums": "strict", "ramp": "none"}
    assert row["levels"]["scratchpad"]["inputs"]["writes"] == 942_564


def test_a_short_layer_may_be_bound_by_its_ramp(systolith):
    """A single step: the first weight and input come in one after the other, the product goes out."""
    args = ["cost", "gemm:M=1,N=1,K=1", "--arch", "gemmini_dosa", "--mapping", "L0", "--json"]
    (row,) = systolith(*args, "--rules", "ramp=once").json
    assert row["bound"] == "ramp"
    assert row["cycles"] == row["cycles_by_limit"]["ramp"] + max(
        took for name, took in row["cycles_by_limit"].items() if name != "ramp"
    )
    assert systolith(*args).json[0]["bound"] != "ramp"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ([CONV, "--arch", DESIGN, "--mapping", NEST, "--check"], 2, ["words to move one by one", f"at most {MOST_WORK:,}"]),
        ([CONV, "--arch", "gemmini_dosa:dims=3", "--mapping", NEST], 2, ["dims", "did you mean 'dim'?"]),
        ([CONV, "--arch", "gemmini_dosa:dim=x", "--mapping", NEST], 2, ["dim", "an integer"]),
        ([CONV, "--arch", "gemmini_dosa:dim=2", "--mapping", NEST], 1, ["conv: scratchpad lacks 2", "accumulator lacks 1"]),
        ([CONV, "--arch", DESIGN, "--mapping", NEST.replace("P2 C", "P32 C")], 1, ["accumulator lacks", "bits"]),
        ([CONV, "--arch", DESIGN, "--mapping", "L3: P28 Q5"], 2, ["conv: mapping: K: found 1", "at least 64"]),
        ([CONV, "--arch", "tri256", "--mapping", "L2 K4", "--rules", "halo=none"], 2, ["rules.halo", "timeloop or physical"]),
        ([CONV, "--arch", "ws-8x8", "--mapping", "L2 K4", "--rules", "halo=physical"], 2, ["--rules", "mode timeloop"]),
        (["resnet50", "--arch", "tri256", "--mapping", "L2 K4"], 2, ["--mapping", "add --layer"]),
        ([CONV, "--arch", "tri256", "--mapping", "nowhere.txt"], 2, ["nowhere.txt", "no such file"]),
        ([CONV, "--arch", "tri256", "--mapping", "L3"], 2, ["--mapping: level", "'L3'", "L2 = dram, L1 = glb, L0 = rf"]),
        ([CONV, "--arch", "tri256", "--mapping", "L2"], 2, ["conv: mapping: K: found 1", "at least 64"]),
        ([CONV, "--arch", "tri256", "--mapping", "dram K16 ; gbl"], 2, ["'gbl'", "did you mean 'glb'?"]),
        ([CONV, "--arch", "tri256", "--mapping", ""], 2, ["--mapping: found 'an empty text'"]),
    ],
)
def test_what_is_wrong_is_said_in_one_message(systolith, args, code, words):
    ran = systolith("cost", *args)
    assert ran.code == code
    assert not ran.out
    for word in words:
        assert word in ran.err


def test_our_own_hardware_takes_literal_mappings_too(systolith, folder):
    args = ["cost", "conv:K=16,C=8,P=8,Q=8,R=3,S=3", "--arch", "ws:rows=4,cols=4", "--json", "--mapping"]
    text = "L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C4X K4X"
    (folder / "m.txt").write_text(text)
    literal = systolith(*args, text)
    assert literal.code == 0
    assert literal.json == systolith(*args, "m.txt").json
    assert literal.json[0]["mode"] == "machine"


def test_the_manual_shows_what_runs(systolith, folder):
    command = re.search(r"```shell\nsystolith (.*?)```", MANUAL, re.DOTALL)[1]
    (row,) = systolith(*shlex.split(command.replace("\\\n", "")), "--json").json
    assert f"{row['cycles']:,} cycles" in MANUAL
    assert f"{row['energy_pj'] / 1e6:,.0f} uJ" in MANUAL
    (folder / "two.yaml").write_text(re.search(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)[1])
    args = ["cost", "gemm:M=6,N=4,K=10", "--arch", "two.yaml", "--mapping", "L2 C5 ; L1 C2X K4X ; L0 Q6", "--check"]
    assert systolith(*args).code == 0


def test_the_manual_of_architectures_has_every_preset_and_runs(systolith, folder):
    assert set(re.findall(r"^\| `(\w+)[:`]", PRESET_TABLE, re.MULTILINE)) == set(PRESETS)
    (folder / "edge.yaml").write_text(re.search(r"```yaml\n(.*?)```", ARCHITECTURES, re.DOTALL)[1])
    args = ["cost", "gemm:M=6,N=4,K=10", "--arch", "edge.yaml", "--mapping", "L3 C5 ; L2 K4X ; L1 C2X ; L0 Q6", "--check"]
    assert systolith(*args).code == 0


def test_presets_are_listed(systolith):
    shown = systolith("presets").out
    assert all(name in shown for name in PRESETS)


def test_verification_needs_our_own_hardware(systolith):
    ran = systolith("verify", "tri256")
    assert ran.code == 2
    assert "can only be costed" in ran.err


def test_presets_in_json_can_be_read_back(systolith):
    rows = {row["name"]: row for row in systolith("presets", "--json").json if "architecture" in row}
    assert set(rows) == set(PRESETS)
    for name, row in rows.items():
        assert Architecture.from_dict(row["architecture"]) == PRESETS[name]()
        assert row["source"]
