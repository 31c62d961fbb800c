"""One accelerator, or a part of it, as the text that synthesis starts from."""

from __future__ import annotations

from dataflows.arch import Accelerator
from dataflows.errors import SpecError, suggestion
from rtl.accelerator.core import Core
from rtl.accelerator.top import AcceleratorTop
from rtl.array import ArrayPlan, PEArray
from rtl.array.pe import PE
from rtl.export import prefix, top_name
from rtl.library import Modules

__all__ = ["PARTS", "part_rtlil"]

PARTS = {
    "accelerator": "everything",
    "core": "the array with its buffers, issue engine and accumulators",
    "array": "the processing elements and the registers at their edges",
    "pe": "one processing element",
}


def part_rtlil(acc: Accelerator, part: str = "accelerator") -> tuple[str, str, str]:
    """Return a part as RTLIL, each distinct module once.

    Parameters
    ----------
    acc : Accelerator
        The design.
    part : str
        One of `PARTS`.

    Returns
    -------
    text : str
        RTLIL; memories are instances of ``sram_1r1w`` (`rtl.emit.SRAM_1R1W`), which is not in it.
    top : str
        Name of the part's module.
    prefix : str
        What the names of all modules begin with.

    Raises
    ------
    SpecError
        If there is no such part.
    """
    if part not in PARTS:
        raise SpecError("part", part, ", ".join(PARTS), suggestion(part, PARTS, "choose one of these"))
    name = prefix(acc)
    modules = Modules(prefix=f"{name}_")
    plan = ArrayPlan.of(acc.array)
    if part == "accelerator":
        top, component = top_name(acc), AcceleratorTop(acc=acc, modules=modules)
    elif part == "core":
        top, component = f"{name}_core", Core(acc=acc, modules=modules)
    elif part == "array":
        top, component = f"{name}_array", PEArray(plan=plan, modules=modules)
    else:
        top, component = f"{name}_pe", PE(plan=plan)
    modules.add(top, component)
    return modules.rtlil, top, f"{name}_"
