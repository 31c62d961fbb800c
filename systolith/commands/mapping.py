"""``map``: the best mapping of every layer on one accelerator."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dataflows.errors import SpecError
from dataflows.workload import Layer, Network
from systolith.textspec import suggestion

LayerOption = Annotated[str | None, typer.Option("--layer", metavar="NAME", help="Only this layer.")]


class Objective(StrEnum):
    """What a mapping is chosen by."""

    edp = "edp"
    energy = "energy"
    latency = "latency"


def pick(net: Network, name: str | None) -> list[tuple[Layer, int]]:
    """Return the distinct layers of a network with their number, or the one called `name`."""
    if name is None:
        return net.distinct()
    names = [layer.name for layer in net.layers]
    if name not in names:
        raise SpecError("--layer", name, ", ".join(names), suggestion(name, names, f"see `systolith networks {net.name}`"))
    return [(net.layers[names.index(name)], 1)]
