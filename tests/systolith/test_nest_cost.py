"""``cost`` on architectures of any depth, through the command line."""

from __future__ import annotations

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


def test_the_printed_nest_can_be_fed_back(systolith, folder):
    args = [*SMALL, "--mapping", "L2 C5 ; L1 K2X Q6X ; L0[O] C2 K2"]
    shown = systolith(*args).out
    (folder / "m.txt").write_text(shown[shown.index("dram[WIO]") :])
    assert systolith(*SMALL, "--mapping", "m.txt", "--json").json == systolith(*args, "--json").json


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


def test_mapping_needs_our_own_hardware(systolith):
    ran = systolith("map", "gemm:M=6,N=4,K=10", "--arch", "tri256")
    assert ran.code == 2
    assert "tri256 can only be costed" in ran.err


def test_presets_in_json_can_be_read_back(systolith):
    rows = {row["name"]: row for row in systolith("presets", "--json").json if "architecture" in row}
    assert set(rows) == set(PRESETS)
    for name, row in rows.items():
        assert Architecture.from_dict(row["architecture"]) == PRESETS[name]()
        assert row["source"]
