"""Output folders hold all files of a run or none of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import dse.files
from dataflows.errors import CheckFailed, SpecError
from systolith.outdir import output_folder

REAL_WRITE = dse.files.write


def test_a_failed_run_leaves_no_folder(folder):
    def work() -> None:
        with output_folder(folder / "x" / "y") as files:
            files["a.txt"] = "text"
            raise CheckFailed("no")

    with pytest.raises(CheckFailed):
        work()
    assert list(folder.iterdir()) == []


def test_a_finished_run_leaves_its_files(folder):
    with output_folder(Path("x/y")) as files:
        files["a.txt"] = "text"
        files["sub/b.txt"] = "more"
    assert Path("x/y/a.txt").read_text() == "text"
    assert Path("x/y/sub/b.txt").read_text() == "more"


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SpecError("disk", "full", "room", "free some")])
def test_an_interruption_between_two_files_leaves_what_was_there(folder, monkeypatch, old, error):
    def write(path: Path, content: str | bytes) -> Path:
        if path.name == "b.txt":
            raise error
        return REAL_WRITE(path, content)

    out = folder / "out"
    if old:
        out.mkdir()
        for name in ("a.txt", "b.txt", "mine.txt"):
            (out / name).write_text("old")
    monkeypatch.setattr(dse.files, "write", write)
    with pytest.raises((KeyboardInterrupt, SpecError)) as caught, output_folder(out) as files:
        files |= {"a.txt": "new", "b.txt": "new"}
    assert out.exists() == old
    assert {path.read_text() for path in folder.rglob("*.txt")} <= {"old"}
    assert hidden(folder) == []
    if isinstance(caught.value, SpecError):
        assert caught.value.path == str(out / "b.txt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_between_two_renames_waits_for_the_last(folder, monkeypatch, number):
    out, real, heard = folder / "out", Path.replace, []
    out.mkdir()
    (out / "b.txt").write_text("old")

    def replace(self: Path, target: Path) -> Path:
        moved = real(self, target)
        if Path(target).parent == out:
            os.kill(os.getpid(), number)
        return moved

    monkeypatch.setattr(Path, "replace", replace)
    before = signal.signal(number, lambda found, _frame: heard.append((found, (out / "b.txt").read_text())))
    try:
        with output_folder(out) as files:
            files |= {"a.txt": "new", "b.txt": "new"}
    finally:
        signal.signal(number, before)
    assert set(heard) == {(number, "new")}
    assert (out / "a.txt").read_text() == "new"
    assert hidden(folder) == []


def test_a_new_folder_appears_whole(folder, monkeypatch):
    seen, real = [], Path.replace

    def replace(self: Path, target: Path) -> Path:
        seen.append(sorted(path.name for path in (folder / "out").iterdir()))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with output_folder(folder / "out") as files:
        files |= {"a.txt": "new", "sub/b.txt": "new"}
    assert all(names == [] for names in seen)
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.txt", "sub"]
    (folder / "other").mkdir()
    assert (folder / "out").stat().st_mode == (folder / "other").stat().st_mode


def test_an_old_folder_keeps_what_else_it_holds(folder):
    (folder / "out").mkdir()
    (folder / "out/mine.txt").write_text("mine")
    os.chdir(folder / "out")
    with output_folder(Path()) as files:
        files |= {"a.txt": "new", "sub/b.txt": "new"}
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.txt", "mine.txt", "sub"]
    assert (folder / "out/sub/b.txt").read_text() == "new"


def test_a_folder_where_a_file_should_be_is_refused_before_any_file_is_there(folder):
    (folder / "out/b.txt").mkdir(parents=True)
    with pytest.raises(SpecError, match="a folder"), output_folder(folder / "out") as files:
        files |= {"a.txt": "new", "b.txt": "new"}
    assert [path.name for path in (folder / "out").iterdir()] == ["b.txt"]
