"""Generated arrays on a real simulator: named dataflows and random connectivity."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from dataflows.spatial.array import SpatialArray
from dataflows.spatial.schedule import SpatialSchedule
from sim.spatial import run as run_module
from sim.spatial import verify
from sim.spatial.arrays import NAMED, random_array
from sim.spatial.cases import random_cases
from sim.spatial.run import Pauses, run_cases
from sim.spatial.verify import verify_array, verify_cases

IN_EVERY_RUN = ("array_ws", "array_rs")
RANDOM = 40
CASES = 10


def passes(array: SpatialArray, name: str, seed: int) -> None:
    report = verify_array(array, cases=CASES, seed=seed, name=name)
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    paused = verify_array(array, cases=CASES, seed=seed + 1, name=name, pauses=Pauses(gaps=0.3, stalls=0.3))
    assert paused.passed, [case.to_dict() for case in paused.cases if not case.passed]


@pytest.mark.rtl
@pytest.mark.parametrize("name", IN_EVERY_RUN)
def test_named_arrays(name):
    passes(NAMED[name], name, 1)


@pytest.mark.rtl
@pytest.mark.parametrize("seed", range(4))
def test_random_arrays(seed):
    passes(random_array(Random(seed)), "random", seed)


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in NAMED if name not in IN_EVERY_RUN])
def test_all_named_arrays(name):
    passes(NAMED[name], name, 1)


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4, RANDOM))
def test_many_random_arrays(seed):
    passes(random_array(Random(seed)), "random", seed)


@pytest.mark.rtl
def test_a_wrong_word_a_wrong_cycle_and_a_wrong_count_show(monkeypatch):
    array = NAMED["array_ws"]
    cases = random_cases(array, 2, 5)
    assert verify_cases(array, cases).passed
    golden = verify.golden

    def spoilt(case):
        found = golden(case).copy()
        found.flat[-1] += 1
        return found

    with monkeypatch.context() as patch:
        patch.setattr(verify, "golden", spoilt)
        assert [case.mismatches for case in verify_cases(array, cases).cases] == [1, 1]
    schedule = verify.schedule

    def later(program) -> SpatialSchedule:
        model = schedule(program)
        return replace(model, cycles=model.cycles + 1, beats={**model.beats, "weights": 0})

    with monkeypatch.context() as patch:
        patch.setattr(verify, "schedule", later)
        report = verify_cases(array, cases)
        assert not any(case.passed or case.counts_equal or case.mismatches for case in report.cases)


@pytest.mark.rtl
def test_a_reset_in_the_middle_leaves_nothing_behind():
    array = NAMED["array_rs"]
    cases = random_cases(array, 3, 8)
    for stop in (40, 55, 90):
        for case, ran in zip(cases, run_cases(array, cases, name="array_rs", interrupt=stop), strict=True):
            assert verify.compare(case, ran).passed


@pytest.mark.rtl
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed")
@pytest.mark.parametrize("name", ["array_ws", "array_rs"])
def test_nothing_depends_on_initial_values(name, monkeypatch):
    """Four states, every initial value of a register taken away: what is not reset must not matter."""
    array = NAMED[name]
    text = run_module.verilog(array, name)
    stripped = re.sub(r"^(\s*reg [^;=]*?) = [^;]*;", r"\1;", text, flags=re.MULTILINE)
    assert stripped.count(" = ") < text.count(" = ")
    monkeypatch.setattr(run_module, "verilog", lambda *_: stripped)
    report = verify_array(array, cases=4, seed=3, name=name, simulator="icarus")
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]


def test_cases_are_of_every_kind_and_fill_the_array():
    array = NAMED["array_rs"]
    cases = random_cases(array, 60, 3)
    assert {case.program.layer.kind for case in cases} >= {"conv", "grouped", "depthwise", "gemm"}
    used = [sum(tag.active for tag in case.program.tags.values()) for case in cases]
    assert max(used) == array.pes
    assert np.mean(used) > 0.2 * array.pes
