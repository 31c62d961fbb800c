"""Mappings of ZigZag: loops over space by dimension of the array, and one order of loops over time.

ZigZag itself decides which loops each memory keeps; files do not say it. Here every memory takes as many of the inner loops as
fit, and no more than any memory further out: levels of one nest contain each other. ZigZag lets every operand of every memory
end at a loop of its own; a memory that could keep more than it does here is noted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataflows.exchange.machine import Machine
from dataflows.exchange.roles import Names
from dataflows.exchange.source import Place, Reader
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.cost import violations
from dataflows.nest.counts import count
from dataflows.nest.nest import bind
from dataflows.nest.rules import Rules
from dataflows.workload import Layer
from dataflows.yaml_lines import Document

_FIELDS = ("name", "spatial_mapping", "temporal_ordering", "memory_operand_links", "core_allocation", "spatial_mapping_hint")
_LINKS = {"O": "O", "W": "I2", "I": "I1"}
_LOOP = re.compile(r"\s*([A-Za-z]+)\s*,\s*(\d+)\s*")
USUAL = {"B": "N", "G": "G", "K": "K", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
"""What dimensions mean where no workload says so."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A layer to be mapped, and where."""

    layer: Layer
    machine: Machine
    dims: dict[str, str]


def read_mapping(
    document: Document, layer: Layer, machine: Machine, names: Names | None = None, kind: str = ""
) -> tuple[Mapping, tuple[str, ...]]:
    """Read the mapping of a layer: the entry of its name, else of its operator, else ``default``.

    Parameters
    ----------
    document : Document
        From `dataflows.exchange.source.recognised`.
    layer, machine : Layer, Machine
        What is mapped, and where.
    names : Names, optional
        What the workload calls dimensions; else `USUAL`.
    kind : str
        Operator of the layer, such as ``Conv``.

    Returns
    -------
    Mapping, tuple of str
        The nest, and what was not understood.

    Raises
    ------
    SpecError
        With file, line and field, for dimensions that there are not, and an entry that leaves the order of loops to a search.
    InfeasibleError
        If the loops over space alone need more than a memory has.
    """
    read = Reader(document)
    dims = {name.upper(): dim for name, dim in names.dims.items()} if names is not None else USUAL
    job = _Job(layer, machine, dims)
    entry, at = _entry(read, document.data, layer.name, kind)
    read.unknown(entry, _FIELDS, at)
    for key in ("spatial_mapping_hint", "core_allocation"):
        if entry.get(key) not in (None, [1], 1):
            read.note((*at, key), f"not understood: {key}")
    links = read.table(entry.get("memory_operand_links") or _LINKS, (*at, "memory_operand_links"), "operands of memories")
    if {key: links.get(key) for key in _LINKS} != _LINKS:
        raise read.unsupported((*at, "memory_operand_links"), links, str(_LINKS), "rename the operands of the memories")
    space = _space(read, entry, at, job)
    time = _time(read, entry, at, job, space)
    mapping, notes = _allocated(job, space, time)
    for name, more in notes:
        read.note(at, f"{name} could keep {more}, but holds what the memories around it hold: one nest for all operands")
    return mapping, tuple(read.notes)


def _entry(read: Reader, data: Any, name: str, kind: str) -> tuple[dict[str, Any], Place]:
    found = {str(entry.get("name")): (entry, at) for at, entry in read.rows(data, (), "{name, spatial_mapping, ...}")}
    for wanted in (name, kind, "default"):
        if wanted in found:
            return found[wanted]
    raise read.unsupported((), f"no entry for {name}", "an entry of its name, of its operator, or default", "add one")


def _dim(read: Reader, name: str, job: _Job, at: Place) -> str:
    if name.upper() not in job.dims:
        raise read.unsupported(at, name, f"the dimensions {', '.join(job.dims)}", "correct the name")
    return job.dims[name.upper()]


def _space(read: Reader, entry: dict[str, Any], at: Place, job: _Job) -> dict[str, list[Loop]]:
    """Return the loops over space, by level; an extent above the layer's size becomes that."""
    at = (*at, "spatial_mapping")
    found: dict[str, list[Loop]] = {}
    if entry.get("spatial_mapping") is None:
        raise read.unsupported(at, "nothing", "the loops of every dimension of the array", 'write for example D1: ["K, 16"]')
    left = {dim: getattr(job.layer, dim) for dim in job.dims.values()}
    for axis, loops in read.table(entry["spatial_mapping"], at, "loops by dimension of the array").items():
        if axis not in job.machine.spots:
            raise read.unsupported((*at, axis), axis, ", ".join(job.machine.spots), "use the dimensions of the accelerator")
        spot = job.machine.spots[axis]
        for number, text in enumerate(read.items(loops, (*at, axis), 'a list such as ["K, 16"]')):
            match = _LOOP.fullmatch(str(text))
            if match is None or int(match[2]) < 1:
                raise read.unsupported((*at, axis, number), text, "a dimension and an extent: K, 16", "correct it")
            dim, extent = _dim(read, match[1], job, (*at, axis, number)), int(match[2])
            if extent > left[dim]:
                read.note((*at, axis, number), f"{match[1]}, {extent}: {job.layer.name} has {left[dim]} left, which is taken")
                extent = left[dim]
            left[dim] = -(-left[dim] // extent)
            if extent > 1:
                found.setdefault(spot.level, []).append(Loop(dim, extent, axis=spot.x))
    return found


def _time(read: Reader, entry: dict[str, Any], at: Place, job: _Job, space: dict[str, list[Loop]]) -> list[Loop]:
    """Return the loops over time, innermost first; ``*`` is what is left of a dimension."""
    at = (*at, "temporal_ordering")
    if not entry.get("temporal_ordering"):
        fix = "write the loops, innermost first; `systolith map` searches them"
        raise read.unsupported(at, "nothing: ZigZag searches it", "the order of all loops over time", fix)
    product: dict[str, int] = dict.fromkeys(job.dims.values(), 1)
    for loops in space.values():
        for loop in loops:
            product[loop.dim] *= loop.extent
    listed: list[tuple[str, int | None]] = []
    for number, row in enumerate(read.items(entry["temporal_ordering"], at, "a list of [dimension, extent]")):
        pair = read.items(row, (*at, number), "a dimension and an extent: [K, 2]")
        if len(pair) != 2:
            raise read.unsupported((*at, number), row, "a dimension and an extent: [K, 2]", "correct it")
        dim = _dim(read, str(pair[0]), job, (*at, number, 0))
        extent = None if pair[1] == "*" else read.whole(pair[1], (*at, number, 1))
        product[dim] *= extent or 1
        listed.append((dim, extent))
    found = []
    for dim, extent in listed:
        rest = -(-getattr(job.layer, dim) // product[dim]) if extent is None else extent
        product[dim] *= rest if extent is None else 1
        if rest > 1:
            found.append(Loop(dim, rest))
    for name, dim in job.dims.items():
        size = getattr(job.layer, dim)
        if product[dim] < size:
            raise read.unsupported(at, f"loops of {name} that multiply to {product[dim]}", f"at least {size}", "add a loop")
        if product[dim] > size:
            read.note(at, f"{name}: loops multiply to {product[dim]}, the size is {size}; the rest is padding")
    return found


def _allocated(job: _Job, space: dict[str, list[Loop]], time: list[Loop]) -> tuple[Mapping, list[tuple[str, str]]]:
    """Give every memory the inner loops that fit; return too which could have kept more."""
    arch = job.machine.architecture
    most = []
    for index in range(len(arch.levels)):
        fits = [number for number in range(len(time) + 1) if not _lacks(job, space, time, index, number)]
        if not fits:
            raise InfeasibleError(_lacks(job, space, time, index, 0))
        run = 0  # the longest run from the innermost loop on
        while run + 1 in fits:
            run += 1
        most.append(len(time) if index == 0 else run)
    ends = [min(most[: index + 1]) for index in range(len(most))]
    notes = []
    for index, level in enumerate(arch.levels):
        if most[index] > ends[index] and _grows(job, space, time, index, ends[index], most[index]):
            more = " ".join(str(loop) for loop in time[ends[index] : most[index]])
            notes.append((level.name, more))
    return _nest(job, space, time, ends), notes


def _nest(job: _Job, space: dict[str, list[Loop]], time: list[Loop], ends: list[int]) -> Mapping:
    """Return the nest where level i holds the loops up to `ends[i]`, counted from the innermost."""
    levels = []
    for index, level in enumerate(job.machine.architecture.levels):
        inner = ends[index + 1] if index + 1 < len(ends) else 0
        loops = time[inner : ends[index]][::-1]
        levels.append(Level(level.name, (*loops, *space.get(level.name, ()))))
    return Mapping(tuple(levels))


def _tiles(job: _Job, space: dict[str, list[Loop]], time: list[Loop], index: int, end: int) -> dict[str, int]:
    ends = [len(time)] * index + [end] * (len(job.machine.architecture.levels) - index)
    ends[0] = len(time)
    nest = bind(job.layer, job.machine.architecture, _nest(job, space, time, ends))
    return count(nest, Rules()).tiles[len(ends) - 1 - index]


def _grows(job: _Job, space: dict[str, list[Loop]], time: list[Loop], index: int, end: int, more: int) -> bool:
    """Whether the tile of a level grows with further loops: loops that it does not hold change nothing."""
    return _tiles(job, space, time, index, end) != _tiles(job, space, time, index, more)


def _lacks(job: _Job, space: dict[str, list[Loop]], time: list[Loop], index: int, end: int) -> list[Infeasible]:
    """Return what a level lacks when it holds so many loops."""
    arch = job.machine.architecture
    ends = [len(time)] * index + [end] * (len(arch.levels) - index)
    ends[0] = len(time)
    nest = bind(job.layer, arch, _nest(job, space, time, ends))
    name = arch.levels[index].name
    return [one for one in violations(nest, count(nest, Rules()), Rules()) if one.level.partition(".")[0] == name]
