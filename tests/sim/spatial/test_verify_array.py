"""Generated arrays on a real simulator: named dataflows and random connectivity."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from dataflows.spatial.array import MOST_INNER, MOST_OUTER, SpatialArray
from dataflows.spatial.schedule import SpatialSchedule, schedule
from sim.spatial import run as run_module
from sim.spatial import verify
from sim.spatial.arrays import NAMED, random_array
from sim.spatial.cases import padded, random_cases
from sim.spatial.long import long_loops
from sim.spatial.run import Pauses, run_cases, shifted
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
@pytest.mark.parametrize(("name", "gated"), [("array_ws", False), ("array_rs", False), ("array_rs", True)])
def test_nothing_depends_on_initial_values(name, gated, monkeypatch):
    """Four states, every initial value of a register taken away: what is not reset must not matter."""
    array = replace(NAMED[name], zero_gating=gated)
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


@pytest.mark.rtl
def test_every_loop_is_as_long_as_it_may_be(monkeypatch):
    report = verify.verify_long(NAMED["array_ws"], name="array_ws")
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    assert len(report.cases) == 2 * (MOST_OUTER + MOST_INNER) + 2
    some = list(long_loops(NAMED["array_ws"]))[-2:]
    monkeypatch.setattr(verify, "long_loops", lambda array: [replace(loop, expected=loop.expected ^ 1) for loop in some])
    assert [case.mismatches for case in verify.verify_long(NAMED["array_ws"], name="array_ws").cases] == [1, 1]


def test_loops_of_one_iteration_change_nothing():
    array = NAMED["array_rs"]
    for at, case in enumerate(random_cases(array, 20, 4)):
        assert len(case.program.outer) == MOST_OUTER if at % 2 else len(case.program.outer) < MOST_OUTER
        bare = replace(
            case.program, outer=tuple(loop for loop in case.program.outer if loop.extent > 1),
            inner=tuple(loop for loop in case.program.inner if loop.extent > 1),
        )  # fmt: skip
        again = padded(bare, Random(at)) if len(bare.outer) == len(case.program.outer) else case.program
        assert (again.iterations, again.steps) == (bare.iterations, bare.steps)
        assert schedule(again).cycles == schedule(case.program).cycles


def test_positions_count_from_anywhere_within_the_tags():
    array = NAMED["array_rs"]
    used = set()
    for at, case in enumerate(random_cases(array, 20, 6)):
        tags, shifts = shifted(case.program, Random(at))
        for place, tag in tags.items():
            assert tag.active == case.program.tags[place].active
            used |= set(tag.weights + tag.inputs)
            if tag.active:
                moved = [a - b for a, b in zip(tag.inputs, case.program.tags[place].inputs, strict=True)]
                assert tuple(moved) == shifts["inputs"]
    assert 0 <= min(used)
    assert max(used) < 1 << array.tag_bits
    assert max(used) > (1 << array.tag_bits) * 0.9
