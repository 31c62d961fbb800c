"""``cost`` in mode ``array``: exact cycles of mappings on spatial arrays."""

from __future__ import annotations

from typing import Any

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.floors import with_floors
from dataflows.mapping import Mapping
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.cost import evaluate
from dataflows.workload import Layer
from systolith import console
from systolith.nest_cost import read

KEYS = ("layer", "count", "cycles", "bound_cycles", "floor_cycles", "utilization", "bound", "active_pes")


def costs(layers: list[tuple[Layer, int]], name: str, array: SpatialArray, argument: str) -> list[dict[str, Any]]:
    """Cost every layer; `argument` is the mapping as the user gave it.

    Raises
    ------
    SpecError
        For a mapping that does not belong to a layer and the array.
    InfeasibleError
        With the reasons of all layers.
    """
    found: dict[str, Mapping] = read(argument, [layer for layer, _ in layers], array.architecture(name))
    results: list[dict[str, Any]] = []
    reasons: list[Infeasible] = []
    with console.progress("cost") as tick:
        for done, (layer, number) in enumerate(layers):
            tick(done, len(layers), layer.name)
            try:
                row = with_floors(layer, array.pes, evaluate(layer, array, found[layer.name]).to_dict())
            except InfeasibleError as error:
                reasons += error.reasons
                continue
            results.append({**row, "count": number, "mapping": found[layer.name].to_dict()})
    if reasons:
        raise InfeasibleError(reasons)
    return results


def show(results: list[dict[str, Any]], name: str) -> None:
    """Print a line per layer, and for a single layer what every engine and every port does."""
    console.show_table(f"{name}, mode array", KEYS, ([row[key] for key in KEYS] for row in results))
    if len(results) > 1:
        return
    (row,) = results
    levels = row["levels"]
    body = [
        [tensor, row["cycles_by_limit"][tensor], words["reads"] + words["writes"], levels["pe"][tensor]["tile_words"]]
        for tensor, words in levels["stream"].items()
    ]
    console.show_table("ports", ("tensor", "busy cycles", "words", "words in a PE"), body)
    busy, setup = row["cycles_by_limit"]["compute"], row["setup_cycles"]
    console.show(f"compute busy {busy:,} cycles; {setup:,} cycles before the first for tags, one for each PE")
