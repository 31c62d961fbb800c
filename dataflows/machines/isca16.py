"""The energy framework of ISCA 2016 and its six dataflows, each at its best mapping (dense reference, 4, 15.3 and 15.4).

A word costs 200 multiply-accumulates in DRAM, 6 in the buffer, 2 between PEs and 1 in a register file; a transfer is charged to
the dearer of its two ends. Every dataflow gets the same area for its storage and may divide it as it likes. What a dataflow may
choose is in `isca16_mappings` and `isca16_rs`; the mapping with the least energy is taken, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.machines import isca16_mappings as plain
from dataflows.machines.isca16_counts import Chip, Plan, Problem
from dataflows.machines.isca16_rs import row_stationary
from dataflows.machines.result import MachineCost
from dataflows.nest.presets.isca16 import RF_BYTES, buffer_bytes
from dataflows.workload import Layer

MODE = "isca16"
WORD_BYTES = 2
DATAFLOWS: dict[str, Callable[[Problem, Chip], Iterator[Plan]]] = {
    "rs": row_stationary, "ws": plain.weight_stationary, "osa": plain.pixels_of_one_channel, "osb": plain.pixels_of_channels,
    "osc": plain.channels_of_one_pixel, "nlr": plain.no_local_reuse,
}  # fmt: skip
"""Dataflows by the paper's names, best first in its comparison of convolutions."""


def chip(dataflow: str, pes: int) -> Chip:
    """Return the storage that equal area leaves (dense reference, 4.2).

    Raises
    ------
    SpecError
        For an unknown dataflow or an array without PEs.
    """
    if dataflow not in DATAFLOWS:
        raise SpecError(
            f"{MODE}: dataflow", dataflow, ", ".join(DATAFLOWS), suggestion(dataflow, DATAFLOWS, "choose one of these")
        )
    if pes < 1:
        raise SpecError(f"{MODE}: pes", pes, "a positive integer", "correct the value")
    rows = max(size for size in range(1, int(pes**0.5) + 1) if pes % size == 0)
    return Chip(rows, pes // rows, buffer_bytes(dataflow, pes) // WORD_BYTES, RF_BYTES[dataflow] // WORD_BYTES)


@lru_cache(maxsize=256)
def best(layer: Layer, dataflow: str = "rs", pes: int = 256) -> Plan:
    """Return the mapping of one group with the least energy.

    Raises
    ------
    SpecError
        For an unknown dataflow, an array without PEs, or dilated filters.
    InfeasibleError
        When nothing fits the buffer.
    """
    problem, machine = Problem.of(layer), chip(dataflow, pes)
    found = min(DATAFLOWS[dataflow](problem, machine), key=lambda plan: plan.energy, default=None)
    if found is None:
        raise InfeasibleError(_lacks(problem, machine, dataflow, layer.name))
    return found


def _lacks(one: Problem, machine: Chip, dataflow: str, name: str) -> list[Infeasible]:
    """Return what the smallest mapping of a dataflow lacks."""
    row, window = one.rows(1) * one.cols(one.F), one.R * one.S
    words = {"ws": one.N * one.E * one.F, "rs": row + one.F, "nlr": one.C * row + window + 1}
    needs = [("buffer", words.get(dataflow, 2 * one.terms), machine.buffer, "words")]
    if dataflow == "rs":
        needs.append(("rf", 2 * one.S + 1, machine.rf, "words"))
    if dataflow == "ws":
        needs.append(("array", window, machine.pes, "PEs"))
    remedy = "use more PEs, fewer images or another dataflow"
    return [Infeasible(level, need, have, unit, remedy, name) for level, need, have, unit in needs if need > have]


def cost(layer: Layer, dataflow: str = "rs", pes: int = 256) -> MachineCost:
    """Cost a layer at the best mapping of a dataflow; groups run one after another."""
    plan = best(layer, dataflow, pes)
    energy = {name: layer.G * value for name, value in plan.energy_by_level.items()}
    dram = layer.G * plan.dram_words
    figures: dict[str, Any] = {
        "energy_per_mac": sum(energy.values()) / layer.macs, "dram_per_mac": dram / layer.macs,
        "active_pes": layer.macs / (layer.G * plan.cycles), "mapping": plan.text,
    }  # fmt: skip
    levels: dict[str, dict[str, dict[str, float]]] = {
        "dram": {
            "weights": {"reads": layer.G * plan.weights.dram, "writes": 0},
            "inputs": {"reads": layer.G * plan.inputs.dram, "writes": 0},
            "outputs": {"reads": 0, "writes": layer.output_words},
        }
    }
    return MachineCost.of(
        layer, MODE, layer.G * plan.cycles, pes, limits={"array": layer.G * plan.cycles}, levels=levels, figures=figures,
        energy=energy, rules={"dataflow": dataflow, "pes": pes},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """One dataflow over several layers, per multiply-accumulate."""

    energy: float
    dram: float
    active_pes: float


def compare(layers: list[Layer], dataflow: str, pes: int = 256) -> Comparison:
    """Return energy and DRAM words a multiply-accumulate, and active PEs, over layers."""
    found = [cost(layer, dataflow, pes) for layer in layers]
    macs = sum(each.macs for each in found)
    energy = sum(each.energy_macs or 0.0 for each in found)
    dram = sum(each.figures["dram_per_mac"] * each.macs for each in found)
    return Comparison(energy / macs, dram / macs, macs / sum(each.cycles for each in found))
