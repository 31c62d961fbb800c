"""``cost`` in mode ``timeloop``: mappings on architectures of any depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dataflows.compact import is_compact
from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.floors import with_floors
from dataflows.mapping import Level, Mapping, uncommented
from dataflows.nest.architecture import Architecture
from dataflows.nest.cost import NestCost, evaluate
from dataflows.nest.limits import effort
from dataflows.nest.nest import spelled_out
from dataflows.nest.rules import Rules
from dataflows.nest.text import parse_compact
from dataflows.workload import Layer
from systolith import console, pictures
from systolith.mapping_file import mapping_text, nests, only

KEYS = ("layer", "count", "cycles", "floor_cycles", "energy_pj", "edp", "utilization", "bound")


def nest_costs(
    layers: list[tuple[Layer, int]], arch: Architecture, argument: str | dict[str, Mapping], rules: Rules, *, check: bool
) -> tuple[list[dict[str, Any]], dict[str, Mapping]]:
    """Cost every layer.

    Parameters
    ----------
    layers : list of (Layer, int)
        Layers and how often each occurs.
    argument : str or dict
        What the user gave as the mapping: a file or the text itself; or the mapping of every layer by name.
    check : bool
        Walk every nest too.

    Returns
    -------
    list of dict, dict
        The JSON form of every cost, and the mappings by layer name.

    Raises
    ------
    InfeasibleError
        With the reasons of every layer whose mapping does not fit.
    """
    found = argument if isinstance(argument, dict) else read(argument, [layer for layer, _ in layers], arch)
    results: list[dict[str, Any]] = []
    reasons: list[Infeasible] = []
    with console.progress("cost") as tick:
        for done, (layer, number) in enumerate(layers):
            tick(done, len(layers), layer.name)
            try:
                row = _one(layer, arch, found[layer.name], rules, check).to_dict()
                row = with_floors(layer, arch.pes, row, work=effort(layer, arch).cycles)
                results.append({**row, "count": number, "mapping": _said(found[layer.name], arch).to_dict()})
            except InfeasibleError as error:
                reasons += error.reasons
    if reasons:
        raise InfeasibleError(reasons)
    return results, found


def _one(layer: Layer, arch: Architecture, mapping: Mapping, rules: Rules, check: bool) -> NestCost:
    try:
        return evaluate(layer, arch, mapping, rules, check=check)
    except SpecError as error:
        if error.path.startswith(layer.name):
            raise
        raise SpecError(f"{layer.name}: {error.path}", error.found, error.allowed, error.fix) from None


def _said(mapping: Mapping, arch: Architecture) -> Mapping:
    """Return the mapping as results carry it: every level with its tensors, no loops of one iteration."""
    full = spelled_out(mapping, arch)
    return Mapping(tuple(Level(level.name, tuple(loop for loop in level.loops if loop.extent > 1)) for level in full.levels))


def read(argument: str, layers: list[Layer], arch: Architecture) -> dict[str, Mapping]:
    """Read the mapping of every layer: compact text, a printed nest, YAML, or a list or table of them."""
    names = [level.name for level in arch.levels]
    text, source = mapping_text(argument, names)
    plain = uncommented(text)
    if is_compact(plain, names):
        return {only(layers, source).name: parse_compact(plain, arch, source)}
    return nests(text, source, layers)


def show(results: list[dict[str, Any]], mappings: dict[str, Mapping], arch: Architecture, layers: Iterable[Layer]) -> None:
    """Print a line per layer, and for a single layer its words and energy level by level and the nest."""
    title = f"{arch.name}, mode timeloop"
    console.show_table(title, KEYS, ([row[key] for key in KEYS] for row in results))
    if len(results) > 1:
        return
    (row,) = results
    body = [
        [level, tensor, words["reads"], words["writes"], words["tile_words"], row["energy_by_level"][level][tensor]]
        for level, tensors in row["levels"].items()
        for tensor, words in tensors.items()
    ]
    console.show_table("words", ("level", "tensor", "reads", "writes", "tile", "energy_pj"), body)
    parts = {name: pj for part in ("mac", "network", "leakage") for name, pj in row["energy_by_level"][part].items() if pj}
    console.show("besides: " + ", ".join(f"{name} {pj:.4e} pJ" for name, pj in parts.items()))
    console.show("cycles: " + ", ".join(f"{name} {cycles:,}" for name, cycles in row["cycles_by_limit"].items()) + "\n")
    for drawn in pictures.timeloop(results, layers, mappings, arch):
        pictures.show(drawn)
