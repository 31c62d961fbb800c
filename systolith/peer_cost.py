"""``cost`` in modes ``maestro`` and ``scalesim``: architectures that come with their mapping, costed as those tools do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.exchange.scalesim_cfg import read_cfg
from dataflows.exchange.source import is_scalesim
from dataflows.floors import with_floors
from dataflows.maestro import NAMED, Directives, Machine, MaestroCost, evaluate
from dataflows.nest import scalesim
from dataflows.workload import Layer, Network
from systolith import console, exchange
from systolith.textspec import integer, is_file, pairs, split_head

MODES = ("maestro", "scalesim")
KEYS = {
    "maestro": ("dataflow", "pes", "simd", "noc_bw", "noc_latency", "offchip_bw", "buffering", "mac_pj", "inputs"),
    "scalesim": ("rows", "cols", "dataflow", "config"),
}
NEEDED = {"maestro": ("dataflow", "pes"), "scalesim": ("rows", "cols", "dataflow")}
EXAMPLE = {"maestro": "maestro:dataflow=kcp_ws,pes=256", "scalesim": "scalesim:rows=32,cols=32,dataflow=ws"}
COLUMNS = {
    "maestro": ("layer", "count", "cycles", "floor_cycles", "energy_pj", "table_energy_nj", "utilization", "bound"),
    "scalesim": ("layer", "count", "cycles", "floor_cycles", "folds", "utilization"),
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool and the hardware it is asked about.

    Attributes
    ----------
    text : str
        As the user wrote it.
    mode : str
        One of `MODES`.
    cost : callable
        From a layer, and the layer before it in its network if any, to the JSON form of its cost.
    """

    text: str
    mode: str
    cost: Callable[[Layer, Layer | None], dict[str, Any]]


def find(text: str) -> Peer | None:
    """Read an architecture argument.

    Parameters
    ----------
    text : str
        ``maestro:dataflow=kcp_ws,pes=256,...``, ``scalesim:rows=32,cols=32,dataflow=ws``, ``scalesim:config=FILE.cfg``, or
        the path of such a file.

    Returns
    -------
    Peer or None
        None when the text names something else.

    Raises
    ------
    SpecError
        For unknown, missing or wrong parameters.
    """
    if is_file(text) and is_scalesim(text):
        return _from_cfg(text, {"config": text})
    head, rest = split_head(text)
    if head not in MODES:
        return None
    given = pairs(rest, text, KEYS[head])
    if "config" in given:
        return _from_cfg(text, given)
    for key in NEEDED[head]:
        if key not in given:
            raise SpecError(
                f"{text}: {key}", "nothing", f"all of {', '.join(NEEDED[head])}", f"write for example {EXAMPLE[head]}"
            )
    return Peer(text, head, _maestro(text, given) if head == "maestro" else _scalesim(text, given))


def peer_costs(network: Network, peer: Peer) -> list[dict[str, Any]]:
    """Return the JSON form of the cost of every distinct layer, with how often it occurs."""
    results = []
    before = {layer.name: last for last, layer in zip((None, *network.layers), network.layers, strict=False)}
    layers = network.distinct()
    with console.progress("cost") as tick:
        for done, (layer, number) in enumerate(layers):
            tick(done, len(layers), layer.name)
            results.append({**peer.cost(layer, before[layer.name]), "count": number})
    return results


def show(results: list[dict[str, Any]], peer: Peer) -> None:
    """Print a line per layer, and for a single layer under directives its words level by level."""
    keys = COLUMNS[peer.mode]
    console.show_table(f"{peer.text}, mode {peer.mode}", keys, ([row[key] for key in keys] for row in results))
    if len(results) > 1 or peer.mode != "maestro":
        return
    (row,) = results
    body = [
        [level, tensor, words["reads"], words["writes"], words["tile_words"], row["energy_by_level"][level][tensor]]
        for level, tensors in row["levels"].items()
        for tensor, words in tensors.items()
    ]
    console.show_table("words", ("level", "tensor", "reads", "writes", "tile", "energy_pj"), body)
    console.show("cycles: " + ", ".join(f"{name} {cycles:,}" for name, cycles in row["cycles_by_limit"].items()))
    console.show("reuse: " + ", ".join(f"{name} {factor:.6g}" for name, factor in row["reuse"].items()))
    console.show("buffers: " + ", ".join(f"{name} {words:,} words" for name, words in row["buffer_words"].items()))


def _maestro(text: str, given: dict[str, str]) -> Callable[[Layer, Layer | None], dict[str, Any]]:
    directives = _directives(given.pop("dataflow"), text)
    buffering = given.pop("buffering", "double")
    if buffering not in ("double", "single"):
        raise SpecError(f"{text}: buffering", buffering, "double or single", "choose one of these")
    inputs = given.pop("inputs", "used")
    if inputs not in ("used", "listed"):
        raise SpecError(f"{text}: inputs", inputs, "used or listed", "choose one of these")
    options: dict[str, Any] = {"double_buffered": buffering == "double"}
    if "mac_pj" in given:
        options["mac_pj"] = _number(given.pop("mac_pj"), f"{text}: mac_pj")
    options |= {key: integer(value, f"{text}: {key}") for key, value in given.items()}
    try:
        Machine(**options)
    except SpecError as error:
        raise SpecError(f"{text}: {error.path.removeprefix('maestro.')}", error.found, error.allowed, error.fix) from None

    def one(layer: Layer) -> MaestroCost:
        return evaluate(layer, directives, input_size=(layer.H, layer.W) if inputs == "listed" else None, **options)

    def cost(layer: Layer, before: Layer | None) -> dict[str, Any]:
        row = one(layer).to_dict(one(before) if before else None)
        return {**row, "rules": {**row["rules"], "inputs": inputs}}

    return cost


def _directives(name: str, text: str) -> Directives:
    """Return a known dataflow, or read one from a file."""
    if name in NAMED:
        return NAMED[name]
    path = Path(name)
    if path.is_file():
        try:
            return Directives.parse(path.read_text(encoding="utf-8"), path.name)
        except UnicodeDecodeError:
            raise SpecError(f"{text}: dataflow", name, "a text file", "save it as UTF-8") from None
    known = ", ".join(NAMED) + ", or a file of directives"
    raise SpecError(f"{text}: dataflow", name, known, suggestion(name, NAMED, "choose one of these"))


def _number(value: str, path: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise SpecError(path, value, "a number of pJ", "correct the value") from None


def _from_cfg(text: str, given: dict[str, str]) -> Peer:
    """Take the array from a file of SCALE-Sim; what is given besides goes before it."""
    found = read_cfg(given["config"])
    exchange.say(found.notes)
    base = {"rows": str(found.rows), "cols": str(found.cols), "dataflow": found.dataflow}
    return Peer(text, "scalesim", _scalesim(text, base | {key: value for key, value in given.items() if key != "config"}))


def _scalesim(text: str, given: dict[str, str]) -> Callable[[Layer, Layer | None], dict[str, Any]]:
    rows, cols = (integer(given[key], f"{text}: {key}") for key in ("rows", "cols"))
    dataflow = given["dataflow"]
    if dataflow not in scalesim.SPACE:
        known = ", ".join(scalesim.SPACE)
        raise SpecError(f"{text}: dataflow", dataflow, known, suggestion(dataflow, scalesim.SPACE, "choose one of these"))
    if min(rows, cols) < 1:
        raise SpecError(text, f"{rows} x {cols}", "positive rows and columns", "correct the size")

    def cost(layer: Layer, _: Layer | None) -> dict[str, Any]:
        found = scalesim.cycles(layer, rows, cols, dataflow)
        row = {
            "schema": 1, "layer": layer.name, **found.to_dict(), "bound_cycles": found.cycles, "macs": layer.macs,
            "rules": {"rows": rows, "cols": cols, "dataflow": dataflow}, "technology": None,
        }  # fmt: skip
        return with_floors(layer, rows * cols, row)

    return cost
