"""Result of a published model: one layer, in the JSON form of the other cost modes, with the figures its source prints."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from dataflows.floors import Shortfall, floors
from dataflows.workload import Layer

SCHEMA = 1
DIGITS = 1e-12
"""What floating-point numbers may be off by, relatively, after some operations."""
Words = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True, slots=True)
class MachineCost:
    """Cost of one layer as a published model has it.

    Attributes
    ----------
    layer, mode : str
        Names of the layer and of the model.
    cycles : float
        Cycles of the layer; models that divide by a batch give fractions.
    macs : int
        Multiply-accumulates of the layer.
    multipliers : int
        What the machine makes of them in a cycle.
    bound : str
        What takes the cycles.
    cycles_by_limit : dict
        Cycles of each part of the machine if it were alone.
    levels : dict
        ``{level: {tensor: {"reads": words, "writes": words}}}`` where the model counts traffic.
    figures : dict
        What the source prints for a layer besides cycles.
    rules : dict
        Parameters of the model.
    floor_cycles : int
        Fewer are impossible.
    below_floor : tuple of Shortfall
        Figures that are impossible all the same.
    energy_by_level : dict
        Energy by level or kind in multiply-accumulates of the machine; empty where the source has no energies.
    """

    layer: str
    mode: str
    cycles: float
    macs: int
    multipliers: int
    bound: str
    cycles_by_limit: dict[str, float]
    levels: Words
    figures: dict[str, Any]
    rules: dict[str, Any]
    floor_cycles: int
    below_floor: tuple[Shortfall, ...]
    energy_by_level: dict[str, float]

    @classmethod
    def of(
        cls, layer: Layer, mode: str, cycles: float, multipliers: int, *, limits: dict[str, float], levels: Words | None = None,
        figures: dict[str, Any] | None = None, rules: dict[str, Any] | None = None, energy: dict[str, float] | None = None,
        products: float = 1.0,
    ) -> MachineCost:  # fmt: skip
        """Build a result; `products` are the multiply-accumulates that one multiplication does, 2.25 for Winograd's."""
        floor = floors(layer, multipliers, 1 / Fraction(products)).cycles
        close = floor * (1 - DIGITS) if isinstance(cycles, float) else floor  # a quotient of huge numbers is rounded
        short = (Shortfall("cycles", cycles, floor),) if ceil(cycles) < close else ()
        return cls(
            layer.name, mode, cycles, layer.macs, multipliers, max(limits, key=limits.__getitem__), limits, levels or {},
            figures or {}, rules or {}, floor, short, energy or {},
        )  # fmt: skip

    @property
    def utilization(self) -> float:
        """Multiply-accumulates over what all multipliers could make in `cycles`."""
        return self.macs / (self.cycles * self.multipliers)

    @property
    def energy_macs(self) -> float | None:
        """Sum of `energy_by_level`."""
        return sum(self.energy_by_level.values()) if self.energy_by_level else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that scripts rely on."""
        return {
            "schema": SCHEMA, "layer": self.layer, "mode": self.mode, "cycles": self.cycles, "bound_cycles": self.cycles,
            "energy_pj": None, "energy_macs": self.energy_macs, "edp": None, "area_um2": None,
            "energy_by_level": self.energy_by_level, "macs": self.macs, "utilization": self.utilization, "bound": self.bound,
            "cycles_by_limit": self.cycles_by_limit, "levels": self.levels, "figures": self.figures,
            "floor_cycles": self.floor_cycles, "below_floor": [each.to_dict() for each in self.below_floor],
            "rules": self.rules, "check": None, "technology": None,
        }  # fmt: skip
