"""``explore`` and ``report`` from the outside: a whole small run, and what is refused before anything is written."""

from __future__ import annotations

import json

import pytest
import yaml

from dataflows.errors import SpecError
from dse.study import Study
from systolith.specs import accelerator

SPEC = """
network: conv:K=12,C=8,P=9,Q=9,R=3,S=3,padding=1
budget: {macs: 16, buffer_kib: 16, bandwidth_bytes_per_cycle: 2}
search: {evaluations: 12, seed: 3}
"""


@pytest.fixture
def spec(folder):
    (folder / "job.yaml").write_text(SPEC)
    return "job.yaml"


@pytest.mark.rtl
def test_a_whole_exploration(systolith, folder, spec):
    ran = systolith("explore", spec, "-o", "out", "--json")
    assert ran.code == 0, ran.err
    data = ran.json
    assert data["verified"]
    assert data["verified_scope"] == "1 of 1 distinct layer shapes, each alone, with random inputs"
    assert data["evaluations"] == 12
    assert data["seed"] == 3
    assert data["gain"]["total"] == pytest.approx(data["gain"]["mapping"] * data["gain"]["hardware"])
    assert data["best"]["edp"] <= data["baseline"]["edp"]
    names = {path.name for path in (folder / "out").iterdir()}
    assert names >= {"report.html", "design.yaml", "verify.json", "result.json", "verilog"}
    (case,) = json.loads((folder / "out/verify.json").read_text())["cases"]
    assert (case["mismatches"], case["counts_equal"]) == (0, True)
    assert case["cycles_rtl"] == case["cycles_model"] == data["best"]["cycles"]

    # The folder is a design and a mapping file: the same figures come out of it again.
    acc = accelerator("out")
    assert acc.to_dict() == yaml.safe_load((folder / "out/design.yaml").read_text())["accelerator"]
    assert (acc.memory.bus_bytes, acc.memory.interval) == (4, 2)
    network = yaml.safe_load(SPEC)["network"]
    (row,) = systolith("cost", network, "--arch", "out", "--mapping", "out/design.yaml", "--check", "--json").json
    assert (row["cycles"], row["energy_pj"]) == (data["best"]["cycles"], pytest.approx(data["best"]["energy_pj"]))

    before = (folder / "out/report.html").read_bytes()
    (folder / "out/report.html").unlink()
    assert systolith("report", "out").code == 0
    assert (folder / "out/report.html").read_bytes() == before

    again = systolith("explore", spec, "-o", "out")
    assert again.code == 2
    assert "--resume" in again.err
    resumed = systolith("explore", spec, "-o", "out", "--resume", "--json").json
    assert resumed["best"] == data["best"]


REFUSED = {
    "budget nothing fits": (
        "{network: 'conv:K=8,C=64,P=2,Q=2,R=41,S=41', budget: {buffer_kib: 1}}",
        1,
        ["budget.buffer_kib", "needs 6,800, has 1,024"],
    ),
    "layers no program holds": (
        "{network: 'gemm:M=100000,N=4,K=4'}",
        1,
        ["program lacks 34,465 columns", "needs 100,000, has 65,535", "along M"],
    ),
    "unknown network": ("{network: resnet55}", 2, ["resnet55", "resnet50"]),
    "missing network file": ("{network: nowhere.onnx}", 2, ["nowhere.onnx"]),
    "layer to verify that is not there": ("{network: ocr_cls, verify: {layers: [Conv.0]}}", 2, ["Conv.0"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_before_anything_is_written(systolith, folder, what):
    text, code, words = REFUSED[what]
    (folder / "job.yaml").write_text(text)
    ran = systolith("explore", "job.yaml", "-o", "made/for/it")
    assert ran.code == code, ran.err
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "internal error" not in errors[0]
    assert not [word for word in words if word not in errors[0]], ran.err
    assert [path.name for path in folder.iterdir()] == ["job.yaml"]


def test_a_search_is_shown_when_building_fails(systolith, folder, spec, monkeypatch):
    def fail(_acc: object) -> None:
        raise SpecError("x.y", 1, "2", "change it")

    monkeypatch.setattr("rtl.export.export", fail)
    ran = systolith("explore", spec, "-o", "out", "--evaluations", "2")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "error: not verified: x.y: found 1; allowed: 2; change it; see out/verify.json"
    for words in ("the best baseline, with the same budget and mapper", "verified: NO, 0 of 1 distinct layer shapes"):
        assert words in ran.out
    assert (folder / "out/report.html").exists()


def test_a_folder_of_another_exploration_is_left_alone(systolith, folder, spec):
    (folder / "out").mkdir()
    Study(folder / "out", {"another": "specification"}, resume=False).close()
    before = (folder / "out/trials.sqlite").read_bytes()
    ran = systolith("explore", spec, "-o", "out", "--resume")
    assert ran.code == 2
    assert "another specification" in ran.err.splitlines()[-1]
    assert (folder / "out/trials.sqlite").read_bytes() == before


def test_an_interrupted_exploration_says_how_to_go_on(systolith, monkeypatch, spec):
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dse.explore.explore", interrupted)
    ran = systolith("explore", spec, "-o", "x")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (130, "", 1)
    assert "systolith explore job.yaml -o x --resume" in ran.err


def test_trials_that_are_no_trials(systolith, folder, spec):
    (folder / "out").mkdir()
    (folder / "out/trials.sqlite").write_text("this is not a database, whatever its name says" * 100)
    ran = systolith("explore", spec, "-o", "out", "--resume")
    assert ran.code == 2
    assert "trials.sqlite" in ran.err.splitlines()[-1]


def test_report_of_an_empty_folder(systolith, folder):
    (folder / "empty").mkdir()
    ran = systolith("report", "empty")
    assert ran.code == 2
    assert "empty/result.json" in ran.err
    assert list((folder / "empty").iterdir()) == []
