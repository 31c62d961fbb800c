"""Imports go down only (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "dataflows": set(),
    "rtl": {"dataflows"},
    "mappers": {"dataflows"},
    "sim": {"dataflows", "rtl"},
    "dse": {"dataflows", "mappers", "rtl", "sim"},
    "systolith": {"dataflows", "mappers", "rtl", "sim", "dse"},
}


def imported_rooms(source: str) -> set[str]:
    """Rooms that a module imports anywhere, functions included."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("import_module", "find_spec"):
            names |= {
                arg.value.split(".")[0] for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            }
    return names & set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_down_only(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"room {room} has no Python files"
    for file in files:
        upward = imported_rooms(file.read_text()) - MAY_IMPORT[room] - {room}
        assert not upward, f"{file.relative_to(ROOT)} imports {sorted(upward)}; {room} may import {sorted(MAY_IMPORT[room])}"


def test_the_check_sees_every_form_of_import():
    lines = ("import rtl.stream as s", "from sim import golden", "def f():", "    import dse.study", "import_module('x')")
    source = "\n".join((*lines, "importlib.import_module('mappers.x')", "import json"))
    assert imported_rooms(source) == {"rtl", "sim", "dse", "mappers"}


def test_amaranth_stays_in_rtl():
    for room in set(MAY_IMPORT) - {"rtl"}:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module]
                assert not any(name.split(".")[0] == "amaranth" for name in names), file.relative_to(ROOT)
