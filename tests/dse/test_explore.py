"""Nothing a search found is lost when what comes after it fails, and what was verified is said exactly."""

from __future__ import annotations

import json

import pytest

from dataflows.arch import Memory
from dataflows.errors import CheckFailed, SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dse import cases
from dse.budget import Budget
from dse.explore import explore
from dse.job import Job
from dse.result import scope

NETWORK = "conv:K=12,C=8,P=9,Q=9,R=3,S=3,padding=1"


@pytest.fixture
def small(monkeypatch) -> Job:
    monkeypatch.setattr("rtl.export.export", lambda _acc: {"top.v": "module top; endmodule\n"})
    return Job("small", NETWORK, Budget(16, 16 * 1024, Memory(4)), evaluations=3, seed=1)


@pytest.mark.parametrize(
    "error", [SpecError("x.y", 1, "2"), InfeasibleError([Infeasible("input_buffer", 3, 2, "words", "raise input_words", "z")])]
)
@pytest.mark.parametrize("where", ["dse.cases.cases", "dse.explore.verify_layers", "rtl.export.export"])
def test_a_search_is_kept_when_building_fails(small, tmp_path, monkeypatch, error, where):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(where, fail)
    data = explore(small, tmp_path).to_dict()
    assert not data["verified"]
    assert data["verify"]["error"] == str(error)
    assert data["verified_scope"] == "0 of 1 distinct layer shapes"
    assert json.loads((tmp_path / "result.json").read_text()) == data
    assert json.loads((tmp_path / "verify.json").read_text()) == data["verify"]
    assert str(error).split(";")[0] in (tmp_path / "report.html").read_text().replace("&#39;", "'")
    assert (tmp_path / "design.yaml").exists()


def test_layers_beyond_the_cycles_to_simulate_leave_one(small, tmp_path, monkeypatch):
    seen = []

    def verified(_acc, picked, **_options):
        seen.extend(case.name for case in picked)
        raise CheckFailed("not run")

    monkeypatch.setattr(cases, "MOST_CYCLES", 1)
    monkeypatch.setattr("dse.explore.verify_layers", verified)
    assert explore(small, tmp_path).to_dict()["verify"]["error"] == "not run"
    assert len(seen) == 1


def test_layers_no_program_holds_are_refused_before_the_search(small, tmp_path):
    from dataclasses import replace

    with pytest.raises(InfeasibleError, match="needs 100,000, has 65,535"):
        explore(replace(small, network="gemm:M=100000,N=4,K=4"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def entry(name: str, mismatches: int = 0) -> dict[str, object]:
    return {"name": name, "mismatches": mismatches, "cycles_rtl": 5, "cycles_model": 5, "counts_equal": True}


def test_the_scope_counts_shapes_not_names(network):
    verify = {"tensors": "quantised", "cases": [entry("a"), entry("c"), entry("e"), entry("d", mismatches=1)]}
    found = scope(network, verify)
    assert found == {
        "verified_shapes": 2, "distinct_shapes": 4,
        "scope": "2 of 4 distinct layer shapes, each alone, with real quantised inputs",
    }  # fmt: skip
    assert scope(network, {**verify, "tensors": "random"})["scope"].endswith("each alone, with random inputs")
    assert scope(network, {"tensors": "none", "cases": []})["scope"] == "0 of 4 distinct layer shapes"
