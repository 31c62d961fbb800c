"""Mappings of Timeloop v0.4: directives per level as one of our loop nests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dataflows.exchange.machine import Machine, Spot, level_name
from dataflows.exchange.roles import Names, tensor_of
from dataflows.exchange.source import Place, Reader
from dataflows.exchange.timeloop_text import Factor, factors, permutation
from dataflows.mapping import Level, Loop, Mapping
from dataflows.residency import letters
from dataflows.workload import DIMS, Layer
from dataflows.yaml_lines import Document

_TYPES = ("temporal", "spatial", "bypass", "dataspace", "datatype")
_FIELDS = {
    "temporal": ("target", "type", "factors", "permutation"),
    "spatial": ("target", "type", "factors", "permutation", "split"),
    "bypass": ("target", "type", "keep", "bypass"),
}
_HARMLESS = ("no_link_transfer", "no_coalesce", "remainders")
USUAL = {"N": "N", "G": "G", "M": "K", "K": "K", "C": "C", "P": "P", "Q": "Q", "R": "R", "S": "S"}
"""What dimensions of a mapping mean where no problem says so; only M and K are two names of one."""


@dataclass(slots=True)
class _Found:
    """What the directives said so far, by level."""

    time: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    space: dict[str, list[Loop]] = field(default_factory=dict)
    holds: dict[str, frozenset[str]] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class _Rest:
    """Factors of 0, which stand for the rest, and the product of all others."""

    product: dict[str, int] = field(default_factory=dict)
    open: dict[str, Place] = field(default_factory=dict)


def read_mapping(
    document: Document, layer: Layer, machine: Machine, names: Names | None = None
) -> tuple[Mapping, tuple[str, ...]]:
    """Read the ``mapping`` of a file.

    Parameters
    ----------
    document : Document
        From `dataflows.exchange.source.recognised`.
    layer, machine : Layer, Machine
        What is mapped, and where: targets are levels and containers of the machine.
    names : Names, optional
        What the problem calls dimensions and data spaces; else `USUAL`.

    Returns
    -------
    Mapping, tuple of str
        The nest, every level with the tensors that stay there, and what was not understood.

    Raises
    ------
    SpecError
        With file, line and field, for targets and dimensions that there are not, and for factors that do not cover the layer.
    """
    read, data = Reader(document), document.data["mapping"]
    at: Place = ("mapping",)
    if isinstance(data, dict):
        if data.get("type") or "nodes" in data:
            raise read.unsupported(
                at, f"a tree of nodes ({data.get('type', 'fused')})", "a list of directives", "export it as one"
            )
        raise read.unsupported(at, "a table", "a list of directives {target, type, factors, permutation}", "see docs/exchange.md")
    dims = dict(names.dims) if names is not None else USUAL
    directives = [_checked(read, entry, place) for place, entry in read.rows(data, at, "{target, type, ...}")]
    rest = _rest(read, directives, dims)
    sizes = {name: getattr(layer, dim) for name, dim in dims.items()}
    found = _Found()
    for kind, entry, place in directives:
        if kind == "bypass":
            _residency(read, entry, place, machine, found, names)
        else:
            _loops(read, kind, entry, place, machine, found, dims, sizes, rest)
    _covered(read, found, layer, dims)
    return _assembled(machine, found), tuple(read.notes)


def _checked(read: Reader, entry: dict[str, Any], at: Place) -> tuple[str, dict[str, Any], Place]:
    kind = read.word(entry.get("type"), (*at, "type"), _TYPES)
    kind = kind if kind in _FIELDS else "bypass"
    for key in entry:
        if key in _HARMLESS:
            read.note((*at, key), f"not understood: {key}")
        elif key not in _FIELDS[kind]:
            raise read.unsupported((*at, str(key)), key, ", ".join(_FIELDS[kind]), "remove it, or quote a text with commas")
    return kind, entry, at


def _rest(read: Reader, directives: list[tuple[str, dict[str, Any], Place]], dims: dict[str, str]) -> _Rest:
    """Multiply all factors of every dimension, and find those of 0."""
    rest = _Rest(dict.fromkeys(DIMS, 1))
    for kind, entry, at in directives:
        if kind == "bypass":
            continue
        for factor in factors(read, entry.get("factors") or [], (*at, "factors")):
            dim = _dimension(read, factor.dim, dims, (*at, "factors"))
            if factor.relation != "=":
                found = f"{factor.dim}{factor.relation}{factor.size}"
                raise read.unsupported((*at, "factors"), found, "=", "a mapping has one factor, a constraint has limits")
            if factor.size:
                rest.product[dim] *= factor.size
            elif dim in rest.open:
                raise read.unsupported((*at, "factors"), f"{factor.dim}=0 twice", "the rest at one level", "give one of them")
            else:
                rest.open[dim] = at
    return rest


def _dimension(read: Reader, name: str, dims: dict[str, str], at: Place) -> str:
    if name not in dims:
        raise read.unsupported(at, name, f"the dimensions {', '.join(dims)}", "correct the name, or give the problem it is of")
    return dims[name]


def _loops(
    read: Reader, kind: str, entry: dict[str, Any], at: Place, machine: Machine, found: _Found, dims: dict[str, str],
    sizes: dict[str, int], rest: _Rest,
) -> None:  # fmt: skip
    """Add the loops of one directive."""
    given = factors(read, entry.get("factors") or [], (*at, "factors"))
    loops = {factor.dim: _extent(read, factor, dims, sizes, rest, (*at, "factors")) for factor in given}
    if len(loops) != len(given):
        raise read.unsupported((*at, "factors"), entry["factors"], "each dimension once", "multiply the two factors")
    order = permutation(read, entry.get("permutation") or [], dims, (*at, "permutation"))
    order += [name for name in dims if name in loops and name not in order]
    target = _target(read, str(entry.get("target")), kind, machine, (*at, "target"))
    if (target, kind) in found.seen:
        raise read.unsupported(at, f"{kind} loops of {target} twice", "one directive each", "merge the two")
    found.seen.add((target, kind))
    if kind == "spatial":
        spot = machine.spots[target]
        found.space.setdefault(spot.level, [])
        found.space[spot.level] += _spatial(read, entry, at, spot, [(name, loops.get(name, 1)) for name in order], dims, machine)
        return
    if target in {level.name for level in machine.architecture.levels}:
        found.time[target] = [(dims[name], loops[name]) for name in reversed(order) if loops.get(name, 1) > 1]
    elif any(extent > 1 for extent in loops.values()):
        raise read.unsupported((*at, "factors"), entry["factors"], f"factors of 1: {target} stores nothing", "move the loops")


def _extent(read: Reader, factor: Factor, dims: dict[str, str], sizes: dict[str, int], rest: _Rest, at: Place) -> int:
    if factor.last is not None and factor.last != factor.size:
        read.note(
            at, f"{factor.dim}={factor.size},{factor.last}: an imperfect factor, padded to {factor.size} in every iteration"
        )
    return factor.size or -(-sizes[factor.dim] // rest.product[dims[factor.dim]])


def _target(read: Reader, name: str, kind: str, machine: Machine, at: Place) -> str:
    """Return a level or container; Timeloop calls the array of a container X ``inter_X_spatial`` too."""
    levels = [level.name for level in machine.architecture.levels]
    bare = name.removeprefix("inter_").removesuffix("_spatial")
    for known in (name, level_name(name), bare, level_name(bare)):
        if known in machine.spots or (kind != "spatial" and known in levels):
            return known
    allowed = sorted(machine.spots) if kind == "spatial" else [*levels, *sorted(set(machine.spots) - set(levels))]
    what = "levels and containers with an array" if kind == "spatial" else "levels"
    raise read.unsupported(at, name, f"{what}: {', '.join(allowed) or 'none'}", "correct the target")


def _spatial(
    read: Reader,
    entry: dict[str, Any],
    at: Place,
    spot: Spot,
    order: list[tuple[str, int]],
    dims: dict[str, str],
    machine: Machine,
) -> list[Loop]:
    """Place loops over space: the first `split` of the permutation along X, the others along Y."""
    split = entry.get("split")
    if split is not None:
        split = 0 if split == 0 else read.whole(split, (*at, "split"))
    loops = []
    room = {axis.name: axis for axis in machine.architecture.levels[machine.architecture.index(spot.level)].fanout.axes}
    left = {name: axis.size for name, axis in room.items()}
    for number, (name, extent) in enumerate(order):
        if extent == 1:
            continue
        if len(spot.axes) == 1:
            axis = spot.axes[0]
        elif split is not None:
            axis = spot.x if number < split else spot.y
        else:
            axis = next((one for one in spot.axes if left[one] >= extent and dims[name] in room[one].dims), spot.axes[0])
            read.note(at, f"no split: {name} {extent} lies on {axis}, where there is room")
        if axis is None:
            raise read.unsupported((*at, "split"), split, "a direction that the array has", "correct the split")
        left[axis] //= extent
        loops.append(Loop(dims[name], extent, axis=axis))
    return loops[::-1]


def _residency(read: Reader, entry: dict[str, Any], at: Place, machine: Machine, found: _Found, names: Names | None) -> None:
    target = _target(read, str(entry.get("target")), "bypass", machine, (*at, "target"))
    said: dict[str, frozenset[str]] = {}
    for key in ("keep", "bypass"):
        tensors = []
        for number, name in enumerate(read.items(entry.get(key) or [], (*at, key), "a list of data spaces")):
            tensor = names.tensors.get(str(name)) if names is not None else tensor_of(str(name))
            if tensor is None:
                allowed = ", ".join(names.tensors) if names is not None else "names such as Weights, Inputs and Outputs"
                raise read.unsupported((*at, key, number), name, allowed, "correct the name, or give the problem")
            tensors.append(tensor)
        said[key] = frozenset(tensors)
    if both := said["keep"] & said["bypass"]:
        raise read.unsupported(at, f"{', '.join(sorted(both))} kept and bypassed", "one of the two", "correct the lists")
    level = next((level for level in machine.architecture.levels if level.name == target), None)
    if level is None:
        if said["keep"]:
            raise read.unsupported((*at, "keep"), entry["keep"], f"nothing: {target} stores nothing", "correct the target")
        return
    if more := said["keep"] - level.holds:
        raise read.unsupported(
            (*at, "keep"), ", ".join(sorted(more)), f"what {target} can hold: {', '.join(sorted(level.holds))}", "bypass it there"
        )
    found.holds[target] = level.holds - said["bypass"]


def _covered(read: Reader, found: _Found, layer: Layer, dims: dict[str, str]) -> None:
    """Raise where loops do not cover the layer; note where they pad it."""
    product: dict[str, int] = dict.fromkeys(DIMS, 1)
    for loops in found.time.values():
        for dim, extent in loops:
            product[dim] *= extent
    for loops in found.space.values():
        for loop in loops:
            product[loop.dim] *= loop.extent
    named = {dim: name for name, dim in dims.items()}
    for dim, extent in product.items():
        size = getattr(layer, dim)
        if extent < size:
            raise read.unsupported(
                ("mapping",), f"factors of {named.get(dim, dim)} that multiply to {extent}", f"{size}", "enlarge one"
            )
        if extent > size:
            read.note(
                ("mapping",), f"{named.get(dim, dim)}: factors multiply to {extent}, the size is {size}: the rest is padding"
            )


def _assembled(machine: Machine, found: _Found) -> Mapping:
    levels = []
    for level in machine.architecture.levels:
        loops = tuple(Loop(dim, extent) for dim, extent in found.time.get(level.name, ()))
        held = letters(found.holds.get(level.name, level.holds))
        levels.append(Level(f"{level.name}[{held}]", loops + tuple(found.space.get(level.name, ()))))
    return Mapping(tuple(levels))
