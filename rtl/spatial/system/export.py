"""The Verilog of a system, and the fields of its program."""

from __future__ import annotations

import json
from typing import Any

from dataflows.counters import COUNTERS, PARAMETER_BASE
from dataflows.spatial.system.counts import parameters
from dataflows.spatial.system.spec import SpatialSystem
from rtl.emit import SRAM_1R1W, emit
from rtl.library import Modules
from rtl.spatial.export import fields, plain
from rtl.spatial.system import layouts
from rtl.spatial.system.pack import fetched_beats
from rtl.spatial.system.top import ERROR_PROGRAM, SystemTop

__all__ = ["describe", "export", "top_name", "verilog"]


def top_name(name: str) -> str:
    """Return the name of the top module of a system called `name`."""
    return f"{plain(name)}_accelerator"


def verilog(system: SpatialSystem, name: str = "system", *, memories: bool = True) -> str:
    """Return the Verilog of a system, each distinct module once; with `memories` also ``sram_1r1w``."""
    modules = Modules(prefix=f"{plain(name)}_")
    top = modules.add(top_name(name), SystemTop(system=system, modules=modules))
    text = emit(modules, top, [SRAM_1R1W])
    return text if memories else text.removesuffix(SRAM_1R1W.read_text(encoding="utf-8").strip("\n") + "\n")


def describe(system: SpatialSystem, name: str = "system") -> dict[str, Any]:
    """Return parameters, counters, and the fields of program and tags by their lowest bit and width."""
    program, tag = layouts.program(system), layouts.tag(system)
    return {
        "system": system.to_dict(), "top": top_name(name), "errors": {"program": ERROR_PROGRAM},
        "program": {
            "beats": layouts.program_beats(system), "beats_with_tags": fetched_beats(system), "width": program.size,
            "fields": list(fields(program)),
        },
        "tag": {"width": tag.size, "fields": list(fields(tag))},
        "counters": [{"index": at, "name": each, "meaning": what} for at, (each, what) in enumerate(COUNTERS)],
        "parameters": [
            {"index": PARAMETER_BASE + at, "name": each, "value": value} for at, (each, value) in enumerate(parameters(system))
        ],
    }  # fmt: skip


def export(system: SpatialSystem, name: str = "system") -> dict[str, str]:
    """Return file name to text: Verilog, memory model, parameters, FuseSoC core and file list."""
    top = top_name(name)
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in system.array.axes)
    head = f"// {name}: {shape}, with buffers and memory port. Generated.\n// Top module {top}; program fields in params.json.\n"
    core = (
        f"CAPI=2:\nname: systolith:systems:{name}:1.0.0\ndescription: accelerator of {system.array.pes} PEs\n"
        f"filesets:\n  rtl:\n    files:\n      - {SRAM_1R1W.name}\n      - accelerator.v\n    file_type: verilogSource\n"
        f"targets:\n  default:\n    filesets: [rtl]\n    toplevel: {top}\n"
    )
    return {
        "accelerator.v": head + verilog(system, name, memories=False),
        SRAM_1R1W.name: SRAM_1R1W.read_text(encoding="utf-8"),
        "params.json": json.dumps(describe(system, name), indent=2) + "\n",
        "accelerator.core": core,
        "accelerator.f": f"{SRAM_1R1W.name}\naccelerator.v\n",
    }
