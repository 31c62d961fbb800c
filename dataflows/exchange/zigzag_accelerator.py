"""Accelerators of ZigZag: memories, innermost first, around an operational array.

A memory serves the multipliers along its `served_dimensions`: along the others of the array there is one instance per
position. What lies between a memory and the next inner one is therefore the difference of what they serve.
"""

from __future__ import annotations

from typing import Any

from dataflows.exchange.machine import Machine, Spot, build, renamed
from dataflows.exchange.source import Place, Reader
from dataflows.exchange.zigzag_ports import ports_of
from dataflows.mapping import AXES
from dataflows.nest.rules import TENSORS
from dataflows.yaml_lines import Document

OPERANDS = {"I1": "inputs", "I2": "weights", "O": "outputs"}
"""What the operands of a memory are, by the links of ZigZag's own mappings: I to I1, W to I2."""
_TOP = ("name", "memories", "operational_array", "multipliers", "dataflows")
_MEMORY = (
    "size", "r_cost", "w_cost", "area", "latency", "mem_type", "auto_cost_extraction", "operands", "ports",
    "served_dimensions", "r_bw", "w_bw", "r_port", "w_port", "rw_port", "min_r_granularity", "min_w_granularity",
)  # fmt: skip
_ARRAY = (
    "input_precision", "unit_energy", "multiplier_energy", "unit_area", "multiplier_area", "dimensions", "sizes", "is_imc",
    "imc_type", "adc_resolution", "bit_serial_precision",
)  # fmt: skip


def read_accelerator(document: Document) -> Machine:
    """Read an accelerator.

    Raises
    ------
    SpecError
        With file, line and field: in-memory computing, costs left to CACTI, or memories that serve crosswise (one along D1,
        another along D2), which no hierarchy of levels has.
    """
    read, data = Reader(document), document.data
    read.unknown(data, _TOP, ())
    key = "operational_array" if "operational_array" in data else "multipliers"
    dims = _array(read, data[key], (key,))
    memories = read.table(data["memories"], ("memories",), "memories by name")
    names = list(memories)[::-1]
    served = {name: _served(read, memories[name], dims, ("memories", name)) for name in names}
    names.sort(key=lambda name: -len(served[name]))  # stable: memories that serve the same keep their order
    levels, places, spots = [], [], {}
    for number, name in enumerate(names):
        inner = served[names[number + 1]] if number + 1 < len(names) else frozenset()
        if not inner <= served[name]:
            other = names[number + 1]
            found = f"{name} serves {_list(served[name])}, {other} serves {_list(inner)}"
            allowed = "memories whose served_dimensions contain those of the inner ones"
            raise read.unsupported(("memories", other, "served_dimensions"), found, allowed, "serve all dimensions, or none")
        entry = _level(read, name, read.table(memories[name], ("memories", name), "a memory"), ("memories", name))
        between = [dim for dim in dims if dim in served[name] - inner]
        axes = _axes(read, between, dims, ("memories", name))
        spots |= {dim: Spot(entry["name"], axis) for dim, axis in axes.items()}
        entry["fanout"] = {"axes": [{"name": axis, "size": dims[dim]} for dim, axis in axes.items()]}
        levels.append(entry)
        places.append(("memories", name))
    _outermost(read, names, served, dims, levels)
    _chains(read, levels)
    array = data[key]
    energy = array.get("unit_energy", array.get("multiplier_energy"))
    if energy is None:
        raise read.unsupported((key, "unit_energy"), "nothing", "pJ of one multiply-accumulate", "add it")
    whole = {
        "name": str(data.get("name") or "accelerator"),
        "levels": levels,
        "mac_pj": read.number(energy, (key, "unit_energy")),
    }
    return Machine(build(read, whole, places), spots, tuple(read.notes))


def _array(read: Reader, data: Any, at: Place) -> dict[str, int]:
    array = read.table(data, at, "dimensions and sizes")
    read.unknown(array, _ARRAY, at)
    if array.get("is_imc") or array.get("imc_type"):
        raise read.unsupported((*at, "is_imc"), "in-memory computing", "an array of multipliers", "give unit_energy instead")
    for name in ("unit_area", "multiplier_area", "input_precision"):
        if name in array:
            read.note((*at, name), f"not understood: {name}")
    names = [str(name) for name in read.items(array.get("dimensions"), (*at, "dimensions"), "a list such as [D1, D2]")]
    sizes = read.items(array.get("sizes"), (*at, "sizes"), "a size per dimension")
    if len(sizes) != len(names):
        raise read.unsupported((*at, "sizes"), f"{len(sizes)} sizes", f"{len(names)}, one per dimension", "correct the list")
    return {name: read.whole(size, (*at, "sizes", i)) for i, (name, size) in enumerate(zip(names, sizes, strict=True))}


def _served(read: Reader, data: Any, dims: dict[str, int], at: Place) -> frozenset[str]:
    given = read.table(data, at, "a memory").get("served_dimensions")
    found = read.items([] if given is None else given, (*at, "served_dimensions"), "a list such as [D1, D2]")
    for number, name in enumerate(found):
        read.word(name, (*at, "served_dimensions", number), dims)
    return frozenset(map(str, found))


def _outermost(
    read: Reader, names: list[str], served: dict[str, frozenset[str]], dims: dict[str, int], levels: list[dict[str, Any]]
) -> None:
    if served[names[0]] != set(dims):
        missing = _list(frozenset(dims) - served[names[0]])
        raise read.unsupported(
            ("memories", names[0], "served_dimensions"), f"no {missing}", "all dimensions", "one outermost memory"
        )
    if set(levels[0]["holds"]) != set(TENSORS):
        raise read.unsupported(("memories", names[0], "operands"), levels[0]["holds"], "I1, I2 and O", "the outermost has all")


def _level(read: Reader, name: str, data: dict[str, Any], at: Place) -> dict[str, Any]:
    """Return a level in our YAML form, without the array below it."""
    read.unknown(data, _MEMORY, at)
    held = []
    for number, operand in enumerate(read.items(data.get("operands"), (*at, "operands"), "a list of I1, I2 and O")):
        held.append(OPERANDS[read.word(operand, (*at, "operands", number), OPERANDS)])
    for key in ("r_cost", "w_cost"):
        if data.get(key) is None:
            found = "auto_cost_extraction" if data.get("auto_cost_extraction") else "nothing"
            raise read.unsupported((*at, key), found, "a number: pJ of an access", f"add {key}; CACTI is not called")
    for key in ("area", "latency", "mem_type"):
        if data.get(key) not in (None, 0, "sram", 1):
            read.note((*at, key), f"not understood: {key}")
    ports = ports_of(read, data, at)
    costs = read.number(data["r_cost"], (*at, "r_cost")), read.number(data["w_cost"], (*at, "w_cost"))
    return {
        "name": renamed(read, name, at),
        "holds": sorted(held, key=TENSORS.index),
        "word_bits": "layer",
        "row_bits": 1,  # energy and time in proportion to the bits
        "capacity_bits": read.whole(data.get("size"), (*at, "size")),
        "read_pj": costs[0] / ports.read_width,
        "write_pj": costs[1] / ports.write_width,
        **ports.rates,
    }


def _axes(read: Reader, between: list[str], dims: dict[str, int], at: Place) -> dict[str, str]:
    """Name the directions below a level: D1 lies along rows and D2 along columns, where both are free."""
    if len(between) > len(AXES):
        raise read.unsupported(
            (*at, "served_dimensions"), _list(frozenset(between)), "at most three between memories", "merge two"
        )
    order, found = list(dims), {}
    for dim in between:
        wanted = AXES[order.index(dim) % len(AXES)]
        found[dim] = wanted if wanted not in found.values() else next(axis for axis in AXES if axis not in found.values())
    return found


def _chains(read: Reader, levels: list[dict[str, Any]]) -> None:
    """Raise for a multiplier operand that no memory inside the outermost could give or take; note what reads from outside."""
    for tensor, operand in zip(TENSORS, ("I2", "I1", "O"), strict=True):
        if not any(tensor in level["holds"] for level in levels[1:]):
            read.note(("memories",), f"{operand} is held by {levels[0]['name']} alone: the multipliers reach out to it")


def _list(names: frozenset[str]) -> str:
    return "[" + ", ".join(sorted(names)) + "]"
