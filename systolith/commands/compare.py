"""``compare``: mappings of other tools, or by hand, beside the best there is."""

from __future__ import annotations

from typing import Annotated

import typer

from systolith.commands.common import Json, NetworkArgument, Seed, emit_json
from systolith.commands.mapping import LayerOption, Objective, RulesOption, Seconds, only

ArchOption = Annotated[
    str,
    typer.Option(
        "--arch", metavar="ARCH", help="An architecture of mode timeloop: a preset, a YAML file, or a file of Timeloop or ZigZag."
    ),
]
Mappings = Annotated[
    list[str],
    typer.Option(
        "--mapping",
        metavar="FILE",
        help="A mapping of Timeloop or ZigZag, of this suite in any form, or compact text; give it once per mapping.",
    ),
]
What = Annotated[Objective, typer.Option("--objective", help="What the best mapping is the best for; ratios are of it.")]


def compare(
    network: NetworkArgument,
    arch: ArchOption,
    mapping: Mappings,
    layer: LayerOption = None,
    objective: What = Objective.edp,
    rules: RulesOption = None,
    seconds: Seconds = None,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Cost mappings of any tool by one model, beside the mapping that is proved to be the best."""
    from systolith import comparison, exchange, nest_spec

    notes: exchange.Heard = []
    found = nest_spec.find(arch, exchange.names_of(exchange.workload(network)), notes)
    target = comparison.only_nests(found, arch)
    net = only(exchange.network(network, notes), layer)
    asked = comparison.Asked(network, arch, mapping, objective.value, nest_spec.rules(rules), seconds)
    rows = comparison.compared(net, target, asked, notes)
    if json:
        emit_json([{**row, "not_understood": notes} for row in rows] if notes else rows, seed)
    else:
        comparison.show(rows, target)
