"""``map``: the best mapping of every layer on one accelerator."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.picture.model import Picture
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Network
from systolith import console, explanation, map_charts, pictures, specs, system_map, system_spec
from systolith.commands.common import ArchOption, Json, NetworkArgument, Seed, emit_json

if TYPE_CHECKING:
    from dataflows.nest.architecture import Architecture
    from mappers.base import Mapper
    from mappers.network import LayerMapping
    from systolith import nest_map

KEYS = ("name", "count", "cycles", "energy_pj", "edp", "gap", "utilization", "bound", "evaluated")
NAMED_LAYERS = 5
"""Layers that a message names; a network has hundreds."""


class Objective(StrEnum):
    """What a mapping is chosen by."""

    edp = "edp"
    energy = "energy"
    latency = "latency"


class MapperName(StrEnum):
    """Mappers that ship with the suite."""

    optimal = "optimal"
    search = "search"
    random = "random"
    naive = "naive"
    local = "local"
    evolution = "evolution"
    exhaustive = "exhaustive"


LayerOption = Annotated[str | None, typer.Option("--layer", metavar="NAME", help="Only this layer.")]
MAPPERS = "optimal proves its result; search tries every useful tiling; random and naive are yardsticks."
Which = Annotated[MapperName, typer.Option("--mapper", help=MAPPERS)]
LOOP_NESTS = "local, evolution and exhaustive are for architectures of mode timeloop."
ForMap = Annotated[
    MapperName | None, typer.Option("--mapper", help=f"{MAPPERS} {LOOP_NESTS} [default: optimal, on systems search]")
]
RulesOption = Annotated[
    str | None,
    typer.Option("--rules", metavar="KEY=VALUE,...", help="Mode timeloop: halo=physical, window=exact, psums=strict, ramp=once."),
]
Bypass = Annotated[
    bool | None, typer.Option("--bypass/--no-bypass", help="Mode timeloop: tensors may pass by levels. [default: yes]")
]
Padded = Annotated[bool, typer.Option("--padded", help="Mode timeloop: tiles need not divide the sizes (not with optimal).")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Mode timeloop: processes; the result does not depend on them.")
]
What = Annotated[Objective, typer.Option("--objective", help="What is minimised, layer by layer; by optimal, for the network.")]
Seconds = Annotated[
    float | None, typer.Option("--seconds", min=0, help="Most time for a layer; what is not proved then is left with a gap.")
]


def map_command(
    network: NetworkArgument,
    arch: ArchOption,
    layer: LayerOption = None,
    mapper: ForMap = None,
    objective: What = Objective.edp,
    seconds: Seconds = None,
    rules: RulesOption = None,
    bypass: Bypass = None,
    padded: Padded = False,
    workers: Workers = None,
    explain: explanation.Explain = False,
    html: pictures.Html = None,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Find the best mapping of every layer; cycles are those of the exact schedule. Ctrl-C shows the best so far."""
    from systolith import exchange, nest_map, nest_spec
    from systolith.exchange import network as find

    notes: exchange.Heard = []
    wanted = _Wanted(html, json, seed, explain)
    if (nest := nest_spec.find(arch, exchange.names_of(exchange.workload(network)), notes)) is not None:
        which = (mapper or MapperName.optimal).value
        kind = nest_spec.rules(rules), bypass is not False, padded
        asked = nest_map.Request(which, objective.value, *kind, seconds, seed, workers or 1)
        _map_nests(only(find(network, notes), layer), nest, asked, wanted)
        return
    _only_nests({"--rules": rules, "--bypass": bypass, "--padded": padded or None, "--workers": workers})
    if (system := system_spec.find(arch)) is not None:
        if explain:
            allowed = "an accelerator of this suite or an architecture of mode timeloop"
            raise SpecError("--explain", f"system {arch}", allowed, "leave it out")
        _map_on_system(only(find(network), layer), system, mapper or MapperName.search, objective, html, json, seed)
        return
    which, acc = mapper or MapperName.optimal, specs.accelerator(arch)
    _map_on_machine(only(find(network), layer), acc, which, objective, seconds, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted beside the mapping: a page, JSON, and why it is the best."""

    html: Path | None
    json: bool
    seed: int
    explain: bool


def _map_on_machine(
    net: Network, acc: Accelerator, mapper: MapperName, objective: Objective, seconds: float | None, wanted: _Wanted
) -> None:
    from mappers.base import native_cycles
    from mappers.explain.lacking import machine_change
    from mappers.network import map_network

    chosen, layers = make(mapper, seconds), [layer for layer, _ in net.distinct()]
    if wanted.explain:
        explanation.check(len(layers), mapper)
    with explanation.naming_change(lambda: machine_change(layers, acc)), console.progress(f"map {net.name}") as tick:
        tick(0, 1, f"map {net.name}")
        mapped = map_network(net, acc, chosen, objective.value, wanted.seed, exact_cycles=native_cycles)
    if mapped.interrupted:
        console.say("interrupted: these are the best mappings so far")
    data = mapped.to_dict(acc)
    why = explanation.of_machine(mapped, acc, seconds) if wanted.explain else None
    title = f"{net.name} on {acc.name}, by {objective.value}"
    drawn = [_draw(each, acc) for each in mapped.layers] if wanted.html or len(mapped.layers) == 1 else []
    if wanted.html:
        pictures.write(wanted.html, title, KEYS, data["layers"], drawn, map_charts.of_machine(mapped, acc))
    if wanted.json:
        emit_json(data if why is None else {**data, "explain": why.to_dict()}, wanted.seed)
        return
    console.show_table(title, KEYS, ([row[key] for key in KEYS] for row in data["layers"]))
    total = data["total"]
    figures = f"{total['cycles']:,} cycles, {total['energy_pj']:.4e} pJ, EDP {total['edp']:.4e} pJ x cycles"
    console.show(f"total: {figures}; mapped in {total['seconds']:.1f} s")
    if total["gap"] is not None:
        proved = "proved to be the least there is" if total["optimal"] else f"at most {total['gap']:.2%} above the least there is"
        console.show(f"total {'EDP' if objective == Objective.edp else objective.value}: {proved}")
    if len(drawn) == 1:
        console.show("")
        pictures.show(drawn[0])
    if why is not None:
        console.show("")
        explanation.show(why)


def _map_on_system(
    net: Network, system: SpatialSystem, mapper: MapperName, objective: Objective, html: Path | None, json: bool, seed: int
) -> None:
    data = system_map.mapped(net, system, objective.value, mapper.value)
    if html:
        pictures.write(html, f"{net.name} on {system.name}, by {objective.value}", system_map.KEYS, data["layers"], [])
    if json:
        emit_json(data, seed)
    else:
        system_map.show(data)


def _map_nests(net: Network, arch: Architecture, asked: nest_map.Request, wanted: _Wanted) -> None:
    from mappers.explain.lacking import nest_change
    from mappers.nest.base import Options
    from systolith import nest_map

    layers, options = [layer for layer, _ in net.distinct()], Options(asked.bypass)
    if wanted.explain:
        explanation.check(len(layers), asked.mapper)
    with explanation.naming_change(lambda: nest_change(layers, arch, asked.rules, options)):
        found = nest_map.mapped(net, arch, asked)
    why = explanation.of_nest(found, arch, asked) if wanted.explain else None
    if wanted.html:
        nest_map.write(found, arch, wanted.html)
    if wanted.json:
        emit_json(found.to_dict() if why is None else {**found.to_dict(), "explain": why.to_dict()}, asked.seed)
        return
    nest_map.show(found, arch)
    if why is not None:
        console.show("")
        explanation.show(why)


def _only_nests(given: dict[str, object]) -> None:
    """Refuse options that only architectures of mode timeloop have."""
    for option, value in given.items():
        if value is not None:
            raise SpecError(option, value, "an architecture of mode timeloop", "leave it out")


def _draw(each: LayerMapping, acc: Accelerator) -> Picture:
    """Draw the nest of a layer, under its own name."""
    result = each.result
    return pictures.machine(replace(result.layer, name=each.name), acc, result.tiling, result.cost.to_dict())


def make(name: MapperName, seconds: float | None = None) -> Mapper:
    """Return the mapper of that name, with a limit for a layer."""
    from mappers.naive import NaiveMapper
    from mappers.optimal import OptimalMapper
    from mappers.random_mapper import RandomMapper
    from mappers.search import SearchMapper

    if name == MapperName.optimal:
        return OptimalMapper(seconds=seconds)
    if seconds is not None:
        raise SpecError(
            "--seconds", seconds, "a limit with --mapper optimal", "leave it out: the other mappers end soon by themselves"
        )
    known: dict[MapperName, Callable[[], Mapper]] = {
        MapperName.search: SearchMapper,
        MapperName.random: RandomMapper,
        MapperName.naive: NaiveMapper,
    }
    if name not in known:
        raise SpecError(
            "--mapper", name.value, ", ".join(known) + ", optimal on this suite's accelerators", "choose one of these"
        )
    return known[name]()


def _no_layer(net: Network, name: str) -> SpecError:
    """Return the error for a layer that `net` does not have, with those of the nearest names."""
    names = list(dict.fromkeys(layer.name for layer in net.layers))
    near = difflib.get_close_matches(name, names, n=NAMED_LAYERS, cutoff=0.5)
    shown = (near + [each for each in names if each not in near])[:NAMED_LAYERS]
    rest = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    see = f"see `systolith networks {net.name}`"
    return SpecError("--layer", name, ", ".join(shown) + rest, f"did you mean {near[0]!r}?" if near else see)


def only(net: Network, name: str | None) -> Network:
    """Return the network cut down to the layer called `name`, or unchanged."""
    if name is None:
        return net
    layers = [layer for layer in net.layers if layer.name == name]
    if not layers:
        raise _no_layer(net, name)
    return replace(net, layers=tuple(layers), parameters=layers[0].parameters)
