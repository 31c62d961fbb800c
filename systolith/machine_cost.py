"""``cost`` of published machines in the models of their sources: no mapping is given, the model has its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.machines import MACHINES, Machine, options_of
from dataflows.workload import Network, only_macs
from systolith import console
from systolith.textspec import pairs, split_head

COLUMNS = ("layer", "count", "cycles", "floor_cycles", "utilization", "bound")


@dataclass(frozen=True, slots=True)
class Asked:
    """A published machine with its parameters.

    Attributes
    ----------
    text : str
        As the user wrote it.
    machine : Machine
        The model.
    options : dict
        Its parameters.
    """

    text: str
    machine: Machine
    options: dict[str, Any]

    @property
    def mode(self) -> str:
        """Name of the model."""
        return self.machine.name

    @property
    def columns(self) -> tuple[str, ...]:
        """What a table shows."""
        return (*COLUMNS, *self.machine.columns)


def find(text: str) -> Asked | None:
    """Read an architecture argument such as ``zhang15:tm=64,tn=7``.

    Returns
    -------
    Asked or None
        None when the text names no published machine.

    Raises
    ------
    SpecError
        For unknown, missing or wrong parameters.
    """
    head, rest = split_head(text)
    if head not in MACHINES:
        return None
    machine = MACHINES[head]
    return Asked(text, machine, options_of(machine, pairs(rest, text, machine.options), text))


def machine_costs(network: Network, asked: Asked) -> list[dict[str, Any]]:
    """Return the JSON form of the cost of every distinct layer, with how often it occurs."""
    for layer in network.layers:
        only_macs(layer, asked.machine.name)
    return [{**cost.to_dict(), "count": count} for cost, count in asked.machine.costs(network, asked.options)]


def table(results: list[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """Return the rows of a table: the figures of the source beside cycles."""
    flat = ({**row, **row["figures"]} for row in results)
    return [{key: row[key] for key in asked.columns} for row in flat]


def show(results: list[dict[str, Any]], asked: Asked) -> None:
    """Print a line per layer, and for a single layer all figures, words and energies."""
    body = ([row[key] for key in asked.columns] for row in table(results, asked))
    console.show_table(f"{asked.text}, mode {asked.mode}", asked.columns, body)
    if len(results) > 1:
        return
    (row,) = results
    console.show_table("figures", ("figure", "value"), ([key, value] for key, value in row["figures"].items()))
    moved = [
        [level, tensor, words["reads"], words["writes"]]
        for level, tensors in row["levels"].items()
        for tensor, words in tensors.items()
    ]
    if moved:
        console.show_table("words", ("level", "tensor", "reads", "writes"), moved)
    if row["energy_by_level"]:
        console.show_table(
            "energy in multiply-accumulates", ("of", "energy"), (list(each) for each in row["energy_by_level"].items())
        )
