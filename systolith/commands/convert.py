"""``convert``: networks, architectures and mappings from one tool's files to another's."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from systolith import console
from systolith.commands.common import Json, Seed, emit_json
from systolith.outdir import output_folder


class Form(StrEnum):
    """Whose files are written."""

    systolith = "systolith"
    timeloop = "timeloop"


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Problems, architectures and mappings of Timeloop v0.4, workloads, accelerators and mappings of ZigZag, .cfg and "
        ".csv of SCALE-Sim, or files of this suite; told by their content.",
    ),
]
To = Annotated[Form, typer.Option("--to", help="Whose form is written.")]
Network = Annotated[str | None, typer.Option("--network", metavar="NETWORK", help="What a mapping is of, if no file says it.")]
Arch = Annotated[str | None, typer.Option("--arch", metavar="ARCH", help="What a mapping is for, if no file says it.")]
LayerName = Annotated[str | None, typer.Option("--layer", metavar="NAME", help="Only this layer.")]
Folder = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the files; without it they are printed.")]


def convert(
    files: Files, to: To, network: Network = None, arch: Arch = None, layer: LayerName = None, output: Folder = None,
    json: Json = False, seed: Seed = 0,
) -> None:  # fmt: skip
    """Turn files of Timeloop, ZigZag and SCALE-Sim into this suite's, and this suite's into Timeloop's."""
    from systolith import conversion

    notes: list[str] = []
    given = conversion.gather(files, network, arch, layer, notes)
    texts, more = conversion.texts(given, to.value)
    for note in more:
        console.say(f"note: {note}")
    notes += more
    if output is not None:
        with output_folder(output) as made:
            made.update(texts)
    if json:
        emit_json({"files": texts, "not_understood": notes}, seed)
        return
    for name, text in texts.items():
        if output is not None:
            console.show(str(output / name))
        else:
            console.show(f"# {name}\n{text}")
