"""``cost``: what given mappings cost, and whether the walker counts the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.feasible import InfeasibleError
from dataflows.tiling import Tiling, violations
from dataflows.workload import Layer
from systolith import console, specs
from systolith.commands.common import ArchOption, Json, NetworkArgument, Seed, emit_json
from systolith.commands.mapping import LayerOption, only
from systolith.mapping_file import read_mappings

MappingFile = Annotated[
    Path, typer.Option("--mapping", metavar="FILE", help="Loop nests: YAML, printed, compact, or `map --json`.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Also walk every nest step by step and compare all counts; slow for large layers.")
]


def cost(
    network: NetworkArgument,
    arch: ArchOption,
    mapping: MappingFile,
    layer: LayerOption = None,
    check: Check = False,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Cycles, energy and accesses of every layer under the mappings of a file."""
    from dataflows.cost import evaluate
    from dataflows.networks import network as find
    from dataflows.program import program_beats
    from dataflows.schedule import schedule

    acc = specs.accelerator(arch)
    chosen = only(find(network), layer).distinct()
    nests = read_mappings(mapping, [one for one, _ in chosen], acc)

    def one_cost(one: Layer, tiling: Tiling) -> dict[str, Any]:
        if reasons := violations(one, acc, tiling):  # before the schedule, which takes feasible tilings only
            raise InfeasibleError(reasons)
        cycles = schedule(one, acc, tiling).cycles
        return evaluate(one, acc, tiling, cycles=cycles, program_beats=program_beats(acc), check=check).to_dict()

    results = []
    with console.progress("cost") as tick:
        for done, (one, count) in enumerate(chosen):
            tick(done, len(chosen), one.name)
            walked, tiling = nests[one.name]
            results.append({**one_cost(walked, tiling), "count": count})
    if json:
        emit_json(results, seed)
    else:
        keys = ("layer", "count", "cycles", "bound_cycles", "energy_pj", "utilization", "bound")
        console.show_table(f"{acc.name}, per layer", keys, ([row[key] for key in keys] for row in results))
    wrong = [row for row in results if check and not row["check"]["equal"]]
    if wrong:
        first = "; ".join(wrong[0]["check"]["differences"][:3])
        console.say(
            f"error: {len(wrong)} of {len(results)} layers count differently when walked, first {wrong[0]['layer']}: {first}"
        )
        raise typer.Exit(1)
    if check:
        console.say(f"checked: all counts of {len(results)} layers equal those of the walker")
