"""Layers, architectures and mappings of this suite as Timeloop v0.4 YAML.

What Timeloop has no word for is refused by name where it changes a figure, and noted where it does not.
"""

from __future__ import annotations

from typing import Any

import yaml

from dataflows.errors import SpecError
from dataflows.exchange.timeloop_parts import Part, axes_of, container, parts, targets, wordwise
from dataflows.mapping import Loop, Mapping
from dataflows.nest.architecture import Architecture, StorageLevel
from dataflows.nest.limits import effort
from dataflows.nest.nest import spelled_out
from dataflows.nest.rules import TENSORS, WINDOW
from dataflows.residency import resident
from dataflows.workload import DIMS, Layer, only_macs

SPACES = {"weights": "Weights", "inputs": "Inputs", "outputs": "Outputs"}
_PROJECTIONS: dict[str, list[Any]] = {
    "Weights": [[["G"]], [["K"]], [["C"]], [["R"]], [["S"]]],
    "Inputs": [[["N"]], [["G"]], [["C"]], [["R", "Hdilation"], ["P", "Hstride"]], [["S", "Wdilation"], ["Q", "Wstride"]]],
    "Outputs": [[["N"]], [["G"]], [["K"]], [["P"]], [["Q"]]],
}


class _Node(dict[str, Any]):
    """A mapping with a tag."""

    def __init__(self, tag: str, **fields: Any) -> None:
        super().__init__(fields)
        self.tag = tag


class _Dumper(yaml.SafeDumper):
    """Writes tags, short lists in one line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, node: _Node) -> yaml.Node:
    return dumper.represent_mapping(f"!{node.tag}", node.items())


_Dumper.add_representer(_Node, _represent)


def dump(data: Any) -> str:
    """Return YAML text; what has no list or table inside stands in one line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=130, default_flow_style=None, allow_unicode=True)


def problem(layer: Layer) -> dict[str, Any]:
    """Return a layer as ``problem``; raise `SpecError` for an operation that is no multiply-accumulate."""
    only_macs(layer, "Timeloop")
    moves = {
        "Hstride": layer.stride[0], "Wstride": layer.stride[1], "Hdilation": layer.dilation[0], "Wdilation": layer.dilation[1]
    }  # fmt: skip
    spaces: list[dict[str, Any]] = [{"name": name, "projection": axes} for name, axes in _PROJECTIONS.items()]
    spaces[2]["read_write"] = True
    given = zip(SPACES.values(), (layer.weight_density, layer.input_density, layer.output_density), strict=True)
    densities = {name: {"distribution": "hypergeometric", "density": value} for name, value in given if value != 1}
    return {
        "problem": {
            "version": "0.4",
            "shape": {
                "name": layer.name,
                "dimensions": list(DIMS),
                "coefficients": [{"name": name, "default": value} for name, value in moves.items()],
                "data_spaces": spaces,
            },
            "instance": {
                **{dim: getattr(layer, dim) for dim in DIMS},
                **moves,
                **({"densities": densities} if densities else {}),
            },
        }
    }


def architecture(arch: Architecture, layer: Layer | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return an architecture as ``architecture`` and ``ERT``, and what these do not say.

    Parameters
    ----------
    arch : Architecture
        A level whose tensors differ in width, size or energy becomes one storage for each, in parallel.
    layer : Layer, optional
        Gives the widths of words where these follow the layer.

    Raises
    ------
    SpecError
        For what Timeloop has no word for: rows of several words, compressed formats, datapaths, links, energies of
        networks, single buffering, a port or a capacity that tensors of different widths share.
    """
    arch = wordwise(arch, layer)
    compute = _compute(arch, layer)
    nodes: list[_Node] = [_Node("Container", name="system", attributes=_clock(arch))]
    tables: list[dict[str, Any]] = []
    for index, level in enumerate(arch.levels):
        found = parts(level, arch, layer)
        made = [_component(part, level, index) for part in found]
        nodes.append(made[0] if len(made) == 1 else _Node("Parallel", nodes=made))
        tables += [_table(part, level) for part in found]
        nodes += _containers(level)
    mac = "mac" if all(level.name != "mac" for level in arch.levels) else "mac_unit"
    nodes.append(_Node("Component", **{"name": mac, "class": "intmac", "attributes": {"datawidth": 8}}))
    actions = [{"name": "compute", "energy": compute}, {"name": "leak", "energy": arch.leakage_pj / arch.pes}]
    tables.append({"name": f"system.{mac}", "actions": actions})
    data = {"architecture": {"version": "0.4", "nodes": nodes}, "ERT": {"version": "0.4", "tables": tables}}
    return data, _unsaid(arch)


def _compute(arch: Architecture, layer: Layer | None) -> float:
    """Return the energy of a multiply-accumulate at the layer's widths; Timeloop's multipliers have one of their own."""
    path = arch.datapath
    if path is None:
        return arch.mac_pj
    if path.gate or path.skip or layer is None:
        raise _cannot(f"{arch.name}.datapath", str(path.to_dict()), "multipliers that treat all operands alike")
    takes = effort(layer, arch)
    if takes.cycles != 1:
        raise _cannot(f"{arch.name}.datapath", f"{takes.cycles} cycles per multiply-accumulate", "one cycle")
    return arch.mac_pj * takes.energy


def _clock(arch: Architecture) -> dict[str, Any]:
    return {} if arch.clock_mhz is None else {"global_cycle_seconds": 1e-6 / arch.clock_mhz}


def _unsaid(arch: Architecture) -> tuple[str, ...]:
    """Return what changes no figure of mode timeloop under its default rules, and is not written."""
    found = []
    if arch.psum_bits is not None:
        found.append(f"{arch.name}: psum_bits is not written; it counts under psums=strict only")
    if arch.datapath is not None:
        found.append(f"{arch.name}: datapath is not written; its energy is that of this layer's widths")
    if arch.area_um2 is not None:
        found.append(f"{arch.name}: area_um2 is not written")
    if any(level.fanout.skew != "none" for level in arch.levels):
        found.append(f"{arch.name}: skew is not written; it counts under ramp=once only")
    return tuple(found)


def _component(part: Part, level: StorageLevel, index: int) -> _Node:
    kind = "DRAM" if index == 0 else "SRAM" if part.bits is None or part.bits > 384 else "regfile"
    about: dict[str, Any] = {"datawidth": part.word, "width": part.word * level.block_words}
    if part.bits is not None:
        if part.bits // (part.word * level.block_words) == 0:
            raise _cannot(f"{level.name}.capacity_bits", part.bits, f"at least an access of {part.word * level.block_words} bits")
        about["depth"] = part.bits // (part.word * level.block_words)
    ports = {
        "read_bandwidth": level.read_bandwidth,
        "write_bandwidth": level.write_bandwidth,
        "shared_bandwidth": level.bandwidth,
    }
    about |= {name: value for name, value in ports.items() if value is not None}
    if level.buffering == "double":
        about["multiple_buffering"] = 2
    keep = {"keep": [SPACES[tensor] for tensor in part.tensors]}
    gone = [SPACES[tensor] for tensor in TENSORS if tensor not in part.tensors]
    limits = {"dataspace": {**keep, "bypass": gone}} if gone else {}
    more = {"constraints": limits} if limits else {}
    return _Node("Component", **{"name": part.name, "class": kind, "attributes": about, **more})


def _table(part: Part, level: StorageLevel) -> dict[str, Any]:
    at = TENSORS.index(part.tensors[0]) if part.tensors else 0
    write, block = level.write_pj[at], level.block_words
    actions = {"read": level.read_pj[at], "write": write, "update": write, "leak": 0.0}
    return {"name": f"system.{part.name}", "actions": [{"name": key, "energy": pj * block} for key, pj in actions.items()]}


def _containers(level: StorageLevel) -> list[_Node]:
    """Return one container per axis, so that each has its own limits."""
    found = []
    for axis, mesh in axes_of(level):
        limits: dict[str, Any] = {}
        fixed = [f"{dim}=1" for dim in DIMS if dim not in axis.dims]
        if fixed:
            limits["factors"] = fixed
        lone = [] if level.fanout.multicast else ["Weights", "Inputs"]
        lone += [] if level.fanout.reduction else ["Outputs"]
        if lone:
            limits["no_reuse"] = lone
        more = {"constraints": {"spatial": limits}} if limits else {}
        found.append(_Node("Container", **{"name": container(level, axis), "spatial": {mesh: axis.size}, **more}))
    return found


def mapping(nest: Mapping, arch: Architecture, layer: Layer | None = None) -> dict[str, Any]:
    """Return a mapping as ``mapping``: directives from the outermost level on, for the export of the same architecture.

    Raises
    ------
    SpecError
        If a level has two loops over one dimension that are not the same as one: others between, or a window that slides along
        the inner one only.
    """
    directives: list[dict[str, Any]] = []
    arch = wordwise(arch, layer)
    for level, mapped in zip(arch.levels, spelled_out(nest, arch).levels, strict=True):
        said = resident(mapped.name)
        held = said.of(level.holds) if said is not None else level.holds
        found = targets(level, arch, layer)
        for number, part in enumerate(found):
            loops = [loop for loop in mapped.loops if loop.axis is None] if number == len(found) - 1 else []
            directives.append({"target": part.name, "type": "temporal", **_loops(loops, level.name)})
            keep = [SPACES[tensor] for tensor in TENSORS if tensor in held & set(part.tensors)]
            gone = [SPACES[tensor] for tensor in TENSORS if tensor not in held & set(part.tensors)]
            directives.append({"target": part.name, "type": "dataspace", "keep": keep, "bypass": gone})
        for axis, mesh in axes_of(level):
            spread = _loops([loop for loop in mapped.loops if loop.axis == axis.name], f"{level.name} {axis.name}")
            split = len(DIMS) if mesh == "meshX" else 0
            directives.append({"target": container(level, axis), "type": "spatial", "split": split, **spread})
    return {"mapping": directives}


def _loops(loops: list[Loop], where: str) -> dict[str, Any]:
    """Return factors of all dimensions and their order, innermost first."""
    sizes: dict[str, int] = dict.fromkeys(DIMS, 1)
    order: list[str] = []
    last = ""
    for loop in reversed(loops):
        if loop.extent == 1:
            continue
        if loop.dim in order and loop.axis is None and (loop.dim != last or loop.dim in WINDOW):
            raise _cannot(where, f"two loops over {loop.dim}", "one loop per dimension and level")
        if loop.dim not in order:
            order.append(loop.dim)
        sizes[loop.dim], last = sizes[loop.dim] * loop.extent, loop.dim
    order += [dim for dim in DIMS if dim not in order]
    return {"factors": " ".join(f"{dim}={sizes[dim]}" for dim in DIMS), "permutation": "".join(order)}


def _cannot(where: str, found: object, allowed: str) -> SpecError:
    return SpecError(where, found, f"what Timeloop can say: {allowed}", "change it, or keep this suite's own form")
