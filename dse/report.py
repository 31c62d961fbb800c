"""The report: one self-contained HTML page, and the same numbers as CSV; result.json has them as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.picture.html import fragment
from dataflows.picture.model import Picture
from dataflows.picture.style import STYLE
from dse import charts, files

RESULT = "result.json"
PAGE = "report.html"
LAYER_COLUMNS = (
    "name", "count", "kind", "shape", "macs", "cycles", "bound_cycles", "array_busy", "wait_load", "wait_accumulator", "bus_busy",
    "utilization", "bound", "dram_bytes", "energy_pj", "edp",
)  # fmt: skip
Row = Mapping[str, Any]


def write_report(folder: Path) -> list[Path]:
    """Write report.html, layers.csv, energy.csv and trials.csv from the result.json of a finished exploration.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    SpecError
        No result.json in the folder, or a damaged one.
    """
    result = files.read_json(folder / RESULT)
    try:
        texts = {
            PAGE: page(result),
            "layers.csv": table(LAYER_COLUMNS, result["best"]["layers"]),
            "energy.csv": table(("layer", "count", "level", "operand", "energy_pj"), energy_rows(result)),
            "trials.csv": table(tuple(result["trials"][0]), result["trials"]),
        }
    except (KeyError, IndexError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
        fix = "run the exploration again"
        raise SpecError(str(folder / RESULT), found, "the result of an exploration by this version", fix) from error
    return [files.write(folder / name, text) for name, text in texts.items()]


def page(result: Row) -> str:
    """Return the HTML page."""
    try:
        import jinja2
    except ImportError as error:
        fix = "install it with: pip install 'systolith[dse]'"
        raise SpecError("jinja2", "not installed", "the jinja2 package, for the report", fix) from error
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"n": whole, "g": figure, "pct": percent, "level": lambda name: str(name).replace("_", " ")}
    environment.filters["nest"] = lambda drawn: fragment(Picture.from_dict(drawn), title=False)
    text = (resources("dse") / "templates" / "report.html").read_text(encoding="utf-8")
    data = dict(result)
    pictures = {
        name: getattr(charts, name)(data)
        for name in ("front", "progress", "layer_cycles", "layer_energy", "level_energy", "roofline")
    }
    # "</" inside a script element would end it.
    embedded = json.dumps({key: value for key, value in data.items() if key != "trials"}).replace("</", "<\\/")
    return environment.from_string(text).render(
        r=data, charts=pictures, embedded=embedded, energy=energy_table(data), nest_style=STYLE
    )  # fmt: skip


def energy_rows(result: Row) -> list[dict[str, Any]]:
    """Return one row per layer, level and operand; energy of one occurrence."""
    return [
        {"layer": layer["name"], "count": layer["count"], "level": level, "operand": operand, "energy_pj": energy}
        for layer in result["best"]["layers"]
        for level, operands in layer["energy_by_level_pj"].items()
        for operand, energy in operands.items()
    ]


def energy_table(result: Row) -> dict[str, Any]:
    """Return the network's energy as a table of levels by operands."""
    levels = result["best"]["energy_by_level_pj"]
    operands = [name for name in charts.OPERANDS if any(name in entry for entry in levels.values())]
    return {"operands": operands, "levels": {name: levels[name] for name in charts.LEVELS if name in levels}}


def table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def whole(value: float) -> str:
    """Return an integer with its thousands grouped."""
    return f"{round(value):,}".replace(",", "\u2009")


def figure(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits, large and small ones as powers of ten."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f} %"
