"""What every command promises: JSON with its provenance, exit codes, quiet interruption, whole files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dataflows.errors import CheckFailed
from dataflows.feasible import Infeasible, InfeasibleError
from systolith import cli

LISTINGS = [["networks"], ["presets"], ["engines"], ["networks", "ocr_cls", "--coverage"], ["networks", "gemm:M=3,N=4,K=5"]]


def shell(*args: str, **extra) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from systolith.cli import main; main()", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **extra)


@pytest.mark.parametrize("args", LISTINGS, ids=" ".join)
def test_json_results_say_where_they_come_from(systolith, args):
    ran = systolith(*args, "--json", "--seed", "7")
    assert (ran.code, ran.err) == (0, "")
    for result in ran.json if isinstance(ran.json, list) else [ran.json]:
        assert set(result["versions"]) >= {"systolith", "python", "numpy", "amaranth", "verilator"}
        assert (result["seed"], result["technology"], result["mode"]) == (7, "45nm", "machine")


@pytest.mark.parametrize("args", LISTINGS, ids=" ".join)
def test_people_get_a_table_on_standard_output(systolith, args):
    ran = systolith(*args)
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out.splitlines()) >= 3
    assert "\x1b" not in ran.out  # no colour codes in a pipe


def test_a_layer_in_one_line_is_a_network(systolith):
    net = systolith("networks", "conv:K=64,C=3,P=112,Q=112,R=7,S=7,stride=2", "--json").json
    assert net["macs"] == 64 * 3 * 112 * 112 * 49
    assert len(net["layers"]) == 1


def test_input_size_can_be_chosen(systolith):
    small, large = (systolith("networks", "ocr_det", "--size", size, "--json").json for size in ("320x320", "640x640"))
    assert large["macs"] == pytest.approx(4 * small["macs"], rel=0.01)


def test_coverage_accounts_for_every_node(systolith):
    found = systolith("networks", "ocr_det", "--coverage", "--json").json
    assert sum(found["counts"].values()) == len(found["coverage"])
    assert {row["status"] for row in found["coverage"]} <= {"mapped", "folded", "host", "rejected"}
    assert all(row["reason"] for row in found["coverage"])


COST = ["cost", "conv:K=16,C=8,P=8,Q=8,R=3,S=3", "--arch", "ws:rows=4,cols=4", "--mapping", "m.txt"]


def test_cost_walks_the_nest_on_request(systolith, folder):
    (folder / "m.txt").write_text("L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C4X K4X")
    (row,) = systolith(*COST, "--check", "--json").json
    assert row["check"]["equal"]
    assert row["macs"] == 16 * 8 * 8 * 8 * 9
    assert row["bound_cycles"] >= row["macs"] / 16
    assert systolith(*COST).code == 0


@pytest.mark.parametrize("arch", ["ws:rows=3,cols=7", "os:rows=5,cols=2"])
def test_what_map_prints_cost_reads(systolith, folder, arch):
    mapped = systolith("map", "ocr_cls", "--arch", arch, "--json")
    (folder / "m.json").write_text(mapped.out)
    costs = systolith("cost", "ocr_cls", "--arch", arch, "--mapping", "m.json", "--json").json
    keys = ("cycles", "bound_cycles", "energy_pj", "count")
    assert [[row[key] for key in keys] for row in costs] == [[row[key] for key in keys] for row in mapped.json["layers"]]
    assert mapped.json["total"]["cycles"] == sum(row["cycles"] * row["count"] for row in costs)
    assert mapped.json["total"]["edp"] == mapped.json["total"]["cycles"] * mapped.json["total"]["energy_pj"]


def test_a_printed_nest_can_be_fed_back(systolith, folder):
    args = ("gemm:M=30,N=20,K=10", "--arch", "os:rows=3,cols=5")
    mapped = systolith("map", *args)
    nest = mapped.out[mapped.out.index("# gemm") :]
    (folder / "m.txt").write_text(nest)
    (row,) = systolith("cost", *args, "--mapping", "m.txt", "--check", "--json").json
    assert f"{row['cycles']:,}" in mapped.out
    assert row["check"]["equal"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C3X K4X", 2, ["m.txt: conv: array level", "C3X K4X", "C4X K4X"]),
        ("L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C5X K4X", 1, ["conv: array lacks 1 instances on rows: needs 5, has 4"]),
        ("levels: [{level: dram, loops: [K 3]}]", 2, ["m.txt: conv: mapping.dram"]),
        ("L2 K2 ; L1 K2 C2 R3 S3 P8 Q8 ; L0 C4X K4X", 1, ["no valid mapping", "accumulator", "raise acc_words"]),
    ],
)
def test_mappings_that_do_not_match(systolith, folder, text, code, words):
    (folder / "m.txt").write_text(text)
    ran = systolith(*COST[:3], "ws:rows=4,cols=4", *COST[4:])
    assert (ran.out, len(ran.err.splitlines())) == ("", 1)
    assert not [word for word in words if word not in ran.err], ran.err
    assert ran.code == code


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CheckFailed("counts differ"), 1, "error: counts differ"),
        (
            InfeasibleError([Infeasible("array", 16, 8, "bits", "use 16 bits", "stem")]),
            1,
            "stem: array lacks 8 bits: needs 16, has 8",
        ),
        (RuntimeError("two\nlines"), 1, "error: internal error: RuntimeError: two lines; set SYSTOLITH_DEBUG=1"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_way_to_fail_is_one_line(monkeypatch, systolith, error, code, text):
    def fail() -> tuple[str, ...]:
        raise error

    monkeypatch.setattr("systolith.presets.names", fail)
    ran = systolith("presets")
    assert ran.code == code
    assert text in ran.err
    assert len(ran.err.splitlines()) == 1


def test_reasons_of_infeasibility_are_data():
    reason = Infeasible("array", 16, 8, "bits", "use 16 bits", "stem")
    assert cli.error_dict(InfeasibleError([reason]))["reasons"] == [reason.to_dict()]


def test_debugging_shows_the_traceback(folder):
    code = "import systolith.presets as p; p.names = lambda: 1 / 0\nfrom systolith.cli import main; main()"
    for value, lines in (("", 1), ("1", 5)):
        environment = {**os.environ, "SYSTOLITH_DEBUG": value}
        ran = subprocess.run(
            [sys.executable, "-c", code, "presets"], env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert ran.returncode == 1
        assert len(ran.stderr.splitlines()) >= lines
        assert ("Traceback" in ran.stderr) == bool(value)


TIGHT = "ws-8x8:weight_words=32"


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["networks", "resnet50"], 1, ""),
        (["cost", "resnet5O", "--arch", "tri256", "--mapping", "L2 K4"], 2, "did you mean resnet50"),
        (["map", "conv:K=8,C=8,P=6,Q=6,R=3,S=3", "--arch", TIGHT], 1, "error: no valid mapping"),
    ],
    ids=["result", "wrong input", "infeasible"],
)
def test_a_closed_pipe_is_quiet(args, code, error):
    """As in ``systolith ... --json | head``: no traceback, and of an error its one message and its code."""
    source = "from systolith.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", source, *args, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == code
    assert len(said.splitlines()) == (1 if error else 0)
    assert error in said


def test_the_process_has_the_exit_code():
    ran = shell("generate", "ws:rows=0,cols=1", "--json")
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["error"]["exit_code"] == 2
    assert len(ran.stderr.splitlines()) == 1


def test_help_needs_no_heavy_library():
    code = "import sys; from systolith import cli; print(*{m.split('.')[0] for m in sys.modules} & {'onnx', 'amaranth', 'numpy'})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


@pytest.mark.parametrize("objective", ["edp", "latency"])
def test_map_proves_its_result_and_says_so(systolith, objective):
    args = ("map", "gemm:M=300,N=200,K=170", "--arch", "ws-8x8", "--objective", objective)
    found = systolith(*args, "--json").json
    assert found["total"]["optimal"] is True
    assert [(row["optimal"], row["gap"]) for row in found["layers"]] == [(True, 0)]
    assert f"total {'EDP' if objective == 'edp' else objective}: proved" in systolith(*args).out
    early = systolith(*args, "--seconds", "0", "--json").json
    assert early["total"]["gap"] > 0
    assert "at most" in systolith(*args, "--seconds", "0").out
    assert (
        systolith(*args, "--mapper", "search", "--json").json["total"][objective if objective == "edp" else "cycles"]
        >= (found["total"][objective if objective == "edp" else "cycles"])
    )


def test_only_the_optimal_mapper_takes_a_limit(systolith):
    ran = systolith("map", "gemm:M=3,N=2,K=1", "--arch", "ws-8x8", "--mapper", "naive", "--seconds", "1")
    assert (ran.code, "--seconds" in ran.err) == (2, True)


def test_ctrl_c_shows_the_best_so_far(systolith, monkeypatch):
    from mappers.branch import Search

    calls = []

    def price(self, boxes, plain=Search.price):
        calls.append(boxes)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return plain(self, boxes)

    monkeypatch.setattr(Search, "price", price)
    ran = systolith("map", "gemm:M=300,N=200,K=170", "--arch", "ws-8x8", "--json")
    assert "best mappings so far" in ran.err
    assert (ran.code, ran.json["total"]["optimal"]) == (0, False)
