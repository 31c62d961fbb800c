"""Result of mode ``maestro``: cycles, words and energy of one layer, in the JSON form of the other modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.floors import Shortfall
from dataflows.maestro.machine import L1_MACS, L2_MACS, Machine

SCHEMA = 1
MODE = "maestro"
WORDS_OF_TENSORS = dict[str, dict[str, dict[str, int]]]
WEIGHTS = {"L2": L2_MACS, "L1": L1_MACS}


@dataclass(frozen=True, slots=True)
class MaestroCost:
    """Cost of one layer under one dataflow, as MAESTRO counts it.

    Attributes
    ----------
    layer, dataflow : str
        Names.
    clusters : int
        Levels of the dataflow: 1 without clusters.
    cycles : int
        The tool's runtime; 0 where it finds no outputs in any iteration, which `below_floor` then tells.
    macs : int
        Useful multiply-accumulates of the layer.
    counted_macs : int
        Those that the tool counts; strides over a row of windows are counted as if they were 1.
    bound : str
        ``compute``, ``ingress``, ``egress`` or ``offchip``, whichever binds for most cycles; ``none`` of 0 cycles.
    times : dict
        Cycles of each of them, not overlapped.
    levels : dict
        ``{"L2": {tensor: {"reads", "writes", "tile_words"}}, "L1": ...}``; L1 is that of all PEs together, its tile that of one.
    buffer_words : dict
        Words each level must hold, double buffers included; L1 for one PE.
    floor_cycles : int
        Multiply-accumulates over what all PEs make in a cycle: less is impossible.
    below_floor : tuple of Shortfall
        Figures that are impossible all the same.
    machine : Machine
        What it was mapped onto.
    """

    layer: str
    dataflow: str
    clusters: int
    cycles: int
    macs: int
    counted_macs: int
    bound: str
    times: dict[str, int]
    levels: WORDS_OF_TENSORS
    buffer_words: dict[str, int]
    floor_cycles: int
    below_floor: tuple[Shortfall, ...]
    machine: Machine

    @property
    def energy_by_level(self) -> dict[str, dict[str, float]]:
        """``{level: {tensor: pJ}}``, and ``mac``."""
        pj = self.machine.mac_pj
        found = {
            level: {name: (words["reads"] + words["writes"]) * WEIGHTS[level] * pj for name, words in tensors.items()}
            for level, tensors in self.levels.items()
        }
        return {**found, "mac": {"macs": self.counted_macs * pj}}

    @property
    def energy_macs(self) -> float:
        """Energy in multiply-accumulates: the total that the tool prints on the screen."""
        return self.energy_pj / self.machine.mac_pj

    @property
    def energy_pj(self) -> float:
        """Sum of `energy_by_level`, pJ."""
        return sum(pj for tensors in self.energy_by_level.values() for pj in tensors.values())

    @property
    def edp(self) -> float:
        """Energy-delay product, pJ x cycles."""
        return self.energy_pj * self.cycles

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates over what all PEs could make in `cycles`; above 1, or 0 of 0 cycles, below the floor."""
        return self.macs / (self.cycles * self.machine.pes * self.machine.simd) if self.cycles else 0.0

    @property
    def reuse(self) -> dict[str, float]:
        """L1 reads over L1 writes, by tensor: the tool's reuse factor."""
        return {name: words["reads"] / words["writes"] if words["writes"] else 0.0 for name, words in self.levels["L1"].items()}

    def printed_energy(self, before: MaestroCost | None = None) -> float:
        """Return the energy that the tool's table has for this layer, in pJ.

        The table leaves out the reads of outputs from L2 and the multiply-accumulates. Where there are clusters it adds the
        L1 accesses of the layer `before` it in the same run instead of those of the layer itself; the first has none.
        """
        private = self if self.clusters == 1 else before
        reads = self.levels["L2"]["outputs"]["reads"] * L2_MACS * self.machine.mac_pj
        shared = sum(self.energy_by_level["L2"].values()) - reads
        return shared + (sum(private.energy_by_level["L1"].values()) if private else 0.0)

    def to_dict(self, before: MaestroCost | None = None) -> dict[str, Any]:
        """Return the JSON form that scripts rely on; `before` is the layer before in the same run (`printed_energy`)."""
        return {
            "schema": SCHEMA, "layer": self.layer, "mode": MODE, "cycles": self.cycles, "bound_cycles": self.cycles,
            "energy_pj": self.energy_pj, "energy_macs": self.energy_macs,
            "table_energy_nj": self.printed_energy(before) / 1e3, "edp": self.edp, "area_um2": None,
            "energy_by_level": self.energy_by_level, "macs": self.macs, "padded_macs": self.counted_macs,
            "utilization": self.utilization, "bound": self.bound, "cycles_by_limit": self.times, "levels": self.levels,
            "reuse": self.reuse, "buffer_words": self.buffer_words, "floor_cycles": self.floor_cycles,
            "below_floor": [shortfall.to_dict() for shortfall in self.below_floor],
            "rules": {"dataflow": self.dataflow, **self.machine.to_dict()}, "check": None,
            "technology": f"MAESTRO: L1 {L1_MACS} and L2 {L2_MACS} MACs, {self.machine.mac_pj} pJ a MAC",
        }  # fmt: skip
