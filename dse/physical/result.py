"""What synthesis found, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dse.physical.memories import MemoryUse
from dse.physical.tool import Usage


@dataclass(frozen=True, slots=True)
class ModuleArea:
    """One module of the netlist; figures are of one instance, without the modules placed in it.

    Attributes
    ----------
    name : str
        Without the design's prefix.
    instances : int
        How often it occurs in the design.
    cells, flip_flops, multipliers : int
        Library cells; flip-flops among them; products of two variables in the source.
    area_ge : float
        Gate equivalents: areas over that of a two-input NAND.
    delay_ps : float
        Longest path through its logic, between registers and ports: neither clock to output nor set-up nor wires are in it.
    """

    name: str
    instances: int
    cells: int
    flip_flops: int
    multipliers: int
    area_ge: float
    delay_ps: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "total_ge": self.instances * self.area_ge}


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A mapped netlist.

    Attributes
    ----------
    design, part : str
        What was synthesised.
    library : str
        Cells it was mapped to.
    flat : bool
        Whether modules were dissolved first: then logic is shared across their borders and `modules` has one entry.
    area_ge : float
        All modules times their instances, SRAMs apart.
    flip_flop_ge : float
        The flip-flops' share of it.
    area_um2 : float or None
        The same in the library's unit; None if that is gate equivalents.
    cells, flip_flops, multipliers : int
        Totals, as in `ModuleArea`.
    delay_ps : float
        The longest of all modules.
    delay_module : str
        Where that is.
    modules : tuple of ModuleArea
        The largest total first.
    memories : tuple of MemoryUse
        SRAMs, black boxes here.
    blocks : dict of str to float
        Gate equivalents by block (`dse.physical.blocks`); empty if flat.
    technology : str
        Table the areas of SRAMs are from.
    usage : Usage
        Time and memory when it was synthesised; a result from the cache still says what it took then.
    cached : bool
        Whether it came from the cache.
    """

    design: str
    part: str
    library: str
    flat: bool
    area_ge: float
    flip_flop_ge: float
    area_um2: float | None
    cells: int
    flip_flops: int
    multipliers: int
    delay_ps: float
    delay_module: str
    modules: tuple[ModuleArea, ...]
    memories: tuple[MemoryUse, ...]
    blocks: dict[str, float]
    technology: str
    usage: Usage
    cached: bool

    @property
    def memory_um2(self) -> float:
        """Area of all SRAMs."""
        return sum(memory.instances * memory.area_um2 for memory in self.memories)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "design": self.design, "part": self.part, "library": self.library, "flat": self.flat,
            "area_ge": round(self.area_ge, 2), "flip_flop_ge": round(self.flip_flop_ge, 2),
            "area_um2": None if self.area_um2 is None else round(self.area_um2, 1),
            "cells": self.cells, "flip_flops": self.flip_flops, "multipliers": self.multipliers,
            "delay_ps": self.delay_ps, "delay_module": self.delay_module,
            "blocks": {name: round(area, 2) for name, area in self.blocks.items()},
            "modules": [module.to_dict() for module in self.modules],
            "memories": [memory.to_dict() for memory in self.memories], "memory_um2": self.memory_um2,
            "technology": self.technology, "cached": self.cached, **self.usage.to_dict(),
        }  # fmt: skip
