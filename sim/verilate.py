"""Child side of `sim.runner`: builds or runs one simulator through cocotb's runner.

It has its own process because cocotb's runner prints, exits and wants its environment changed. Run as
``python -m sim.verilate build|run SPEC.json``; it ends itself when its standard input closes, that is when the
process that started it has died.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import cocotb_tools.runner as cocotb_runner

TIMESCALE = ("1ns", "1ps")
DESIGN = "design.v"
VERILATOR_FLAGS = ("-Wno-fatal", "--x-assign", "unique", "--x-initial", "unique")
# Registers and memories without a reset start with random bits: the nearest thing to X in a two-state simulator.
VERILATOR_PLUSARGS = ("+verilator+rand+reset+2", "+verilator+seed+1")


class FastVerilator(cocotb_runner.Verilator):
    """cocotb's Verilator runner without ``--public-flat-rw``, which costs a factor of 2 to 10 in speed."""

    def _build_command(self) -> list[list[str]]:
        commands = super()._build_command()
        commands[0].remove("--public-flat-rw")
        return commands


def visible_ports(top: str, ports: list[str]) -> str:
    """Return the Verilator control file that keeps the top's ports, and nothing else, visible to cocotb."""
    lines = [f'public_flat_rw -module "{top}" -var "{port}"' for port in ports]
    return "\n".join(["`verilator_config", *lines, ""])


def build(spec: dict[str, Any]) -> None:
    """Compile ``design.v`` in the working directory and leave only what a run needs."""
    here = Path.cwd()
    top = spec["top"]
    sources: list[Any] = [here / DESIGN]
    arguments: list[str] = []
    if spec["simulator"] == "verilator":
        control = here / "top.vlt"
        control.write_text(visible_ports(top, spec["ports"]))
        sources.insert(0, control)
        arguments = list(VERILATOR_FLAGS)
    _runner(spec).build(
        sources=sources, hdl_toplevel=top, build_dir=here, always=True, build_args=arguments, timescale=TIMESCALE,
        waves=spec["waves"],
    )  # fmt: skip
    wanted = {top, "sim.vvp", DESIGN, "build.log"}
    for path in here.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def run(spec: dict[str, Any]) -> None:
    """Run a cocotb test module with the working directory as its own."""
    here = Path.cwd()
    verilator = spec["simulator"] == "verilator"
    waves = [] if verilator or not spec["waves"] else [f"+dumpfile_path={here / 'dump.fst'}"]
    _runner(spec).test(
        test_module=spec["module"], hdl_toplevel=spec["top"], hdl_toplevel_lang="verilog", build_dir=spec["build"],
        test_dir=here, waves=spec["waves"], timescale=TIMESCALE, results_xml=str(here / "results.xml"),
        plusargs=list(VERILATOR_PLUSARGS) if verilator else waves,
    )  # fmt: skip


def _runner(spec: dict[str, Any]) -> Any:
    return FastVerilator() if spec["simulator"] == "verilator" else cocotb_runner.Icarus()


def _die_with_parent() -> None:
    def wait() -> None:
        os.read(0, 1)  # returns at end of file; sys.stdin would hold a lock at exit
        os.killpg(os.getpid(), signal.SIGKILL)  # started as leader of its own process group

    threading.Thread(target=wait, daemon=True).start()


def main(action: str, path: str) -> None:
    """Do what the command line asks."""
    _die_with_parent()
    spec = json.loads(Path(path).read_text())
    try:
        build(spec) if action == "build" else run(spec)
    except RuntimeError:
        sys.exit(1)  # a tool failed and has said why in the log


if __name__ == "__main__":
    main(*sys.argv[1:])
