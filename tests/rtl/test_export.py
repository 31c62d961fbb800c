"""What `generate` writes: Verilog that lints, a header that compiles, and designs that can live side by side."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dataflows.arch import Accelerator, Array
from dataflows.counters import PARAMETER_BASE, parameters
from rtl.export import describe, export, prefix, top_name
from tests.rtl.lint import lint

# Cases that Amaranth writes for if-elif chains overlap, and sums are cut to their target on purpose.
ON_PURPOSE = ("-Wno-CASEOVERLAP", "-Wno-WIDTHTRUNC")


def design(dataflow: str, rows: int = 3, cols: int = 2) -> Accelerator:
    return Accelerator(f"{dataflow}-{rows}x{cols}", Array(rows, cols, dataflow), post_lanes=2)


def test_two_designs_lint_together(tmp_path: Path) -> None:
    first, second = export(design("ws")), export(design("os"))
    text = first["sram_1r1w.v"] + first["accelerator.v"] + second["accelerator.v"]
    for name in ("ws_3x2_accelerator", "os_3x2_accelerator"):
        verdict = lint(text, name, tmp_path, *ON_PURPOSE, "-Wno-MULTITOP")
        assert verdict.returncode == 0, verdict.stderr


def test_names_can_be_read() -> None:
    text = export(design("os"))["accelerator.v"]
    ports = [line for line in text.splitlines() if line.startswith("module ")]
    assert all(re.match(r"module os_3x2\w*\(", line) for line in ports)
    assert not [line for line in ports if "\\" in line or "$" in line]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")
def test_two_headers_compile_together_and_say_what_the_hardware_says(tmp_path: Path) -> None:
    designs = [design("ws"), design("os", 2, 5)]
    checks = []
    for acc in designs:
        (tmp_path / f"{top_name(acc)}.h").write_text(export(acc)["systolith_params.h"])
        name = prefix(acc).upper()
        checks += [f'static_assert({name}_{key.upper()} == {value}, "{key}");' for key, value in parameters(acc)]
        checks.append(f'static_assert({name}_PARAMETER_VERSION == {PARAMETER_BASE}, "index");')
    source = tmp_path / "both.cpp"
    source.write_text("\n".join([*(f'#include "{top_name(acc)}.h"' for acc in designs), *checks]))
    done = subprocess.run(["g++", "-Wall", "-Werror", "-fsyntax-only", str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_parameters_describe_the_design() -> None:
    acc = design("ws")
    found = json.loads(export(acc)["params.json"])
    assert Accelerator.from_dict(found["accelerator"]) == acc
    assert found == json.loads(json.dumps(describe(acc)))
    assert found["top"] == "ws_3x2_accelerator"


def test_large_arrays_stay_small() -> None:
    """Equal parts are one module each: four times the PEs add what their wiring takes."""
    sizes = [len(export(design("ws", side, side))["accelerator.v"]) for side in (8, 16, 32)]
    assert sizes[2] < 1.5 * sizes[0]
    assert sizes[2] < 400_000
