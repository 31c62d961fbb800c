"""``cost`` as MAESTRO and SCALE-Sim would have it, through the command line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dataflows.maestro import NAMED
from systolith.peer_cost import EXAMPLE

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs/compatible-modes.md").read_text()
CONV2 = "conv:K=64,C=64,P=56,Q=56,R=3,S=3"
NVDLA = "maestro:dataflow=kcp_ws,pes=256"
WS = "scalesim:rows=32,cols=32,dataflow=ws"


def test_measured_rows(systolith):
    (row,) = systolith("cost", CONV2, "--arch", NVDLA, "--json").json
    assert (row["mode"], row["cycles"], row["bound_cycles"], row["floor_cycles"]) == ("maestro", 501_761, 501_761, 451_584)
    assert (row["macs"], row["count"], row["seed"], row["below_floor"]) == (115_605_504, 1, 0, [])
    assert "0.23 pJ a MAC" in row["technology"]
    (row,) = systolith("cost", CONV2, "--arch", WS, "--json").json
    assert (row["mode"], row["layer"], row["cycles"], row["floor_cycles"]) == ("scalesim", "conv", 116_279, 112_896)
    assert row["technology"] is None  # it has no energy
    assert row["rules"] == {"rows": 32, "cols": 32, "dataflow": "ws"}


def test_tables(systolith):
    shown = systolith("cost", CONV2, "--arch", NVDLA).out
    for text in ("501,761", "L2", "36,864", "compute 501,760", "inputs 11.5962", "L2 5,768 words"):
        assert text in shown
    assert "36" in systolith("cost", CONV2, "--arch", WS).out
    network = systolith("cost", "resnet18", "--arch", WS)
    assert network.code == 0
    assert "layer1.0.conv1" in network.out


def test_hardware_is_an_argument(systolith):
    def cycles(more: str) -> int:
        (row,) = systolith("cost", CONV2, "--arch", f"{NVDLA},{more}", "--json").json
        return row["cycles"]

    assert cycles("noc_bw=1024,simd=9") == 50_176 * (1 + 2) + 3  # nine taps at once, two cycles to bring them
    assert cycles("noc_latency=3") == 50_176 * (9 + 3) + 3
    assert cycles("buffering=single") > 501_761
    assert cycles("offchip_bw=1") == 50_176 * 5760 // 2
    (one, two) = (
        systolith("cost", CONV2, "--arch", f"{NVDLA},mac_pj={pj}", "--json").json[0]["energy_pj"] for pj in ("0.5", "1")
    )
    assert two == pytest.approx(2 * one)


def test_directives_from_a_file(systolith, folder):
    (folder / "mine.m").write_text("Dataflow {\n" + str(NAMED["kcp_ws"]).replace("; ", ";\n") + ";\n}\n")
    (row,) = systolith("cost", CONV2, "--arch", "maestro:dataflow=mine.m,pes=256", "--json").json
    assert (row["cycles"], row["rules"]["dataflow"]) == (501_761, "mine.m")


def test_impossible_figures_are_announced(systolith):
    ran = systolith("cost", "conv:K=8,C=8,P=4,Q=7,R=3,S=3", "--arch", "maestro:dataflow=yxp_os,pes=64", "--json")
    assert ran.code == 0
    assert [each["figure"] for each in ran.json[0]["below_floor"]][:2] == ["cycles", "macs"]
    assert "warning: conv: cycles 0, but no hardware can do with fewer than 252; this is what maestro reports" in ran.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--arch", NVDLA, "--mapping", "L2 K4"], ["--mapping", "mode maestro", "leave it out"]),
        (["--arch", WS, "--rules", "halo=physical"], ["--rules", "mode scalesim"]),
        (["--arch", NVDLA, "--check"], ["--check", "mode maestro"]),
        (["--arch", "tri256"], ["--mapping", "found 'nothing'", "add --mapping"]),
        (["--arch", "ws-8x8"], ["--mapping", "found 'nothing'", "systolith map"]),
        (["--arch", "maestro:pes=256"], ["dataflow", "nothing", EXAMPLE["maestro"]]),
        (["--arch", "scalesim"], ["rows", "nothing", EXAMPLE["scalesim"]]),
        (["--arch", "maestro:dataflow=kcp,pes=256"], ["dataflow", "did you mean 'kcp_ws'?"]),
        (["--arch", "maestro:dataflow=kcp_ws,pes=32"], ["pes", "at least 64"]),
        (["--arch", "maestro:dataflow=kcp_ws,pes=x"], ["pes", "an integer"]),
        (["--arch", f"{NVDLA},simd=0"], [f"{NVDLA},simd=0: simd", "positive integer"]),
        (["--arch", f"{NVDLA},mac_pj=nan"], ["mac_pj", "positive number"]),
        (["--arch", f"{NVDLA},mac_pj=x"], ["mac_pj", "a number of pJ"]),
        (["--arch", f"{NVDLA},buffering=none"], ["buffering", "double or single"]),
        (["--arch", f"{NVDLA},noc=3"], ["noc", "did you mean 'noc_bw'?"]),
        (["--arch", "scalesim:rows=32,cols=32,dataflow=rs"], ["dataflow", "ws, os, is"]),
        (["--arch", "scalesim:rows=0,cols=32,dataflow=ws"], ["0 x 32", "positive"]),
    ],
)
def test_what_is_wrong_is_said_in_one_message(systolith, args, words):
    ran = systolith("cost", CONV2, *args)
    assert ran.code == 2
    assert not ran.out
    for word in words:
        assert word in ran.err


def test_the_manual_shows_what_runs(systolith):
    commands = re.findall(r"^systolith (cost .*)$", MANUAL, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        ran = systolith(*shlex.split(command.split(" # ")[0]), "--json")
        assert ran.code == 0
        assert f"{ran.json[0]['cycles']:,} cycles" in MANUAL


def test_tests_named_in_the_manual_exist():
    tests = ROOT / "tests"
    text = "".join(path.read_text() for path in (tests / "dataflows").rglob("test_*.py"))
    names = set(re.findall(r"`(test_\w+)`", MANUAL))
    assert len(names) > 15
    for name in sorted(names):
        assert f"def {name}(" in text or list(tests.rglob(f"{name}.py")), name


LAYERS = """
name: two
layers:
- {name: CONV1, conv: {K: 64, C: 3, H: 224, W: 224, R: 7, S: 7, stride: 2, padding: 3}}
- {name: CONV2_1_2, conv: {K: 64, C: 64, H: 56, W: 56, R: 3, S: 3, padding: 1}}
"""
RUNS = {"kcp_ws": (41_067, 230_502), "rs": (45_397, 257_202), "yxp_os": (177_366, 502_900)}


@pytest.mark.parametrize("dataflow", RUNS)
def test_the_energies_of_the_tools_table_can_be_seen(systolith, folder, dataflow):
    (folder / "two.yaml").write_text(LAYERS)
    rows = systolith("cost", "two.yaml", "--arch", f"maestro:dataflow={dataflow},pes=256", "--json").json
    assert [float(f"{row['table_energy_nj']:.6g}") for row in rows] == pytest.approx(RUNS[dataflow], abs=0.5)
    shown = systolith("cost", "two.yaml", "--arch", f"maestro:dataflow={dataflow},pes=256").out
    for row in rows:
        assert f"{row['table_energy_nj']:.4e}" in shown


def test_inputs_may_be_those_that_are_listed(systolith, folder):
    """The tool's lists have no border: 224 rows and not the 223 that 109 outputs use, 54 outputs of 56 rows."""
    (folder / "two.yaml").write_text(LAYERS)
    rows = systolith("cost", "two.yaml", "--arch", f"{NVDLA},noc_bw=1024,simd=9,inputs=listed", "--json").json
    assert [row["cycles"] for row in rows] == [1_330_673, 139_971]
    writes = [{tensor: words["writes"] for tensor, words in row["levels"]["L2"].items()} for row in rows]
    assert writes[0] == {"inputs": 150_528, "weights": 9_408, "outputs": 760_384}
    assert writes[1] == {"inputs": 200_704, "weights": 36_864, "outputs": 186_624}
    assert rows[0]["rules"]["inputs"] == "listed"
    (row,) = systolith("cost", "conv:K=64,C=3,P=109,Q=109,R=7,S=7,stride=2", "--arch", NVDLA, "--json").json
    assert row["levels"]["L2"]["inputs"]["writes"] == 149_187
    assert "inputs: found 'all'" in systolith("cost", CONV2, "--arch", f"{NVDLA},inputs=all").err
