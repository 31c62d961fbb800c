"""``map --explain``: what is said agrees with what is mapped; what cannot be mapped says what would do."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONV = "conv:K=16,C=8,P=8,Q=8,R=3,S=3"
SMALL = "ws:rows=4,cols=4,bus_bytes=4"
LEVELS = """
name: two
mac_pj: 1
levels:
- {name: dram, holds: [weights, inputs, outputs], read_pj: 100, write_pj: 100, bandwidth: BANDWIDTH}
- {name: buffer, holds: [weights, inputs, outputs], read_pj: 1, write_pj: 1, capacity_bits: SIZE,
   fanout: {axes: [{name: rows, size: 2, dims: NGKCPQRS}]}}
"""


def two(folder: Path, size: int, bandwidth: float = 1.0) -> str:
    """Write an architecture of two levels; return its name."""
    text = LEVELS.replace("SIZE", str(size)).replace("BANDWIDTH", str(bandwidth))
    (folder / "two.yaml").write_text(text)
    return "two.yaml"


def test_the_explanation_is_of_the_mapping_that_is_shown(systolith):
    plain = systolith("map", CONV, "--arch", SMALL, "--json").json
    found = systolith("map", CONV, "--arch", SMALL, "--explain", "--json").json
    why = found["explain"]
    timing = {"seconds"}
    (row,), (same,) = found["layers"], plain["layers"]
    assert {key: row[key] for key in row.keys() - timing} == {key: same[key] for key in same.keys() - timing}
    assert why["value"] == row["edp"]
    assert (why["proof"]["gap"], why["proof"]["optimal"]) == (row["gap"], True)
    assert why["cycles"] == row["cycles"] >= max(why["cycles_by_limit"].values())
    assert why["bound"] == row["bound"]
    assert set(why["binding"]) == {step["field"] for step in why["sensitivity"] if step["worth"] > 0}


def test_every_step_is_what_mapping_again_gives(systolith):
    """Figures of single steps, from accelerators that have them."""
    why = systolith("map", CONV, "--arch", SMALL, "--objective", "latency", "--explain", "--json").json["explain"]
    for step in why["sensitivity"]:
        fields = {"bus_bytes": 4, step["field"].removeprefix("memory."): step["after"]}
        arch = "ws:rows=4,cols=4," + ",".join(f"{name}={value}" for name, value in fields.items())
        again = systolith("map", CONV, "--arch", arch, "--objective", "latency", "--json").json
        assert again["total"]["cycles"] == step["value"]
        assert step["worth"] == pytest.approx((why["value"] - step["value"]) / why["value"])
        assert step["worth"] >= 0


def test_loop_nests_are_explained_in_words_and_as_data(systolith, folder):
    arch = two(folder, 256, 0.5)
    args = ("map", "gemm:M=8,N=8,K=4", "--arch", arch, "--objective", "latency", "--explain")
    said = systolith(*args)
    assert said.code == 0
    why = systolith(*args, "--json").json["explain"]
    assert why["binding"][0] == "dram.bandwidth"
    assert "busiest: the port of dram" in said.out
    assert f"what binds: {', '.join(why['binding'])}; the step that saves most: dram.bandwidth of " in said.out
    assert f"{why['levels'][0]['used']:,}" in said.out
    steps = {(step["field"], step["step"]): step for step in why["sensitivity"]}
    again = systolith("map", args[1], "--arch", two(folder, 256, 1.0), "--objective", "latency", "--json").json
    assert steps["dram.bandwidth", "doubled"]["value"] == again["total"]["cycles"]


def test_where_nothing_can_be_bought_it_says_so(systolith, folder):
    args = ("map", "gemm:M=8,N=8,K=4", "--arch", two(folder, 100_000, 1000), "--objective", "latency", "--explain")
    assert "nothing more can be bought with memory or bandwidth" in systolith(*args).out
    why = systolith(*args, "--json").json["explain"]
    assert (why["exhausted"], why["binding"], why["sensitivity"]) == (True, [], [])


def test_what_is_not_proved_is_not_said(systolith):
    """Without time nothing is known of larger memories but that they save less than all."""
    ran = systolith("map", "conv:K=64,C=64,P=28,Q=28,R=3,S=3", "--arch", "simba", "--seconds", "0", "--explain")
    assert ran.code == 0
    assert "so far: " in ran.out
    assert "what binds" not in ran.out
    assert "nothing more can be bought" not in ran.out
    assert "no step was found to be worth anything; whether one is was not proved" in ran.out
    assert "nothing, at most " in ran.out


def test_the_least_that_makes_a_layer_feasible_is_named_and_is_the_least(systolith, folder):
    layer = "conv:K=8,C=8,P=6,Q=6,R=12,S=11"
    ran = systolith("map", layer, "--arch", "ws:rows=4,cols=4,input_words=100", "--json")
    assert ran.code == 1
    change = ran.json["error"]["change"]
    assert {each["field"]: each["after"] for each in change["fields"]} == {"input_words": 132, "weight_words": 528}
    text = "input_words 132 instead of 100 words, weight_words 528 instead of 512 words (checked by mapping the layer)"
    assert ran.err.rstrip().endswith(f"smallest change that makes it feasible: {text}")
    assert systolith("map", layer, "--arch", "ws:rows=4,cols=4,input_words=132,weight_words=528").code == 0
    for less in ("input_words=131,weight_words=528", "input_words=132,weight_words=527"):
        assert systolith("map", layer, "--arch", f"ws:rows=4,cols=4,{less}").code == 1


def test_the_same_for_loop_nests(systolith, folder):
    args = ("map", CONV, "--no-bypass", "--json", "--arch")
    ran = systolith(*args, two(folder, 20))
    assert ran.code == 1
    assert {reason["subject"] for reason in ran.json["error"]["reasons"]} == {"conv"}
    (field,) = ran.json["error"]["change"]["fields"]
    assert (field["field"], field["before"], field["after"]) == ("buffer.capacity_bits", 20, 24)
    assert systolith(*args, two(folder, 24), "--seconds", "0").code == 0
    assert systolith(*args, two(folder, 23)).code == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["resnet18", "--arch", "ws-8x8"], "choose one with --layer"),
        ([CONV, "--arch", "ws-8x8", "--mapper", "search"], "leave out --mapper"),
        ([CONV, "--arch", "tri256", "--mapper", "local"], "leave out --mapper"),
        (["gemm:M=64,N=64,K=64", "--arch", "system_ws:rows=16,cols=16,post_lanes=16"], "architecture of mode timeloop"),
    ],
)
def test_what_cannot_be_explained_is_refused(systolith, args, says):
    ran = systolith("map", *args, "--explain")
    assert ran.code == 2
    assert "--explain" in ran.err
    assert says in ran.err


def test_pages_have_charts(systolith, folder):
    two_layers = {"layers": [{"name": "a", "conv": {"K": 8, "C": 8, "P": 6, "Q": 6, "R": 3, "S": 3}},
                             {"name": "b", "gemm": {"M": 4, "N": 64, "K": 64}}]}  # fmt: skip
    (folder / "net.yaml").write_text(yaml.safe_dump(two_layers))
    for arch in (SMALL, two(folder, 512)):
        assert systolith("map", "net.yaml", "--arch", arch, "--html", "page.html", "--seconds", "1").code == 0
        page = (folder / "page.html").read_text()
        assert page.count("<figure><svg") == 2
        assert "<h2>Roofline</h2>" in page
        assert "<h2>Energy by level and tensor</h2>" in page


def test_the_example_of_the_manual_is_what_is_printed(systolith):
    text = (ROOT / "docs/explain.md").read_text()
    (command,) = re.findall(r"```shell\nsystolith (map .*?)\n```", text)
    (block,) = re.findall(r"```text\n(why.*?)```", text, re.DOTALL)
    out = systolith(*shlex.split(command)).out
    shown = out[out.index("\nwhy this") + 1 :]
    assert [line.rstrip() for line in shown.splitlines()] == [line.rstrip() for line in block.splitlines()]
