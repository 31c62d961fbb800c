"""``map`` on architectures of mode ``timeloop``: the best loop nest of every layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import Rules
from dataflows.workload import Network
from systolith import console, map_charts, pictures

if TYPE_CHECKING:
    from dataflows.picture.model import Picture
    from mappers.base import Objective
    from mappers.nest.base import NestMapper
    from mappers.nest.network import NestNetwork

KEYS = ("name", "count", "cycles", "energy_pj", "edp", "gap", "utilization", "bound", "evaluated", "seconds")
NAMES = ("optimal", "local", "evolution", "random", "exhaustive")
SECONDS = 10.0
"""Wall time of a layer for mappers that have no end of their own."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, beside network and architecture.

    Attributes
    ----------
    mapper, objective : str
    rules : Rules
    bypass, padded : bool
        As in `mappers.nest.base.Options`.
    seconds : float or None
        Most wall time for a layer.
    seed, workers : int
    """

    mapper: str
    objective: Objective
    rules: Rules
    bypass: bool = True
    padded: bool = False
    seconds: float | None = None
    seed: int = 0
    workers: int = 1


def mapped(net: Network, arch: Architecture, asked: Request) -> NestNetwork:
    """Map a network.

    Raises
    ------
    SpecError
        For a mapper that loop nests do not have, or one that cannot do what was asked.
    InfeasibleError
        With what every layer lacks of which nothing fits.
    """
    from mappers.nest.base import Options
    from mappers.nest.network import map_nests

    mapper = make(asked.mapper)
    options = Options(asked.bypass, asked.padded)
    endless = asked.seconds is None and asked.mapper in ("local", "evolution", "random")
    with console.progress(f"map {net.name}") as tick:
        return map_nests(
            net, arch, mapper, asked.objective, rules=asked.rules, options=options, seconds=SECONDS if endless else asked.seconds,
            seed=asked.seed, workers=asked.workers, progress=tick,
        )  # fmt: skip


def make(name: str) -> NestMapper:
    """Return the mapper of that name."""
    from mappers.nest.evolution import EvolutionNestMapper
    from mappers.nest.exhaustive import ExhaustiveMapper
    from mappers.nest.local import LocalNestMapper
    from mappers.nest.optimal import OptimalMapper
    from mappers.nest.random_mapper import RandomNestMapper

    known: dict[str, Callable[[], NestMapper]] = {
        "optimal": OptimalMapper, "local": LocalNestMapper, "evolution": EvolutionNestMapper, "random": RandomNestMapper,
        "exhaustive": ExhaustiveMapper,
    }  # fmt: skip
    if name not in known:
        raise SpecError("--mapper", name, ", ".join(NAMES) + " on architectures of mode timeloop", "choose one of these")
    return known[name]()


def draw(found: NestNetwork, arch: Architecture) -> list[Picture]:
    """Draw the nest of every layer."""
    layers, mappings, rows = [], {}, list[dict[str, Any]]()
    for _, _, result in found.layers:
        rows.append({**result.cost.to_dict(), "layer": result.layer.name})
        mappings[result.layer.name] = result.mapping
        layers.append(result.layer)
    return pictures.timeloop(rows, layers, mappings, arch)


def write(found: NestNetwork, arch: Architecture, path: Path) -> None:
    """Write the page with charts and a picture of every layer's nest."""
    pictures.write(path, _title(found), KEYS, found.to_dict()["layers"], draw(found, arch), map_charts.of_nests(found, arch))


def show(found: NestNetwork, arch: Architecture) -> None:
    """Print a line per layer, totals and what is proved, and for a single layer its nest."""
    data = found.to_dict()
    if data["total"]["interrupted"]:
        console.say("interrupted: these are the best mappings so far")
        if found.not_begun:
            console.say(f"not begun, any mapping that fits: {', '.join(found.not_begun)}")
    console.show_table(_title(found), KEYS, ([row[key] for key in KEYS] for row in data["layers"]))
    total = data["total"]
    figures = f"{total['cycles']:,} cycles, {total['energy_pj']:.4e} pJ, EDP {total['edp']:.4e} pJ x cycles"
    console.show(f"total: {figures}; mapped in {total['seconds']:.1f} s")
    if total["gap"] is not None:
        proved = "proved to be the least there is" if total["optimal"] else f"at most {total['gap']:.2%} above the least there is"
        console.show(f"total {'EDP' if found.objective == 'edp' else found.objective}: {proved}")
    if len(found.layers) == 1:
        console.show("")
        for picture in draw(found, arch):
            pictures.show(picture)


def _title(found: NestNetwork) -> str:
    return f"{found.network} on {found.architecture}, mode timeloop, by {found.objective}"
