"""Any file of another tool, by what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataflows.errors import SpecError
from dataflows.exchange import (
    timeloop_arch,
    timeloop_mapping,
    timeloop_problem,
    zigzag_accelerator,
    zigzag_mapping,
    zigzag_workload,
)
from dataflows.exchange.machine import Machine
from dataflows.exchange.roles import Names
from dataflows.exchange.source import recognised
from dataflows.exchange.timeloop_problem import Workload
from dataflows.mapping import Mapping
from dataflows.workload import Layer

TOOL = {"timeloop": "Timeloop", "zigzag": "ZigZag"}
Mappings = tuple[dict[str, Mapping], tuple[str, ...]]


def workload(path: str | Path) -> Workload | None:
    """Read the problem or workload in a file; None where it holds none of another tool's."""
    found = recognised(path)
    if found is None:
        return None
    document, kinds = found
    if "timeloop problem" in kinds:
        return timeloop_problem.read_problem(document)
    return zigzag_workload.read_workload(document) if "zigzag workload" in kinds else None


def machine(path: str | Path, names: Names | None = None) -> Machine | None:
    """Read the architecture in a file; None where it holds none of another tool's."""
    found = recognised(path)
    if found is None:
        return None
    document, kinds = found
    if "timeloop architecture" in kinds:
        return timeloop_arch.read_architecture(document, names)
    return zigzag_accelerator.read_accelerator(document) if "zigzag accelerator" in kinds else None


def mappings(path: str | Path, layers: Sequence[Layer], on: Machine, of: Workload | None = None) -> Mappings | None:
    """Read the mapping of every layer in a file; None where it holds none of another tool's.

    Parameters
    ----------
    path : str or Path
        The file.
    layers : sequence of Layer
        What is mapped; a Timeloop mapping is of one layer.
    on : Machine
        The architecture, with the names of its directions.
    of : Workload, optional
        Where the layers come from, for their names of dimensions.
    """
    found = recognised(path)
    if found is None or not {"timeloop mapping", "zigzag mapping"} & set(found[1]):
        return None
    document, kinds = found
    names, operators = (of.names, of.operators) if of is not None else ({}, {})
    if "timeloop mapping" in kinds:
        if len(layers) != 1:
            allowed = "one layer, which a Timeloop mapping is of"
            raise SpecError(document.where("mapping"), f"{len(layers)} layers", allowed, "name one of them with --layer")
        nest, notes = timeloop_mapping.read_mapping(document, layers[0], on, names.get(layers[0].name))
        return {layers[0].name: nest}, notes
    nests: dict[str, Mapping] = {}
    notes: tuple[str, ...] = ()
    for layer in layers:
        given = operators.get(layer.name, "")
        nests[layer.name], more = zigzag_mapping.read_mapping(document, layer, on, names.get(layer.name), given)
        notes += tuple(note for note in more if note not in notes)
    return nests, notes


def what(path: str | Path) -> str | None:
    """Return what a file of another tool holds, as text for messages; None for other files."""
    found = recognised(path)
    if found is None:
        return None
    return " and ".join(f"a {TOOL[kind.split()[0]]} {kind.split()[1]}" for kind in found[1])
