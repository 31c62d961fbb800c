"""Everything a chip project needs from one accelerator: Verilog, parameters, C header, file list, FuseSoC core."""

from __future__ import annotations

from dataflows.arch import Accelerator
from rtl.accelerator.top import AcceleratorTop
from rtl.emit import SRAM_1R1W, emit
from rtl.library import Modules

TOP = "accelerator"


def verilog(acc: Accelerator) -> str:
    """Return the Verilog of a complete accelerator, each distinct module once; the top is called ``accelerator``."""
    modules = Modules()
    modules.add(TOP, AcceleratorTop(acc=acc, modules=modules))
    return emit(modules, TOP, [SRAM_1R1W])
