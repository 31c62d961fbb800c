"""Pictures of mappings on the terminal and as a page of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from dataflows.errors import SpecError
from dataflows.picture.model import Picture
from dataflows.picture.text import NARROW, lines
from systolith import console
from systolith.outdir import prepare

if TYPE_CHECKING:
    from dataflows.arch import Accelerator
    from dataflows.mapping import Mapping
    from dataflows.nest.architecture import Architecture
    from dataflows.tiling import Tiling
    from dataflows.workload import Layer
    from systolith.map_charts import Chart

Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write the loop nests and the table as one HTML page.")
]
HEADS = {"energy_pj": "energy, pJ", "edp": "EDP, pJ x cycles", "bound": "bound by", "evaluated": "tilings evaluated"}
STYLES = {
    "head": "bold", "level": "bold cyan", "loop": "", "space": "magenta", "note": "bright_black", "bar": "cyan",
    "empty": "bright_black", "new": "bright_black", "each": "bright_black", "stay": "green", "halo": "green", "cast": "green",
    "sum": "green", "pass": "green", "again": "yellow", "copy": "yellow",
}  # fmt: skip


def show(picture: Picture) -> None:
    """Print a picture to standard output, in colour on a terminal, no wider than it."""
    for pieces in lines(picture, max(NARROW, console.width())):
        text = Text()
        for part, kind in pieces:
            text.append(part, STYLES[kind])
        text.rstrip()
        console.show_styled(text)


def machine(layer: Layer, acc: Accelerator, tiling: Tiling, row: dict[str, Any]) -> Picture:
    """Draw a mapping on our own hardware; see `dataflows.picture.machine`."""
    from dataflows.picture.machine import picture

    return picture(layer, acc, tiling, row)


def timeloop(
    results: list[dict[str, Any]], layers: Iterable[Layer], mappings: dict[str, Mapping], arch: Architecture
) -> list[Picture]:
    """Draw the mappings of costs in mode ``timeloop``; see `dataflows.picture.timeloop`."""
    from dataflows.picture.timeloop import picture

    by_name = {layer.name: layer for layer in layers}
    return [picture(by_name[row["layer"]], arch, mappings[row["layer"]], row) for row in results]


def write(
    path: Path, title: str, keys: Sequence[str], results: Sequence[dict[str, Any]], drawn: Iterable[Picture],
    charts: Iterable[Chart] = (),
) -> None:  # fmt: skip
    """Write the page; the table has one row per result.

    Raises
    ------
    SpecError
        If the file cannot be written.
    """
    from dataflows.picture.html import page

    prepare(path.parent)
    rows = [[console.cell(row[key]) for key in keys] for row in results]
    sources = sorted({str(row["technology"]) for row in results if row.get("technology")})
    note = f"Energy from: {'; '.join(sources)}." if sources else ""
    try:
        heads = [HEADS.get(key, key.replace("_", " ")) for key in keys]
        figures = [(chart.title, chart.svg, chart.caption) for chart in charts]
        path.write_text(page(title, heads, rows, drawn, note, figures), encoding="utf-8")
    except OSError as error:
        raise SpecError("--html", str(path), "a file that can be written", error.strerror or "check the path") from None
    console.say(f"wrote {path}")
