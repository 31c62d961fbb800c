"""``cost`` of published machines, through the command line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dataflows.machines import MACHINES
from dataflows.nest.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs/published-machines.md").read_text()
CONV = "conv:K=64,C=64,P=14,Q=14,R=3,S=3"


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_costs_in_the_common_form(systolith, name):
    arch = "systolic:rows=8,cols=8" if name == "systolic" else name
    (row,) = systolith("cost", CONV, "--arch", arch, "--json").json
    assert (row["mode"], row["layer"], row["count"], row["macs"]) == (name, "conv", 1, 64 * 64 * 196 * 9)
    assert row["cycles"] >= row["floor_cycles"] > 0
    assert row["below_floor"] == []
    assert set(MACHINES[name].options) == set(row["rules"])
    assert set(MACHINES[name].columns) <= set(row["figures"])
    shown = systolith("cost", CONV, "--arch", arch).out
    assert f"mode {name}" in shown
    assert all(key in shown for key in row["figures"])


def test_tables_and_pages(systolith, folder):
    ran = systolith("cost", "alexnet", "--arch", "zhang15:halves=2", "--html", "page.html")
    assert ran.code == 0
    assert "366,025" in ran.out
    assert "words" not in ran.out  # a table of layers has no figures of one of them
    page = (folder / "page.html").read_text()
    assert "366,025" in page
    assert "cycles_per_group" in page or "cycles per group" in page


def test_with_a_mapping_a_preset_of_the_same_name_is_meant(systolith):
    both = set(PRESETS) & set(MACHINES)
    assert both == {"eyeriss_v1", "zhang15"}
    ran = systolith("cost", CONV, "--arch", "zhang15", "--mapping", "nonsense")
    assert ran.code == 2
    assert "nonsense" in ran.err
    assert "mode zhang15" not in ran.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--arch", "isca16", "--mapping", "L0: K4"], ["--mapping", "mode isca16", "leave it out"]),
        (["--arch", "eyeriss_v1", "--check"], ["--check", "mode eyeriss_v1"]),
        (["--arch", "systolic:rows=4"], ["cols", "nothing", "an integer"]),
        (["--arch", "systolic:rows=4,cols=4,dataflow=rs"], ["ws, os, is"]),
        (["--arch", "zhang15:tmm=4"], ["tmm", "did you mean 'tm'?"]),
        (["--arch", "zhang15:tm=x"], ["zhang15:tm=x: tm", "an integer"]),
        (["--arch", "tpu_v1_counters:gbps=fast"], ["gbps", "a number"]),
        (["--arch", "nvdla_workbook:sheet=resnet"], ["sheet", "resnet50"]),
        (["--arch", "isca16:dataflow=os"], ["rs, ws, osa, osb, osc, nlr"]),
        (["--arch", "eyeriss_v1:mapping=1/2"], ["seven positive integers"]),
    ],
)
def test_what_is_wrong_is_said_in_one_message(systolith, args, words):
    ran = systolith("cost", CONV, *args)
    assert ran.code == 2
    assert not ran.out
    for word in words:
        assert word in ran.err


def test_what_does_not_fit_is_infeasible(systolith):
    ran = systolith("cost", CONV, "--arch", "eyeriss_v1:mapping=64/1/14/30/4/1/1")
    assert ran.code == 1
    assert "sum scratchpad lacks 6 words" in ran.err


def test_impossible_figures_are_announced(systolith):
    """The workbook counts as many outputs as inputs; a wider border gives more."""
    wide = "conv:K=128,C=64,P=20,Q=20,R=5,S=5,padding=4"
    ran = systolith("cost", wide, "--arch", "nvdla_workbook:gbps=1000", "--json")
    (row,) = ran.json
    assert row["cycles"] == 16 * 16 * 128 * 64 * 25 / 2048
    (short,) = row["below_floor"]
    assert short == {"figure": "cycles", "found": row["cycles"], "floor": 40_000}
    assert "no hardware can do with fewer than 40,000; this is what nvdla_workbook reports" in ran.err


def test_the_manual_shows_what_runs(systolith):
    commands = re.findall(r"^systolith (cost .*)$", MANUAL, re.MULTILINE)
    assert len(commands) == len(MACHINES)
    told = re.search(r"```\n\nprint ([\d,]+(?:, [\d,]+)*) and ([\d,]+) cycles", MANUAL)
    assert told
    numbers = [*told[1].split(", "), told[2]]
    for command, number in zip(commands, numbers, strict=True):
        ran = systolith(*shlex.split(command), "--json")
        assert ran.code == 0
        assert f"{ran.json[0]['cycles']:,.0f}" == number


def test_the_manual_names_every_machine_and_its_parameters():
    for name, machine in MACHINES.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", MANUAL, re.MULTILINE)
        assert all(f"`{option}`" in row for option in machine.options), name


def test_tests_named_in_the_manual_exist():
    tests = list((ROOT / "tests/dataflows/machines").glob("test_*.py"))
    text = "".join(path.read_text() for path in tests)
    names = set(re.findall(r"`(test_\w+)`", MANUAL))
    assert len(names) > 10
    for name in sorted(names):
        assert f"def {name}(" in text or name in {path.stem for path in tests}, name


@pytest.mark.parametrize("machine", ["eyeriss_v1", "zhang15", "scalesim:rows=8,cols=8,dataflow=ws"])
def test_operations_channel_by_channel_are_refused(systolith, machine):
    ran = systolith("cost", "add:C=20,H=8,W=8", "--arch", machine)
    assert ran.code == 2
    assert "add.op: found 'add'; allowed: mac" in ran.err
