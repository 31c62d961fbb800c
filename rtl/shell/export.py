"""Files of an accelerator with the AXI shell: those of `rtl.export`, the shell's Verilog and its register map."""

from __future__ import annotations

import json
import re
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib.wiring import In

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions
from dataflows.counters import Design
from dataflows.registers import c_macros, describe_registers, markdown_map
from rtl.emit import SRAM_1R1W, emit
from rtl.export import c_header, describe, export, fusesoc, prefix, top_name
from rtl.library import Modules
from rtl.shell.top import AxiAccelerator, axi_members

__all__ = ["axi_ports", "axi_top_name", "axi_verilog", "describe_axi", "export_axi", "shell_verilog"]

_MODULE = re.compile(r"^module (\w+)\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)


def axi_top_name(acc: Design) -> str:
    """Return the name of the top module with AXI ports."""
    return f"{top_name(acc)}_axi"


def axi_verilog(acc: Design, axi: AxiOptions, *, memories: bool = True) -> str:
    """Return the Verilog of a complete accelerator with its shell, each distinct module once.

    Parameters
    ----------
    acc, axi : Accelerator or SpatialSystem, AxiOptions
        The design.
    memories : bool
        Append ``sram_1r1w``.
    """
    top = axi_top_name(acc)
    modules = Modules(prefix=f"{prefix(acc)}_")
    modules.add(top, AxiAccelerator(acc=acc, axi=axi, modules=modules))
    text = emit(modules, top, [SRAM_1R1W])
    return text if memories else text.removesuffix(SRAM_1R1W.read_text(encoding="utf-8").strip("\n") + "\n")


def shell_verilog(acc: Design, axi: AxiOptions, native: str) -> str:
    """Return the modules that the shell adds to those of `native`, the Verilog without it."""
    there, top = {found[1] for found in _MODULE.finditer(native)}, axi_top_name(acc)
    shell = "\n".join(found[0] for found in _MODULE.finditer(axi_verilog(acc, axi, memories=False)) if found[1] not in there)
    head = f"// {acc.name} with AXI4-Lite registers and an AXI4 master. Generated.\n// Top module {top}; see registers.md.\n"
    return f"{head}\n{shell}"


def axi_ports(acc: Design, axi: AxiOptions) -> tuple[tuple[str, str, int], ...]:
    """Return name, direction (``input`` or ``output``) and width of every port of the top module."""
    members = axi_members(acc, axi).items()
    return tuple((name, "input" if member.flow == In else "output", Shape.cast(member.shape).width) for name, member in members)


def export_axi(acc: Accelerator, axi: AxiOptions) -> dict[str, str]:
    """Return file name to text: everything of `rtl.export.export`, ``accelerator_axi.v`` and ``registers.md``.

    ``accelerator_axi.v`` holds the shell's modules alone; it needs ``accelerator.v``.
    """
    files, top = export(acc), axi_top_name(acc)
    sources = (SRAM_1R1W.name, "accelerator.v", "accelerator_axi.v")
    return files | {
        "accelerator_axi.v": shell_verilog(acc, axi, files["accelerator.v"]),
        "registers.md": f"# Registers of {acc.name}\n\n{markdown_map(axi, acc)}",
        "params.json": json.dumps(describe_axi(acc, axi), indent=2) + "\n",
        "systolith_params.h": c_header(acc, c_macros(prefix(acc).upper(), acc, axi)),
        "accelerator.core": fusesoc(acc, sources, top),
        "accelerator.f": "".join(f"{name}\n" for name in sources),
    }  # fmt: skip


def describe_axi(acc: Accelerator, axi: AxiOptions) -> dict[str, Any]:
    """Return `rtl.export.describe` with the shell's parameters and register map."""
    return describe(acc) | {"axi": {"top": axi_top_name(acc), **axi.to_dict(), **describe_registers(acc, axi)}}
