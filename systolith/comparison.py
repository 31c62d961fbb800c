"""Given mappings beside the best there is: what ``compare`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import Rules
from dataflows.workload import Layer, Network
from systolith import console, exchange, nest_cost
from systolith.textspec import is_file

if TYPE_CHECKING:
    from mappers.base import Objective
    from mappers.nest.base import NestResult

KEYS = ("layer", "mapping", "cycles", "energy_pj", "edp", "ratio")
OURS = "optimal"
SLACK = 1e-9
"""Share by which equal sums may differ."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was given.

    Attributes
    ----------
    network, arch : str
        The arguments themselves, for names in files of other tools.
    files : sequence of str
        Mappings: files of any tool, or compact text.
    objective : str
        What the best mapping is the best for; ratios are of this.
    rules : Rules
        For all mappings alike.
    seconds : float or None
        Most wall time for a layer's optimum.
    """

    network: str
    arch: str
    files: Sequence[str]
    objective: Objective = "edp"
    rules: Rules = field(default_factory=Rules)
    seconds: float | None = None


def compared(net: Network, arch: Architecture, asked: Asked, heard: exchange.Heard) -> list[dict[str, Any]]:
    """Cost every given mapping of every distinct layer, and find the best one.

    Returns
    -------
    list of dict
        By layer: ``layer``, ``count``, ``objective``, ``optimal`` and ``mappings``, each with cycles, energy, EDP, ``ratio`` to
        what is proved about the optimum, and the mapping itself. ``optimal.gap`` is 0 where the optimum is proved.

    Raises
    ------
    SpecError
        For a file that is no mapping of these layers on this architecture.
    InfeasibleError
        With what the mappings that do not fit lack, by file, or if nothing fits a layer.
    """
    from mappers.nest.base import Budget
    from mappers.nest.optimal import OptimalMapper

    chosen = net.distinct()
    layers = [layer for layer, _ in chosen]
    found = {_label(text): _costs(chosen, arch, asked, text, heard) for text in asked.files}
    rows = []
    with console.progress(f"map {net.name}") as tick:
        for done, (layer, count) in enumerate(chosen):
            tick(done, len(layers), layer.name)
            best = OptimalMapper().map(
                layer, arch, asked.objective, rules=asked.rules, budget=Budget(seconds=asked.seconds)
            )  # fmt: skip
            given = [_row(label, costs[layer.name], best) for label, costs in found.items()]
            rows.append({
                "layer": layer.name, "count": count, "mode": "timeloop", "arch": arch.name, "objective": asked.objective,
                "rules": asked.rules.to_dict(), "optimal": _optimal(best), "mappings": given,
            })  # fmt: skip
            if best.interrupted:
                break
    return rows


def _label(text: str) -> str:
    return Path(text).name if is_file(text) else text


def _costs(
    chosen: list[tuple[Layer, int]], arch: Architecture, asked: Asked, text: str, heard: exchange.Heard
) -> dict[str, dict[str, Any]]:
    """Return the cost of every layer under one argument's mappings."""
    layers = [layer for layer, _ in chosen]
    given: str | dict[str, Mapping] = text
    try:
        given = exchange.mappings(text, layers, arch, asked.arch, asked.network, heard) or text
        results, _ = nest_cost.nest_costs(chosen, arch, given, asked.rules, check=False)
    except InfeasibleError as error:
        console.say(f"{_label(text)} does not fit {arch.name}:")
        raise InfeasibleError(error.reasons) from None
    return {row["layer"]: row for row in results}


def _value(row: dict[str, Any], objective: Objective) -> float:
    return row[{"edp": "edp", "energy": "energy_pj", "latency": "cycles"}[objective]]


def _row(label: str, cost: dict[str, Any], best: NestResult) -> dict[str, Any]:
    """Return one given mapping; its ratio is to the bound, which is the optimum where that is proved."""
    value = _value(cost, best.objective)
    least = best.value if best.bound is None else best.bound
    ratio = value / least if least else None
    outside = ratio is not None and best.gap == 0 and ratio < 1 - SLACK
    return {
        "file": label, "cycles": cost["cycles"], "energy_pj": cost["energy_pj"], "edp": cost["edp"], "ratio": ratio,
        "outside": outside, "mapping": cost["mapping"],
    }  # fmt: skip


def _optimal(best: NestResult) -> dict[str, Any]:
    data = best.to_dict()
    keys = ("cycles", "energy_pj", "edp", "gap", "optimal", "lower_bound", "evaluated", "seconds", "mapping")
    ratio = None if best.gap is None else 1 + best.gap
    return {**{key: data[key] for key in keys}, "ratio": ratio, "interrupted": best.interrupted}


def show(rows: list[dict[str, Any]], arch: Architecture) -> None:
    """Print a line per layer and mapping, what is proved, and for a single layer the nests."""
    if not rows:
        return
    objective = rows[0]["objective"]
    body = []
    for row in rows:
        for label, each in [(OURS, row["optimal"]), *((one["file"], one) for one in row["mappings"])]:
            body.append([row["layer"], label, each["cycles"], each["energy_pj"], each["edp"], each["ratio"]])
    console.show_table(f"{arch.name}, mode timeloop, ratios of {objective}", KEYS, body)
    proved = sum(row["optimal"]["gap"] == 0 for row in rows)
    rest = "" if proved == len(rows) else "; ratios are to the bound"
    console.show(f"{OURS}: proved for {proved} of {len(rows)} layers{rest}")
    for row in rows:
        for one in row["mappings"]:
            if one["outside"]:
                console.show(f"{row['layer']}: {one['file']} is below the optimum: outside the space (docs/mapping-space.md)")
    if len(rows) == 1:
        (row,) = rows
        for label, each in [(OURS, row["optimal"]), *((one["file"], one) for one in row["mappings"])]:
            console.show(f"\n# {label}\n{Mapping.from_dict(each['mapping'])}")


def only_nests(arch: Architecture | None, text: str) -> Architecture:
    """Return the architecture; refuse what has no loop nests."""
    if arch is None:
        allowed = "an architecture of mode timeloop: a preset, a YAML file with levels, or one of Timeloop or ZigZag"
        raise SpecError("--arch", text, allowed, "see `systolith presets`; `cost` takes mappings of other hardware")
    return arch
