"""Architectures of Timeloop v0.4: containers, components and their energies (``ERT``) as levels with arrays between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dataflows.exchange.machine import Machine, Spot, X, Y, build, renamed, technology
from dataflows.exchange.roles import Names, ours, tensor_of
from dataflows.exchange.source import Place, Reader
from dataflows.exchange.timeloop_storage import COMPUTE, NETWORK, STORAGE, entry_of, kept
from dataflows.exchange.timeloop_tables import Tables, read_tables
from dataflows.nest.rules import TENSORS
from dataflows.workload import DIMS
from dataflows.yaml_lines import TAG, Document

_NODE = ("name", "class", "attributes", "spatial", "constraints", "nodes", "enabled", "subclass", "required_actions")
_ONES = ("area_scale", "energy_scale")


@dataclass(slots=True)
class _Walk:
    """The state of walking the nodes, outermost first."""

    read: Reader
    names: Names | None
    tables: Tables
    levels: list[dict[str, Any]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    spots: dict[str, Spot] = field(default_factory=dict)
    inherited: dict[str, Any] = field(default_factory=dict)
    mac: str | None = None

    def tensor(self, name: Any, at: Place) -> str:
        """Return our tensor for a data space."""
        found = tensor_of(str(name)) if self.names is None else self.names.tensors.get(str(name), tensor_of(str(name)))
        if found is None:
            allowed = ", ".join(self.names.tensors) if self.names else "names such as Weights, Inputs and Outputs"
            raise self.read.unsupported(at, name, allowed, "give the problem too, which says what it is")
        return found


def read_architecture(document: Document, names: Names | None = None) -> Machine:
    """Read the ``architecture`` of a file, with energies from its ``ERT`` or from a technology table.

    Parameters
    ----------
    document : Document
        From `dataflows.exchange.source.recognised`.
    names : Names, optional
        What the problem calls dimensions and data spaces; else the usual names.

    Raises
    ------
    SpecError
        With file, line and field, for what this suite has not: see docs/exchange.md.
    """
    read, at = Reader(document), ("architecture",)
    top = read.table(document.data["architecture"], at, "an architecture with nodes")
    if "subtree" in top:
        raise read.unsupported((*at, "subtree"), "subtree and local, the form before v0.4", "nodes", "convert it to v0.4")
    read.version(top, at)
    read.unknown(top, ("version", "nodes"), at)
    for key in document.data:
        if key == "sparse_optimizations":
            raise read.unsupported((key,), key, "dense architectures", "state datapath and formats in this suite's own form")
        if key in ("architecture_constraints", "mapspace_constraints", "variables", "components", "compound_components"):
            read.note((key,), f"not understood: {key}")
    walk = _Walk(read, names, read_tables(read))
    _nodes(walk, top.get("nodes"), (*at, "nodes"), parallel=False)
    if not walk.levels or walk.mac is None:
        raise read.unsupported(
            (*at, "nodes"), "no storage" if not walk.levels else "no compute", "storage, and compute last", "add it"
        )
    data: dict[str, Any] = {"name": document.path.rpartition("/")[2].partition(".")[0] or "architecture", "levels": walk.levels}
    data |= _figures(walk, at)
    for level in walk.levels:
        axes = [axis["name"] for axis in level["fanout"]["axes"]]
        if axes:
            walk.spots.setdefault(level["name"], Spot(level["name"], X if X in axes else None, Y if Y in axes else None))
    return Machine(build(read, data, walk.places), walk.spots, tuple(read.notes))


def _figures(walk: _Walk, at: Place) -> dict[str, Any]:
    """Return energies of the whole: multipliers, leakage, clock, and the table that fills in the rest."""
    found: dict[str, Any] = {}
    compute = walk.tables.energy(walk.mac or "", ("compute", "mac_random", "mac"))
    if compute is not None:
        found["mac_pj"] = compute
    counts, instances = {}, 1
    for level, name in zip(walk.levels, walk.called, strict=True):
        counts[name] = instances
        for axis in level["fanout"]["axes"]:
            instances *= axis["size"]
    counts[walk.mac or ""] = instances
    leaks = [n * (walk.tables.energy(name, ("leak",)) or 0.0) for name, n in counts.items()]
    if walk.tables.given:
        found["leakage_pj"] = float(sum(leaks))
    seconds = walk.inherited.get("global_cycle_seconds")
    if seconds is not None:
        found["clock_mhz"] = 1e-6 / walk.read.number(seconds, (*at, "nodes"))
    lacking = compute is None or any("read_pj" not in level or "write_pj" not in level for level in walk.levels)
    if lacking:
        node = walk.inherited.get("technology")
        table = None if node is None else technology(walk.read, node, (*at, "nodes"))
        if table is None:
            raise walk.read.unsupported(
                (*at, "nodes"), "no energies", "an ERT table, or a technology of some nm", "add one of them"
            )
        found["technology"] = table
    return found


def _nodes(walk: _Walk, nodes: Any, at: Place, *, parallel: bool) -> None:
    for number, node in enumerate(walk.read.items(nodes, at, "a list of nodes")):
        _node(walk, walk.read.table(node, (*at, number), "a !Container or !Component"), (*at, number), parallel)


def _node(walk: _Walk, node: dict[str, Any], at: Place, parallel: bool) -> None:
    read, tag = walk.read, node.get(TAG)
    if tag in ("Hierarchical", "Parallel"):
        read.unknown(node, ("nodes",), at)
        if tag == "Hierarchical" and parallel:
            raise read.unsupported(at, "!Hierarchical below !Parallel", "components", "list the components one after another")
        _nodes(walk, node.get("nodes"), (*at, "nodes"), parallel=tag == "Parallel")
        return
    if tag not in ("Container", "Component", "Storage", "Compute", "Nothing"):
        found = f"!{tag}" if tag else "a node without a tag"
        raise read.unsupported(at, found, "!Container, !Component, !Parallel or !Hierarchical", "correct the node")
    if tag == "Nothing" or "nothing" in str(node.get("class", "")):
        return
    if node.get("enabled", True) is not True:
        read.note(at, f"{node.get('name')}: not enabled, left out")
        return
    if "sparse_optimizations" in node:
        raise read.unsupported((*at, "sparse_optimizations"), "sparse_optimizations", "dense components", "remove them")
    read.unknown(node, (*_NODE, *_ONES), at)
    for key in _ONES:
        if node.get(key) not in (None, 1, 1.0):
            raise read.unsupported((*at, key), node[key], "1", "scale the energies of the ERT")
    name = str(node.get("name"))
    if parallel and tag == "Container":
        raise read.unsupported(at, "!Container below !Parallel", "components", "put it before the !Parallel")
    _fan_out(walk, node, name, at, parallel)
    if tag == "Container":
        given = read.table(node.get("attributes") or {}, (*at, "attributes"), "attributes")
        walk.inherited |= given
        if any(key in ("temporal", "dataspace") for key in _constraints(read, node, at)):
            read.note((*at, "constraints"), "not understood: constraints of a container over time or data spaces")
        return
    _component(walk, node, name, at, parallel)


def _component(walk: _Walk, node: dict[str, Any], name: str, at: Place, parallel: bool) -> None:
    read, kind = walk.read, str(node.get("class", ""))
    given = walk.inherited | read.table(node.get("attributes") or {}, (*at, "attributes"), "attributes")
    if walk.mac is not None:
        raise read.unsupported(at, f"{name} after {walk.mac}", "compute last", "reorder the nodes")
    if any(word in kind for word in COMPUTE):
        walk.mac = name
        return
    if any(word in kind for word in NETWORK):
        read.note(at, f"not understood: network {name}; words move at no cost between levels")
        return
    if not any(word in kind for word in STORAGE):
        known = ", ".join((*STORAGE, *COMPUTE, *NETWORK))
        raise read.unsupported((*at, "class"), kind or "nothing", f"a class with one of {known} in its name", "correct it")
    constraints = _constraints(read, node, at)
    for key in constraints:
        if key not in ("dataspace", "spatial"):
            read.note((*at, "constraints", key), f"not understood: constraint {key}; mappers of this suite keep no such limits")
    held = kept(read, constraints.get("dataspace"), (*at, "constraints", "dataspace"), walk.tensor, parallel)
    entry = entry_of(read, name, given, sorted(held, key=TENSORS.index), walk.tables, (*at, "attributes"))
    walk.levels.append({**entry, "name": renamed(read, name, (*at, "name"))})
    walk.called.append(name)
    walk.places.append(at)


def _constraints(read: Reader, node: dict[str, Any], at: Place) -> dict[str, Any]:
    return read.table(node.get("constraints") or {}, (*at, "constraints"), "constraints by kind")


def _fan_out(walk: _Walk, node: dict[str, Any], name: str, at: Place, parallel: bool) -> None:
    """Add the array that begins with a node to the level above it."""
    read = walk.read
    mesh = read.table(node.get("spatial") or {}, (*at, "spatial"), "meshX and meshY")
    read.unknown(mesh, ("meshX", "meshY"), (*at, "spatial"))
    sizes = {axis: read.whole(mesh[key], (*at, "spatial", key)) for key, axis in (("meshX", X), ("meshY", Y)) if key in mesh}
    sizes = {axis: size for axis, size in sizes.items() if size > 1}
    limits = _constraints(read, node, at).get("spatial") or {}
    limits = read.table(limits, (*at, "constraints", "spatial"), "a constraint")
    if not sizes:
        return
    if parallel or not walk.levels:
        where = "below !Parallel" if parallel else "above the outermost storage"
        raise read.unsupported((*at, "spatial"), f"an array {where}", "one instance", "move it to a container further in")
    fan = walk.levels[-1]["fanout"]
    taken = {axis["name"]: axis for axis in fan["axes"]}
    allowed = _allowed(walk, limits, (*at, "constraints", "spatial"))
    named: dict[str, str] = {}
    for axis, size in sizes.items():
        free = next((one for one in (axis, "planes") if one not in taken), None)
        if free is None:
            raise read.unsupported(
                (*at, "spatial"), f"another array along {axis}", "three directions between two levels", "merge two"
            )
        taken[free] = {"name": free, "size": size, "dims": "".join(dim for dim in DIMS if dim in allowed)}
        fan["axes"].append(taken[free])
        named[axis] = free
    walk.spots[name] = Spot(walk.levels[-1]["name"], named.get(X), named.get(Y))
    if limits.get("no_reuse"):
        _no_reuse(walk, limits["no_reuse"], fan, (*at, "constraints", "spatial", "no_reuse"))


def _allowed(walk: _Walk, limits: dict[str, Any], at: Place) -> set[str]:
    """Return the dimensions that an array may unroll: all but those with a factor of 1."""
    from dataflows.exchange.timeloop_text import factors

    for key in limits:
        if key not in ("factors", "no_reuse"):
            walk.read.note((*at, key), f"not understood: constraint {key}; it limits only which mappings Timeloop tries")
    allowed: set[str] = set(DIMS)
    if "factors" not in limits:
        return allowed
    known = walk.names.dims if walk.names else None
    for factor in factors(walk.read, limits["factors"], (*at, "factors")):
        dim = known.get(factor.dim) if known else ours(factor.dim)
        if dim not in DIMS:
            raise walk.read.unsupported((*at, "factors"), factor.dim, ", ".join(known or DIMS), "give the problem too")
        if (factor.relation, factor.size) in (("=", 1), ("<=", 1)):
            allowed.discard(dim)
        else:
            walk.read.note((*at, "factors"), f"not understood: {factor.dim}{factor.relation}{factor.size}; any factor is tried")
    if not allowed:
        raise walk.read.unsupported(
            (*at, "factors"), "every dimension is 1", "at least one dimension to unroll", "remove the array"
        )
    return allowed


def _no_reuse(walk: _Walk, given: Any, fan: dict[str, Any], at: Place) -> None:
    tensors = {walk.tensor(name, at) for name in walk.read.items(given, at, "a list of data spaces")}
    both = {"weights", "inputs"}
    if tensors & both and not both <= tensors:
        raise walk.read.unsupported(at, ", ".join(sorted(tensors)), "weights and inputs together, or neither", "correct the list")
    if both <= tensors:
        fan["multicast"] = False
    if "outputs" in tensors:
        fan["reduction"] = False
