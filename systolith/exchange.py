"""Files of other tools on the command line: told by their content, notes on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataflows.errors import SpecError
from dataflows.exchange import files
from dataflows.exchange.machine import Machine
from dataflows.exchange.machine import machine as own_machine
from dataflows.exchange.roles import Names
from dataflows.exchange.timeloop_problem import Workload
from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture
from dataflows.networks import network as find
from dataflows.workload import Layer, Network
from systolith import console
from systolith.textspec import is_file

Heard = list[str]
"""Notes that a command collects for its JSON output."""


def say(notes: Iterable[str], heard: Heard | None = None) -> None:
    """Print what was not understood."""
    for note in notes:
        console.say(f"note: {note}")
        if heard is not None:
            heard.append(note)


def workload(text: str) -> Workload | None:
    """Read a network argument that is a Timeloop problem or a ZigZag workload; None for others."""
    return files.workload(text) if is_file(text) else None


def network(text: str, heard: Heard | None = None) -> Network:
    """Read a network argument of any kind; what was not understood of a file is printed."""
    found = workload(text)
    if found is None:
        return find(text)
    say(found.notes, heard)
    return found.network


def machine(text: str, names: Names | None = None) -> Machine | None:
    """Read an architecture argument that is a Timeloop architecture or a ZigZag accelerator; None for others."""
    return files.machine(text, names) if is_file(text) else None


def names_of(found: Workload | None) -> Names | None:
    """Return the names of a workload's first layer: what its tool calls data spaces."""
    return next(iter(found.names.values()), None) if found is not None else None


def mappings(
    argument: str, layers: Sequence[Layer], arch: Architecture, arch_text: str, network_text: str, heard: Heard | None = None
) -> dict[str, Mapping] | None:
    """Read a mapping argument that is a file of Timeloop or ZigZag; None for others.

    Parameters
    ----------
    argument : str
        As the user wrote it.
    layers, arch : sequence of Layer, Architecture
        What is mapped, and where.
    arch_text, network_text : str
        The arguments that these come from, for the names in their files.
    heard : list of str, optional
        Takes the notes, too.
    heard : list of str, optional
        Takes the notes, too.
    """
    if not is_file(argument) or files.what(argument) is None:
        return None
    source = workload(network_text)
    on = machine(arch_text, names_of(source)) or own_machine(arch)
    found = files.mappings(argument, layers, on, source)
    if found is None:
        raise SpecError(argument, files.what(argument), "a mapping", "give the file of the mapping")
    say(found[1], heard)
    return found[0]


def refuse(text: str, allowed: str) -> None:
    """Raise for a file of another tool where only `allowed` can be used."""
    held = files.what(text) if is_file(text) else None
    if held is not None:
        raise SpecError(text, held, allowed, "use it with `cost`, or turn it into this suite's form with `convert`")
