"""``cost``: what given mappings cost, and whether the walker counts the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.picture.model import Picture
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.tiling import mapping_of, violations
from dataflows.workload import Layer
from systolith import console, impossible, pictures, spatial_cost, spatial_spec, specs, system_cost, system_spec
from systolith.commands.common import Json, NetworkArgument, Seed, emit_json
from systolith.commands.mapping import LayerOption, only
from systolith.mapping_file import read_mappings
from systolith.textspec import split_head

ArchOption = Annotated[
    str,
    typer.Option(
        "--arch",
        metavar="ARCH",
        help="A preset, ENGINE:key=value,..., a YAML file, the folder of an exploration, maestro:dataflow=,pes=, "
        "scalesim:rows=,cols=,dataflow=, a published machine such as zhang15 or nvdla_workbook:macs=,gbps=, or an architecture "
        "file of Timeloop v0.4, ZigZag or SCALE-Sim.",
    ),
]
MappingFile = Annotated[
    str | None,
    typer.Option(
        "--mapping",
        metavar="MAPPING",
        help="Compact text or a file: YAML, printed, compact, `map --json`, or of Timeloop or ZigZag. Not needed for other "
        "tools and published machines.",
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Also walk every nest step by step and compare all counts; slow for large layers.")
]
RulesOption = Annotated[
    str | None,
    typer.Option("--rules", metavar="KEY=VALUE,...", help="Mode timeloop: halo=physical, window=exact, psums=strict, ramp=once."),
]

KEYS = ("layer", "count", "cycles", "bound_cycles", "floor_cycles", "energy_pj", "utilization", "bound")


def cost(
    network: NetworkArgument,
    arch: ArchOption,
    mapping: MappingFile = None,
    layer: LayerOption = None,
    rules: RulesOption = None,
    check: Check = False,
    html: pictures.Html = None,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Cycles, energy and accesses of every layer under given mappings."""
    from systolith import exchange, nest_cost, nest_spec

    if (results := _with_own_mapping(network, arch, mapping, layer, rules, check, html, json)) is not None:
        if json:
            emit_json(results, seed)
        return
    notes: exchange.Heard = []
    nest = nest_spec.find(arch, exchange.names_of(exchange.workload(network)), notes)
    array = None if nest else system_spec.find(arch) or spatial_spec.find(arch)
    target = nest or array or specs.accelerator(arch, "cost")
    if mapping is None:
        fix = "add --mapping; only other tools and published machines come with one; `systolith map` finds one for our hardware"
        raise SpecError("--mapping", "nothing", "compact text, or a file with the mapping of every layer", fix)
    chosen = only(exchange.network(network, notes), layer).distinct()
    if not isinstance(target, Architecture):
        exchange.refuse(mapping, "a mapping in this suite's form")
    if array is not None:
        results, title = _array_costs(chosen, array, mapping, rules, check, json)
        if html:
            pictures.write(html, f"{network} on {title}", spatial_cost.KEYS, results, [])
    elif isinstance(target, Architecture):
        given = exchange.mappings(mapping, [one for one, _ in chosen], target, arch, network, notes) or mapping
        results, nests = nest_cost.nest_costs(chosen, target, given, nest_spec.rules(rules), check=check)
        if not json:
            nest_cost.show(results, nests, target, (one for one, _ in chosen))
        if html:
            drawn = pictures.timeloop(results, (one for one, _ in chosen), nests, target)
            pictures.write(html, f"{network} on {target.name}, mode timeloop", nest_cost.KEYS, results, drawn)
    else:
        assert isinstance(target, Accelerator)
        _no_rules(rules)
        results, drawn = _machine_costs(chosen, target, mapping, check)
        if not json:
            console.show_table(f"{target.name}, per layer", KEYS, ([row[key] for key in KEYS] for row in results))
            if len(drawn) == 1:
                pictures.show(drawn[0])
        if html:
            pictures.write(html, f"{network} on {target.name}", KEYS, results, drawn)
    impossible.warn(results)
    if json:
        emit_json([{**row, "not_understood": notes} for row in results] if notes else results, seed)
    if check:
        _report(results)


def _no_rules(rules: str | None) -> None:
    if rules is not None:
        raise SpecError("--rules", rules, "an architecture of mode timeloop", "leave it out: the rules are the hardware's")


def _array_costs(
    chosen: list[tuple[Layer, int]], array: tuple[str, SpatialArray] | SpatialSystem, mapping: str, rules: str | None,
    check: bool, json: bool,
) -> tuple[list[dict[str, Any]], str]:  # fmt: skip
    """Cost layers on an array, alone or with a memory system, whose walker is the simulator; return a title too."""
    _no_rules(rules)
    if check:
        raise SpecError(
            "--check", "an array", "an accelerator or an architecture", "use `systolith verify`: it simulates the array"
        )
    if isinstance(array, SpatialSystem):
        results = system_cost.costs(chosen, array, mapping)
        if not json:
            system_cost.show(results, array.name)
        return results, f"{array.name}, mode system"
    name, spec = array
    results = spatial_cost.costs(chosen, name, spec, mapping)
    if not json:
        spatial_cost.show(results, name)
    return results, f"{name}, mode array"


def _with_own_mapping(
    network: str, arch: str, mapping: str | None, layer: str | None, rules: str | None, check: bool, html: Path | None, json: bool
) -> list[dict[str, Any]] | None:
    """Cost what comes with a mapping: another tool's model, or a published machine's; None where `arch` names neither.

    Some published machines are presets of mode timeloop too; with a mapping they are these.
    """
    from dataflows.nest.presets import PRESETS
    from systolith import machine_cost, peer_cost
    from systolith.exchange import network as find

    if (peer := peer_cost.find(arch)) is not None:
        _without_mapping(peer.mode, mapping, rules, check)
        results = peer_cost.peer_costs(only(find(network), layer), peer)
        columns, rows = peer_cost.COLUMNS[peer.mode], results
        shown = partial(peer_cost.show, results, peer)
    elif (mapping is None or split_head(arch)[0] not in PRESETS) and (asked := machine_cost.find(arch)) is not None:
        _without_mapping(asked.mode, mapping, rules, check)
        results = machine_cost.machine_costs(only(find(network), layer), asked)
        columns, rows = asked.columns, machine_cost.table(results, asked)
        shown = partial(machine_cost.show, results, asked)
    else:
        return None
    if not json:
        shown()
    if html:
        pictures.write(html, f"{network} on {arch}", columns, rows, [])
    impossible.warn(results)
    return results


def _without_mapping(mode: str, mapping: str | None, rules: str | None, check: bool) -> None:
    """Refuse options that mean nothing where the tool has its own mapping and its own rules."""
    given = {"--mapping": mapping, "--rules": rules, "--check": check or None}
    for option, value in given.items():
        if value is not None:
            raise SpecError(option, value, f"nothing in mode {mode}, which has a mapping and rules of its own", "leave it out")


def _machine_costs(
    chosen: list[tuple[Layer, int]], acc: Accelerator, mapping: str, check: bool
) -> tuple[list[dict[str, Any]], list[Picture]]:
    """Cost layers on our own hardware and draw their nests; cycles are those of the exact schedule."""
    from dataflows.cost import evaluate, operands_per_beat
    from dataflows.floors import with_floors
    from dataflows.program import program_beats
    from dataflows.schedule import schedule

    nests = read_mappings(mapping, [one for one, _ in chosen], acc)
    # Before the schedule, which takes feasible tilings only.
    if reasons := [reason for walked, tiling in nests.values() for reason in violations(walked, acc, tiling)]:
        raise InfeasibleError(reasons)
    results, drawn = [], []
    with console.progress("cost") as tick:
        for done, (one, count) in enumerate(chosen):
            tick(done, len(chosen), one.name)
            walked, tiling = nests[one.name]
            cycles = schedule(walked, acc, tiling).cycles
            row = evaluate(walked, acc, tiling, cycles=cycles, program_beats=program_beats(acc), check=check).to_dict()
            row = with_floors(walked, acc.array.macs, row, per_unit=operands_per_beat(acc))
            results.append({**row, "count": count, "mapping": mapping_of(walked, acc, tiling).to_dict()})
            drawn.append(pictures.machine(walked, acc, tiling, row))
    return results, drawn


def _report(results: list[dict[str, Any]]) -> None:
    """Say whether the walker counted the same; exit with 1 if not."""
    wrong = [row for row in results if not row["check"]["equal"]]
    if wrong:
        first = "; ".join(wrong[0]["check"]["differences"][:3])
        console.say(
            f"error: {len(wrong)} of {len(results)} layers count differently when walked, first {wrong[0]['layer']}: {first}"
        )
        raise typer.Exit(1)
    console.say(f"checked: all counts of {len(results)} layers equal those of the walker")
