"""``verify`` through the whole stack: Verilog, simulator, golden model, cycle model."""

from __future__ import annotations

import dataclasses

import pytest

ARCH = "os:rows=2,cols=3,input_words=64,acc_words=16"


@pytest.mark.rtl
def test_a_tiny_array_is_verified(systolith):
    ran = systolith("verify", ARCH, "--cases", "4", "--seed", "5", "--json")
    data = ran.json
    assert ran.code == 0
    assert data["passed"]
    assert len(data["cases"]) == 4
    for case in data["cases"]:
        assert (case["mismatches"], case["counts_equal"]) == (0, True)
        assert case["cycles_rtl"] == case["cycles_model"]


@pytest.mark.rtl
def test_a_wrong_model_fails_the_check(systolith, monkeypatch):
    """One cycle more in the model must be seen, named, and end with exit code 1."""
    import sim.verify

    right = sim.verify.schedule
    monkeypatch.setattr(sim.verify, "schedule", lambda *args: dataclasses.replace(right(*args), cycles=right(*args).cycles + 1))
    args = ("verify", ARCH, "--cases", "1")
    ran = systolith(*args)
    assert ran.code == 1
    assert "FAILED" in ran.out
    assert "1 of 1 cases differ" in ran.err
    ran = systolith(*args, "--json")
    assert (ran.code, ran.json["passed"]) == (1, False)
