from __future__ import annotations

import numpy as np
import pytest

import sim.rlc
from dataflows.compression import Format
from dataflows.errors import SpecError
from sim.formats.rlc import EYERISS, runs
from sim.rlc import directed_tensors, random_tensors, verify_codec, verify_tensors


def test_the_verilog_encodes_and_decodes_as_numpy_does():
    report = verify_codec(EYERISS, cases=15, seed=4)
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    assert len(report.cases) == 2 * (15 + 6)
    whole = report.cases[: 15 + 6]
    assert all(case.cycles_rtl == 2 * case.counts_rtl["loaded"] for case in whole)  # a word per cycle, both ways


def test_a_difference_is_seen(monkeypatch):
    # The model's memory words changed in one bit: what the encoder writes differs, and the decoder gives what it was told.
    real = sim.rlc.encode

    def changed(values, word_bits, form):
        packed = real(values, word_bits, form).copy()
        if len(values) == 9:
            packed[0, 0] ^= 1
        return packed

    monkeypatch.setattr(sim.rlc, "encode", changed)
    tensors = [np.arange(5), np.array([0, 0, 3, 0, 0, 5, 0, 0, 1]), np.arange(300)]
    report = verify_tensors(EYERISS, 16, tensors)
    assert not report.passed
    failed = [case.name for case in report.cases if case.mismatches]
    assert "1_whole" in failed
    assert "0_whole" not in failed
    assert next(case for case in report.cases if case.name == "1_whole").first_mismatch.startswith("stored 0: found")


def test_random_tensors_are_of_all_kinds():
    tensors = random_tensors(40, EYERISS, 16, seed=0)
    assert {len(values) for values in tensors} >= {1, 2}
    assert any(not values.any() for values in tensors)
    assert any(values.all() for values in tensors)
    assert min(values.min() for values in tensors) == -(1 << 15)
    assert max(np.diff(np.flatnonzero(np.concatenate([[1], values, [1]]))).max() for values in tensors) > 33


@pytest.mark.parametrize("run_bits", [1, 2, 5, 9])
def test_directed_tensors_have_full_runs_before_words_and_before_zeros(run_bits):
    form, full = Format("rlc", run_bits=run_bits, pack=1, flag_bits=1), (1 << run_bits) - 1
    said = set()
    for values in directed_tensors(form, 8, 1 << 20):
        found, levels = runs(values, run_bits)
        said |= {(int(run), bool(level)) for run, level in zip(found, levels, strict=True)}
        assert {int(value) for value in values} <= {0, -128}
    assert said >= {(full, True), (full, False), (full - 1, True), (full - 1, False), (0, True)}
    short = directed_tensors(form, 8, full)
    assert len(short) < 6
    assert all(0 < len(values) <= full for values in short)


def test_a_wide_run_field_sees_its_longest_run():
    report = verify_codec(Format("rlc", run_bits=9, pack=1, flag_bits=1), cases=1, seed=1)
    assert report.passed
    assert max(case.counts_rtl["loaded"] for case in report.cases) == 513


def test_an_empty_tensor_is_refused():
    with pytest.raises(SpecError, match="each of 1 to"):
        verify_tensors(EYERISS, 16, [np.zeros(0, np.int64)])
