"""Options and output shared by all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from systolith import console
from systolith.versions import provenance

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, all else on standard error.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")]
Out = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; created if missing.")]
ArchArgument = Annotated[
    str, typer.Argument(metavar="ARCH", help="A preset, ENGINE:key=value,..., a YAML file, or the folder of an exploration.")
]
ArchOption = Annotated[
    str,
    typer.Option("--arch", metavar="ARCH", help="A preset, ENGINE:key=value,..., a YAML file, or the folder of an exploration."),
]
NetworkArgument = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="A preset or .onnx file, optionally :option=value,...; a .yaml or .csv file; or conv:K=64,C=3,...",
    ),
]


def emit_json(data: dict[str, Any] | list[dict[str, Any]], seed: int) -> None:
    """Print a JSON result with its provenance; every object of a list carries it, unless it has a field of its own."""
    extra = provenance(seed)
    rows = [{**extra, **item} for item in (data if isinstance(data, list) else [data])]
    console.show_json(rows if isinstance(data, list) else rows[0])
