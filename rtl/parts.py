"""One design, or a part of it, as the text that synthesis starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.errors import SpecError, suggestion
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.system.spec import SpatialSystem
from rtl.accelerator.core import Core
from rtl.accelerator.top import AcceleratorTop
from rtl.array import ArrayPlan, PEArray
from rtl.array.pe import PE
from rtl.export import prefix, top_name
from rtl.library import Modules
from rtl.spatial import export as spatial
from rtl.spatial.core import SpatialCore
from rtl.spatial.pe import SpatialPE
from rtl.spatial.system.top import SystemTop

__all__ = ["ACCELERATOR_PARTS", "ARRAY_PARTS", "Part", "accelerator_part", "array_part", "system_part"]

ARRAY_PARTS = {"array": "the processing elements and what feeds them", "pe": "one processing element"}
ACCELERATOR_PARTS = {
    "accelerator": "everything",
    "core": "the array with its buffers, issue engine and accumulators",
    **ARRAY_PARTS,
}


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be synthesised.

    Attributes
    ----------
    design, part : str
        Name of the design, and which part of it this is.
    rtlil : str
        Each distinct module once. Buffers are instances of ``sram_1r1w`` (`rtl.emit.SRAM_1R1W`), which is not in it.
    top : str
        Name of the part's module.
    prefix : str
        What the names of all modules begin with.
    """

    design: str
    part: str
    rtlil: str
    top: str
    prefix: str


def accelerator_part(acc: Accelerator, part: str = "accelerator") -> Part:
    """Return one of `ACCELERATOR_PARTS`; raise `SpecError` if there is no such part."""
    _check(part, ACCELERATOR_PARTS)
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
    return Part(acc.name, part, modules.rtlil, top, f"{name}_")


def array_part(array: SpatialArray, name: str, part: str = "array") -> Part:
    """Return one of `ARRAY_PARTS` of an array of any connectivity; raise `SpecError` if there is no such part."""
    _check(part, ARRAY_PARTS)
    whole = spatial.top_name(name)
    start = whole.removesuffix("array")
    modules = Modules(prefix=start)
    if part == "array":
        top, component = whole, SpatialCore(array=array, modules=modules)
    else:
        top, component = f"{start}spatial_pe", SpatialPE(array=array, modules=modules)
    modules.add(top, component)
    return Part(name, part, modules.rtlil, top, start)


def system_part(system: SpatialSystem, part: str = "accelerator") -> Part:
    """Return the accelerator round an array of any connectivity, or one of `ARRAY_PARTS`; raise `SpecError` for any other."""
    if part != "accelerator":
        return array_part(system.array, system.name, part)
    modules = Modules(prefix=f"{prefix(system)}_")
    top = modules.add(top_name(system), SystemTop(system=system, modules=modules))
    return Part(system.name, part, modules.rtlil, top, f"{prefix(system)}_")


def _check(part: str, parts: Mapping[str, str]) -> None:
    if part not in parts:
        raise SpecError("part", part, ", ".join(parts), suggestion(part, parts, "choose one of these"))
