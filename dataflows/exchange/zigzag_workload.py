"""Workloads of ZigZag: a list of layers, each an equation with loop sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.exchange.roles import Names, Rank, Shape, Space, roles
from dataflows.exchange.source import Place, Reader
from dataflows.exchange.timeloop_problem import Workload
from dataflows.workload import Layer, Network
from dataflows.yaml_lines import Document

_FIELDS = (
    "id", "name", "operator_type", "equation", "dimension_relations", "loop_dims", "loop_sizes", "operand_precision",
    "operand_source", "pr_loop_dims", "pr_loop_sizes", "padding",
)  # fmt: skip
_OTHER = ("Add", "Pooling", "Pool", "MaxPool", "AveragePool", "GlobalAveragePool", "Max", "Mul", "Relu")
"""Operators that are no products of two tensors."""
_TENSOR = r"(\w+)((?:\s*\[\s*\w*\s*\])+)"
_EQUATION = re.compile(rf"\s*{_TENSOR}\s*\+?=\s*{_TENSOR}\s*([*+])\s*{_TENSOR}\s*")
_RELATION = re.compile(r"\s*(\w+)\s*=\s*(?:(\d+)\s*\*\s*)?(\w+)\s*(?:\+\s*(?:(\d+)\s*\*\s*)?(\w+)\s*)?")


def read_workload(document: Document) -> Workload:
    """Read a workload; operators that are no products, such as additions, are left out with a note.

    Raises
    ------
    SpecError
        With file, line and field, for an equation that is no convolution or matrix product, or a file without any.
    """
    read = Reader(document)
    layers: list[Layer] = []
    names: dict[str, Names] = {}
    operators: dict[str, str] = {}
    sources = False
    for at, entry in read.rows(document.data, (), "{operator_type, equation, loop_dims, loop_sizes}"):
        read.unknown(entry, _FIELDS, at)
        kind = str(entry.get("operator_type", ""))
        sources = sources or bool(entry.get("operand_source"))
        name = _name(entry, kind, len(layers), names)
        match = _EQUATION.fullmatch(str(entry.get("equation", "")))
        if kind in _OTHER or (match is not None and match[5] == "+"):
            read.note(at, f"{name}: {kind} left out: nests are of products of two tensors")
            continue
        if match is None:
            allowed = "O[..]+=W[..]*I[..] with an index in each bracket"
            raise read.unsupported((*at, "equation"), entry.get("equation", "nothing"), allowed, "correct the equation")
        layer, found = _layer(read, entry, match, name, at)
        layers.append(layer)
        names[name], operators[name] = found.names, kind
    if not layers:
        raise read.unsupported((), "no convolution or matrix product", "at least one layer of a nest", "add one")
    if sources:
        read.note((), "not understood: operand_source; layers are costed one by one")
    stem = Path(document.path).stem
    network = Network(stem, tuple(layers), sum(layer.parameters for layer in layers), document.path)
    return Workload(network, names, tuple(read.notes), operators)


def _name(entry: dict[str, Any], kind: str, number: int, taken: Mapping[str, Any]) -> str:
    wanted = str(entry.get("name") or f"{kind or 'layer'}_{entry.get('id', number)}")
    found, count = wanted, 1
    while found in taken:
        count += 1
        found = f"{wanted}_{count}"
    return found


def _layer(read: Reader, entry: dict[str, Any], match: re.Match[str], name: str, at: Place) -> tuple[Layer, Shape]:
    dims = tuple(str(dim).upper() for dim in read.items(entry.get("loop_dims"), (*at, "loop_dims"), "a list of dimensions"))
    given = read.items(entry.get("loop_sizes"), (*at, "loop_sizes"), "a size per dimension")
    if len(given) != len(dims):
        raise read.unsupported((*at, "loop_sizes"), f"{len(given)} sizes", f"{len(dims)}, one per dimension", "correct the list")
    sizes = {dim: read.whole(size, (*at, "loop_sizes", i)) for i, (dim, size) in enumerate(zip(dims, given, strict=True))}
    relations = _relations(read, entry, dims, at)
    spaces = [_space(read, match[i], match[i + 1], dims, relations, (*at, "equation")) for i in (1, 3, 6)]
    shape = roles(spaces[0], (spaces[1], spaces[2]), dims)
    extents = {shape.names.dims[dim]: size for dim, size in sizes.items()}
    more: dict[str, Any] = {**dict.fromkeys("KCPQ", 1), **extents, **_precision(read, entry, at)}
    moves: dict[str, Any] = {"stride": shape.stride, "dilation": shape.dilation}
    try:
        return Layer(name, **moves, **more, **_borders(read, entry, relations, shape, at)), shape
    except SpecError as error:
        if not any(key in error.path for key in (".H", ".W")):
            raise SpecError(read.document.where(*at), error.found, error.allowed, error.fix) from None
        read.note(at, f"{name}: pr_loop_sizes and padding do not make {sizes}; not understood")
        return Layer(name, **moves, **more), shape


def _relations(read: Reader, entry: dict[str, Any], dims: tuple[str, ...], at: Place) -> dict[str, Rank]:
    found: dict[str, Rank] = {}
    where = (*at, "dimension_relations")
    for number, text in enumerate(read.items(entry.get("dimension_relations") or [], where, "a list such as [ix=2*ox+1*fx]")):
        match = _RELATION.fullmatch(str(text))
        terms = [] if match is None else [(match[3], match[2]), *([(match[5], match[4])] if match[5] else [])]
        if match is None or any(dim.upper() not in dims for dim, _ in terms):
            raise read.unsupported((*where, number), text, "a sum such as ix=2*ox+1*fx of loop dimensions", "correct it")
        found[match[1].upper()] = tuple((dim.upper(), int(factor or 1)) for dim, factor in terms)
    return found


def _space(read: Reader, name: str, indices: str, dims: tuple[str, ...], relations: dict[str, Rank], at: Place) -> Space:
    ranks = []
    for index in re.findall(r"\[\s*(\w*)\s*\]", indices):
        upper = index.upper()
        if not index:
            continue
        if upper in relations:
            ranks.append(relations[upper])
        elif upper in dims:
            ranks.append(((upper, 1),))
        else:
            raise read.unsupported(at, index, f"one of {', '.join((*dims, *relations))}", "add a relation or a loop dimension")
    return Space(name, tuple(ranks), read.document.where(*at))


def _precision(read: Reader, entry: dict[str, Any], at: Place) -> dict[str, int]:
    """Return operand widths; the width of partial sums belongs to the architecture here."""
    where = (*at, "operand_precision")
    given = read.table(entry.get("operand_precision") or {}, where, "bits per operand")
    read.unknown(given, ("W", "I", "O", "O_final"), where)
    fields = {"W": "weight_bits", "I": "input_bits", "O_final": "output_bits"}
    found = {field: read.whole(given[key], (*where, key)) for key, field in fields.items() if key in given}
    if "O" in given and "O_final" in given and given["O"] != given["O_final"]:
        read.note((*where, "O"), f"partial sums of {given['O']} bits: not taken over; psum_bits of an architecture says this")
    if "O" in given and "O_final" not in given:
        found["output_bits"] = read.whole(given["O"], (*where, "O"))
    return found


def _borders(read: Reader, entry: dict[str, Any], relations: dict[str, Rank], shape: Shape, at: Place) -> dict[str, Any]:
    """Return input size and padding, where both are given for rows and columns."""
    lists = {key: read.items(entry.get(key) or [], (*at, key), "a list") for key in ("pr_loop_dims", "pr_loop_sizes", "padding")}
    named = [str(dim).upper() for dim in lists["pr_loop_dims"]]
    sizes, padding = lists["pr_loop_sizes"], lists["padding"]
    if len(sizes) != len(named) or len(padding) != len(named):
        return {}
    found = {"H": 0, "W": 0}
    pad = [0, 0, 0, 0]
    for number, dim in enumerate(named):
        letters = {shape.names.dims.get(one) for one, _ in relations.get(dim, ())}
        axis = 0 if letters & {"P", "R"} else 1
        found["HW"[axis]] = read.whole(sizes[number], (*at, "pr_loop_sizes", number))
        where = (*at, "padding", number)
        sides = [int(read.number(side, where)) for side in read.items(padding[number], where, "the two sides, such as [1, 1]")]
        if len(sides) != 2:
            raise read.unsupported(where, f"{len(sides)} sides", "two, such as [1, 1]", "correct the list")
        pad[axis], pad[axis + 2] = sides
    return {**found, "padding": tuple(pad)}
