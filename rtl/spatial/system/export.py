"""The Verilog of a system, and the fields of its program."""

from __future__ import annotations

import json
from typing import Any

from dataflows.axi import AxiOptions
from dataflows.counters import COUNTERS, PARAMETER_BASE, parameters
from dataflows.registers import c_macros, describe_registers, markdown_map
from dataflows.spatial.system.spec import SpatialSystem
from rtl.emit import SRAM_1R1W, emit
from rtl.export import prefix, top_name
from rtl.library import Modules
from rtl.shell.export import axi_top_name, shell_verilog
from rtl.spatial.export import fields
from rtl.spatial.system import layouts
from rtl.spatial.system.pack import fetched_beats
from rtl.spatial.system.top import ERROR_CODE, ERROR_PROGRAM, SystemTop

__all__ = ["describe", "export", "verilog"]


def verilog(system: SpatialSystem, *, memories: bool = True) -> str:
    """Return the Verilog of a system, each distinct module once; with `memories` also ``sram_1r1w``."""
    modules = Modules(prefix=f"{prefix(system)}_")
    top = modules.add(top_name(system), SystemTop(system=system, modules=modules))
    text = emit(modules, top, [SRAM_1R1W])
    return text if memories else text.removesuffix(SRAM_1R1W.read_text(encoding="utf-8").strip("\n") + "\n")


def describe(system: SpatialSystem) -> dict[str, Any]:
    """Return parameters, counters, and the fields of program and tags by their lowest bit and width."""
    program, tag = layouts.program(system), layouts.tag(system)
    return {
        "system": system.to_dict(), "top": top_name(system),
        "errors": {"program": ERROR_PROGRAM, **({"coded_row": ERROR_CODE} if system.coding else {})},
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


def export(system: SpatialSystem, axi: AxiOptions | None = None) -> dict[str, str]:
    """Return file name to text: Verilog, memory model, parameters, FuseSoC core and file list; with `axi` also the shell."""
    name, top = system.name, top_name(system)
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in system.array.axes)
    head = f"// {name}: {shape}, with buffers and memory port. Generated.\n// Top module {top}; program fields in params.json.\n"
    native, described = verilog(system, memories=False), describe(system)
    files = {"accelerator.v": head + native, SRAM_1R1W.name: SRAM_1R1W.read_text(encoding="utf-8")}
    if axi is not None:
        top = axi_top_name(system)
        described |= {"top": top, "axi": axi.to_dict() | describe_registers(system, axi)}
        files |= {
            "accelerator_axi.v": shell_verilog(system, axi, native),
            "registers.md": f"# Registers of {name}\n\n{markdown_map(axi, system)}",
            "systolith_params.h": _header(system, axi),
        }
    sources = [each for each in (SRAM_1R1W.name, "accelerator.v", "accelerator_axi.v") if each in files]
    listed = "".join(f"      - {each}\n" for each in sources)
    core = (
        f"CAPI=2:\nname: systolith:systems:{name}:1.0.0\ndescription: accelerator of {system.array.pes} PEs\n"
        f"filesets:\n  rtl:\n    files:\n{listed}    file_type: verilogSource\n"
        f"targets:\n  default:\n    filesets: [rtl]\n    toplevel: {top}\n"
    )
    return files | {
        "params.json": json.dumps(described, indent=2) + "\n",
        "accelerator.core": core,
        "accelerator.f": "".join(f"{each}\n" for each in sources),
    }


def _header(system: SpatialSystem, axi: AxiOptions) -> str:
    """Return the C header of the registers."""
    guard = f"{prefix(system).upper()}_PARAMS_H"
    lines = [f"/* Registers of {system.name}; made with accelerator.v, do not edit. */", f"#ifndef {guard}", f"#define {guard}"]
    return "\n".join([*lines, *c_macros(prefix(system).upper(), system, axi), "", "#endif", ""])
