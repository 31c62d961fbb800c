"""Rules that hold for every file of the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 400
# Written in two parts so that this file does not contain what it forbids.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:" + "|".join(("home", "root", "Users", "work")) + r")/\w"),
    "a package index other than the default": re.compile(r"--(?:extra-)?index" + "-url|[a-z]+:" + "//[^ ]*pypi[^ ]*/simple"),
    "output that is still to be pasted": re.compile("OUTPUT" + "-GOES-HERE"),
    "a merge conflict": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}


def tracked() -> list[Path]:
    """Files under version control, or every file outside hidden folders when there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        names = listed.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [
            str(p.relative_to(ROOT))
            for p in ROOT.rglob("*")
            if not any(part.startswith(".") for part in p.relative_to(ROOT).parts)
        ]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_python_files_are_small():
    files = {name: text.count("\n") for name, text in texts() if name.endswith((".py", ".v"))}
    assert len(files) > 10
    assert not {name: lines for name, lines in files.items() if lines > MOST_LINES}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what):
    assert not [name for name, text in texts() if FORBIDDEN[what].search(text)]


def test_the_machine_path_pattern_finds_one():
    pattern = FORBIDDEN["a path of one machine"]
    assert pattern.search("open('" + "/home" + "/someone/x.v')")
    assert not pattern.search("share/work/x and systolith/home/x")


def test_ci_and_readme_use_the_same_commands():
    readme, ci, make = ((ROOT / name).read_text() for name in ("README.md", ".ci/run", "Makefile"))
    for command in ("python3 -m venv .venv", ".venv/bin/pip install", "make test"):
        assert command in readme
        assert command in ci
    assert "-e '.[all]'" in readme
    assert "-e '.[all]'" in make
