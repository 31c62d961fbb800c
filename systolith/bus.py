"""What users type for the bus of an accelerator: ``native``, or ``axi`` with its options."""

from __future__ import annotations

from typing import Annotated

import typer

from dataflows.axi import AxiOptions
from dataflows.errors import SpecError, suggestion
from systolith.textspec import integer, pairs, split_head

BUSES = ("native", "axi")
BusOption = Annotated[
    str,
    typer.Option(
        "--bus", metavar="BUS", help="native: start, done and a memory port; axi[:queue_depth=8,...]: AXI4-Lite and AXI4."
    ),
]


def axi_options(text: str) -> AxiOptions | None:
    """Read a ``--bus`` argument: None for the native port, otherwise the options of the AXI shell.

    Raises
    ------
    SpecError
        When `text` names no bus, or an option is unknown or out of range.
    """
    head, rest = split_head(text)
    if head not in BUSES:
        raise SpecError("--bus", text, ", ".join(BUSES), suggestion(head, BUSES, "choose one of these"))
    given = pairs(rest, text, AxiOptions.names() if head == "axi" else ())
    if head == "native":
        return None
    return AxiOptions(**{key: integer(value, f"{text}: {key}") for key, value in given.items()})


def axi_for_network(text: str) -> AxiOptions:
    """Read the ``--bus`` argument of a command on a whole network.

    Raises
    ------
    SpecError
        As `axi_options`, and for the native port.
    """
    if (axi := axi_options(text)) is None:
        raise SpecError("--bus", text, "axi, which has the queue that a network needs", "leave --bus out, or give axi:...")
    return axi


def refuse_for_array(axi: AxiOptions | None) -> None:
    """Say that arrays alone have no memory port."""
    if axi is not None:
        raise SpecError(
            "--bus", "axi", "native for an array alone: it has streams", "choose an accelerator such as ws:rows=8,cols=8"
        )
