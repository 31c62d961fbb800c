"""``report``: the page of a finished exploration, written again from its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflows.errors import SpecError
from systolith import console
from systolith.commands.common import Json, Seed, emit_json

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished exploration.")]


def report(folder: Folder, json: Json = False, seed: Seed = 0) -> None:
    """Write report.html and the CSV files of a finished exploration again, from its result.json."""
    if not folder.is_dir():
        raise SpecError(str(folder), "no such folder", "the -o folder of `systolith explore`", "check the path")
    from dse.report import write_report

    written = [str(path) for path in write_report(folder)]
    if json:
        emit_json({"files": written}, seed)
    else:
        console.show("\n".join(written))
