"""From modules to one Verilog text, through Yosys in a child process.

Yosys ends the whole interpreter when it meets an error, so it never runs in ours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rtl.library import EmitError, Modules

__all__ = ["SRAM_1R1W", "emit", "run_yosys"]

SRAM_1R1W = Path(__file__).parent / "verilog" / "sram_1r1w.v"
_CHILD = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1], ys.Design())"
_TAIL = 12


def emit(modules: Modules, top: str, extra_verilog: Iterable[Path] = ()) -> str:
    """Return the Verilog of `modules`, everything below module `top`, as one text.

    Parameters
    ----------
    modules : Modules
        Everything `top` instantiates, directly or not.
    top : str
        Name of a module in `modules`.
    extra_verilog : iterable of Path
        Hand-written files whose modules are instantiated as black boxes; their text is appended as it is.

    Raises
    ------
    EmitError
        If a module or port is missing, or Yosys refuses the design; the message ends with what Yosys said.
    """
    if top not in modules:
        raise EmitError(f"top module {top!r} is not among {', '.join(modules.names) or 'no modules'}")
    extras = {f"extra{i}.v": Path(path).read_text(encoding="utf-8") for i, path in enumerate(extra_verilog)}
    script = [f"read_verilog -lib {name}" for name in extras]
    script += ["read_rtlil design.il", f"hierarchy -check -top {top}", "proc"]
    # -purge drops the wires that only give a struct's fields names: half of the text.
    script += ["opt_clean -purge", "write_verilog -noattr design.v"]
    files, _ = run_yosys(script, {"design.il": modules.rtlil, **extras}, ["design.v"])
    # Yosys heads the file with its version, which would make equal hardware of two versions look different.
    body = files["design.v"].split("*/\n", 1)[-1]
    return "\n".join([body.strip("\n"), *(text.strip("\n") for text in extras.values())]) + "\n"


def run_yosys(script: Sequence[str], inputs: Mapping[str, str], outputs: Sequence[str]) -> tuple[dict[str, str], str]:
    """Run Yosys commands in an empty directory of their own.

    Parameters
    ----------
    script : sequence of str
        Commands, one each.
    inputs : mapping of str to str
        Files to create first: name to text.
    outputs : sequence of str
        Names of files to read back.

    Returns
    -------
    files : dict of str to str
        The output files: name to text.
    log : str
        Everything Yosys printed.

    Raises
    ------
    EmitError
        If Yosys fails or an output is missing.
    """
    with tempfile.TemporaryDirectory(prefix="systolith-") as folder:
        room = Path(folder)
        for name, text in {**inputs, "run.ys": "\n".join(script) + "\n"}.items():
            (room / name).write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", _CHILD, "run.ys"]
        done = subprocess.run(command, cwd=room, capture_output=True, text=True, errors="replace", check=False)
        log = done.stdout + done.stderr
        missing = [name for name in outputs if not (room / name).is_file()]
        if done.returncode or missing:
            raise EmitError(f"Yosys failed (exit {done.returncode}): " + _reason(log))
        return {name: (room / name).read_text(encoding="utf-8") for name in outputs}, log


def _reason(log: str) -> str:
    """Return Yosys' error line, or the end of its log."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR") or "Error:" in line]
    return " ".join(errors) or "\n".join(lines[-_TAIL:]) or "it printed nothing"
