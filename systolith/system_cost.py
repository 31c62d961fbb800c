"""``cost`` in mode ``system``: exact cycles and words of mappings on arrays with their memory system."""

from __future__ import annotations

from typing import Any

from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.floors import with_floors
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from systolith import console
from systolith.nest_cost import read
from systolith.spatial_cost import KEYS


def costs(layers: list[tuple[Layer, int]], system: SpatialSystem, argument: str) -> list[dict[str, Any]]:
    """Cost every layer; `argument` is the mapping as the user gave it.

    Raises
    ------
    SpecError
        For a mapping that does not belong to a layer and the array.
    InfeasibleError
        With the reasons of all layers.
    """
    from dataflows.spatial.system.cost import architecture, evaluate  # with NumPy, which --help can do without
    from rtl.spatial.system.pack import fetched_beats

    found = read(argument, [layer for layer, _ in layers], architecture(system))
    results: list[dict[str, Any]] = []
    reasons: list[Infeasible] = []
    with console.progress("cost") as tick:
        for done, (layer, number) in enumerate(layers):
            tick(done, len(layers), layer.name)
            try:
                row = evaluate(layer, system, found[layer.name], fetched_beats(system))
            except InfeasibleError as error:
                reasons += error.reasons
                continue
            row = _with_floors(layer, system, row)
            results.append({**row, "count": number, "mapping": found[layer.name].to_dict()})
    if reasons:
        raise InfeasibleError(reasons)
    return results


def _with_floors(layer: Layer, system: SpatialSystem, row: dict[str, Any]) -> dict[str, Any]:
    """Compare with floors what is not coded: a code may have fewer words than its tensor."""
    plain = {tensor: words for tensor, words in row["levels"]["dram"].items() if tensor not in row["coded"]}
    return {**with_floors(layer, system.array.pes, {**row, "levels": {"dram": plain}}), "levels": row["levels"]}


def show(results: list[dict[str, Any]], name: str) -> None:
    """Print a line per layer, and for a single layer what every level moves and every engine does."""
    console.show_table(f"{name}, mode system", KEYS, ([row[key] for key in KEYS] for row in results))
    if len(results) > 1:
        return
    (row,) = results
    body = [
        [level, tensor, words.get("reads", ""), words.get("writes", ""), words.get("tile_words", "")]
        for level, tensors in row["levels"].items()
        for tensor, words in tensors.items()
    ]
    console.show_table("words", ("level", "tensor", "reads", "writes", "tile"), body)
    for tensor, reason in row["not_coded"].items():
        console.show(f"{tensor} not coded: {reason}")
    if row["coded"]:
        console.show(f"coded for random words of the layer's densities: {', '.join(row['coded'])}; in memory whole beats count")
    console.show("busy cycles: " + ", ".join(f"{name} {cycles:,}" for name, cycles in row["cycles_by_limit"].items()))
