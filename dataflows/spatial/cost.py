"""What one layer costs on one spatial array under one mapping: exact cycles, and what moves."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from dataflows.mapping import Mapping
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import SpatialProgram, compile_spatial, tile_extents
from dataflows.spatial.schedule import schedule
from dataflows.spatial.streams import port_words
from dataflows.workload import Layer

MODE = "array"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SpatialCost:
    """Cost of one layer on an array whose streams never wait.

    Attributes
    ----------
    layer : str
        Its name.
    cycles : int
        Exact, as the Verilog takes (`dataflows.spatial.schedule`).
    macs, padded_macs : int
        Useful multiply-accumulates, and those that PEs in use make.
    utilization : float
        Useful multiply-accumulates over all PEs times cycles.
    times : dict
        Cycles that compute, and the ports of each tensor, are busy; the largest is a lower bound on `cycles`.
    words : dict
        ``{tensor: words}`` over all ports in use.
    l1_words : dict
        ``{tensor: words}`` that a PE holds.
    active : int
        PEs that the mapping uses.
    setup_cycles : int
        Cycles before `cycles`, in which the tags come in: one for every PE of the array.
    """

    layer: str
    cycles: int
    macs: int
    padded_macs: int
    utilization: float
    times: dict[str, int]
    words: dict[str, int]
    l1_words: dict[str, int]
    active: int
    setup_cycles: int

    @property
    def bound_cycles(self) -> int:
        """The busiest engine's cycles."""
        return max(self.times.values())

    @property
    def bound(self) -> str:
        """The busiest engine: ``compute``, or the tensor whose ports it is."""
        return max(self.times, key=self.times.__getitem__)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that scripts rely on; streams are read for weights and inputs and written with outputs."""
        moved = {
            tensor: {"reads": words * (tensor != "outputs"), "writes": words * (tensor == "outputs")}
            for tensor, words in self.words.items()
        }  # fmt: skip
        return {
            "schema": SCHEMA, "layer": self.layer, "mode": MODE, "cycles": self.cycles, "bound_cycles": self.bound_cycles,
            "energy_pj": None, "area_um2": None, "macs": self.macs, "padded_macs": self.padded_macs,
            "utilization": self.utilization, "bound": self.bound, "cycles_by_limit": self.times,
            "levels": {"stream": moved, "pe": {tensor: {"tile_words": words} for tensor, words in self.l1_words.items()}},
            "active_pes": self.active, "setup_cycles": self.setup_cycles, "check": None,
        }  # fmt: skip


def evaluate(layer: Layer, array: SpatialArray, mapping: Mapping) -> SpatialCost:
    """Cost one layer.

    Raises
    ------
    SpecError
        For a mapping that does not belong to the layer and the array.
    InfeasibleError
        For limits of the array that the mapping exceeds.
    """
    return cost_of(compile_spatial(layer, array, mapping))


def cost_of(program: SpatialProgram) -> SpatialCost:
    """Cost a compiled program; takes a microsecond or two for every iteration of its outer loops."""
    model, nest, array = schedule(program), program.nest, program.array
    used = {axis.name: 1 for axis in array.axes}
    for spread in nest.spreads[1]:
        used[spread.axis] *= spread.extent
    words = {tensor: port_words(program, tensor)[1] for tensor in TENSORS[:2]}
    words["outputs"] = model.beats["outputs"] * prod(used[axis.name] for axis in array.ported("outputs"))
    active = sum(tag.active for tag in program.tags.values())
    return SpatialCost(
        layer=program.layer.name,
        cycles=model.cycles,
        macs=program.layer.macs,
        padded_macs=model.compute * active,
        utilization=program.layer.macs / (model.cycles * array.pes),
        times={"compute": model.compute, **model.beats},
        words=words,
        l1_words={tensor: prod(tile_extents(nest, tensor)) for tensor in TENSORS},
        active=active,
        setup_cycles=array.pes,
    )
