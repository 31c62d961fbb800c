"""``map`` on systems: the best mapping found for every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflows.errors import SpecError
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Network
from systolith import console

if TYPE_CHECKING:
    from mappers.base import Objective

KEYS = ("name", "count", "cycles", "bound_cycles", "energy_pj", "edp", "utilization", "bound", "evaluated", "scheduled")


def mapped(net: Network, system: SpatialSystem, objective: Objective, mapper: str) -> dict[str, Any]:
    """Map a network; return the JSON form.

    Raises
    ------
    SpecError
        For a mapper that systems do not have.
    InfeasibleError
        With what every layer lacks of which nothing fits.
    """
    from mappers.system.network import map_system
    from rtl.spatial.system.pack import fetched_beats

    if mapper != "search":
        raise SpecError("--mapper", mapper, "search", "leave it out: systems have one mapper")
    with console.progress(f"map {net.name}") as tick:
        return map_system(net, system, objective, program_beats=fetched_beats(system), progress=tick).to_dict()


def show(data: dict[str, Any]) -> None:
    """Print a line per layer, totals, and for a single layer its nest and what every engine does."""
    from dataflows.mapping import Mapping

    title = f"{data['network']} on {data['arch']}, by {data['objective']}"
    console.show_table(title, KEYS, ([row[key] for key in KEYS] for row in data["layers"]))
    total = data["total"]
    figures = f"{total['cycles']:,} cycles, {total['energy_pj']:.4e} pJ, EDP {total['edp']:.4e} pJ x cycles"
    console.show(f"total: {figures}; mapped in {total['seconds']:.1f} s")
    if len(data["layers"]) == 1:
        (row,) = data["layers"]
        console.show("busy cycles: " + ", ".join(f"{name} {cycles:,}" for name, cycles in row["cycles_by_limit"].items()))
        console.show("")
        console.show(str(Mapping.from_dict(row["mapping"])))
