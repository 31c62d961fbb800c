from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from dataflows.errors import SpecError
from dse.evaluate import evaluate
from dse.search import Search
from dse.space import Space
from dse.study import FILE, Study
from dse.workers import Evaluator

EVALUATIONS = 120
SCRIPT = """
import pickle, sys
from pathlib import Path
from dse.search import Search
from dse.space import Space
from dse.study import Study
from dse.workers import Evaluator

if __name__ == "__main__":
    network, budget = pickle.loads(Path(sys.argv[1]).read_bytes())
    space = Space.of(budget, network.layers, ("ws", "os"))
    study = Study(Path(sys.argv[2]), {"seed": 3}, resume=False)
    with Evaluator(network, "edp", 2) as evaluator:
        Search(space, "edp", int(sys.argv[3]), 3).run(study, evaluator)
"""


def finish(network, budget, folder):
    space = Space.of(budget, network.layers, ("ws", "os"))
    study = Study(folder, {"seed": 3}, resume=True)
    found = dict(study.trials)
    evaluated = []

    class Counting(Evaluator):
        def run(self, points):
            evaluated.extend(points)
            yield from super().run(points)

    with Counting(network, "edp", 1) as evaluator:
        done = Search(space, "edp", EVALUATIONS, 3).run(study, evaluator)
    study.close()
    return done, found, evaluated


@pytest.mark.slow
def test_kill_9_in_mid_search_loses_no_finished_trial_and_changes_nothing(network, budget, tmp_path):
    import pickle

    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "job").write_bytes(pickle.dumps((network, budget)))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "job"), str(killed), str(EVALUATIONS)]
    process = subprocess.Popen(command)
    try:
        count = wait_for_trials(killed / FILE, 25)
    finally:
        process.kill()
        assert process.wait() == -9
    done, kept, evaluated = finish(network, budget, killed)
    assert count <= len(kept) < EVALUATIONS
    assert len(evaluated) == EVALUATIONS - len(kept)
    straight, nothing, _all = finish(network, budget, whole)
    assert not nothing
    assert done.trials == straight.trials
    assert done.best == straight.best
    wait_for_orphans(str(tmp_path / "script.py"))


def wait_for_trials(path, least):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists():
            try:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1) as db:
                    count = db.execute("select count(*) from trials").fetchone()[0]
            except sqlite3.Error:
                count = 0
            if count >= least:
                return count
        time.sleep(0.01)
    pytest.fail("the search made no progress in 60 s")


def wait_for_orphans(script):
    """The workers of a killed search end by themselves."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        if script not in listed:
            return
        time.sleep(0.1)
    pytest.fail("workers of a killed search are still running")


@pytest.fixture
def trial(network, budget):
    return evaluate(network, Space.of(budget, network.layers, ("ws",)).least("ws", 3, 5))


def test_trials_come_back_equal(tmp_path, trial):
    study = Study(tmp_path, {"a": 1}, resume=False)
    study.add(trial)
    study.add(trial)
    study.close()
    again = Study(tmp_path, {"a": 1}, resume=True)
    assert again.find(trial.accelerator) == trial
    assert len(again) == 1
    assert again.find(replace(trial.accelerator, input_words=999)) is None
    again.close()


def test_a_folder_of_another_search_is_refused(tmp_path, trial):
    study = Study(tmp_path, {"a": 1}, resume=False)
    study.add(trial)
    study.close()
    with pytest.raises(SpecError, match="another specification"):
        Study(tmp_path, {"a": 2}, resume=True)
    with pytest.raises(SpecError, match="add --resume"):
        Study(tmp_path, {"a": 1}, resume=False)


def test_trials_of_other_code_are_refused(tmp_path, trial, monkeypatch):
    study = Study(tmp_path, {"a": 1}, resume=False)
    study.add(trial)
    study.close()
    monkeypatch.setattr("dse.study.code_hash", lambda: "other")
    with pytest.raises(SpecError, match="another version"):
        Study(tmp_path, {"a": 1}, resume=True)


def test_a_file_that_is_no_study_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be taken for one" * 20)
    with pytest.raises(SpecError, match="trials of an exploration"):
        Study(tmp_path, {"a": 1}, resume=True)
