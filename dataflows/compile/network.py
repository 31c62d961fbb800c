"""Compile a graph: a layer program per operation, and a memory map for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions
from dataflows.compile.layout import as_run, check_operands, require_chaining
from dataflows.compile.memory import Activations, Region, place_activations, place_in_order
from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.graph import Graph, GraphOp
from dataflows.program import LayerProgram, Placement, Postprocess, compile_layer, place, table_violations
from dataflows.tiling import Tiling, violations
from dataflows.workload import Layer

MOST_BEATS = 1 << 32


@dataclass(frozen=True, slots=True)
class CompiledOp:
    """One operation, ready to run.

    Attributes
    ----------
    op : GraphOp
        What it computes.
    layer : Layer
        What the accelerator runs (`dataflows.compile.layout.as_run`); `tiling` belongs to it.
    tiling : Tiling
        Its mapping.
    program_at, scales, weights : Region
        Beats of program (and table), scales and weights; no weights where the operation has none.
    program : LayerProgram
        The program.
    """

    op: GraphOp
    layer: Layer
    tiling: Tiling
    program_at: Region
    scales: Region
    weights: Region
    program: LayerProgram

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.op.layer.name


@dataclass(frozen=True, slots=True)
class CompiledNetwork:
    """A network on a design: programs and where everything lies, in beats.

    Attributes
    ----------
    graph : Graph
        The network.
    acc : Accelerator
        The design.
    ops : tuple of CompiledOp
        In the order they run.
    constants : Region
        Programs, scales and weights: what the host loads once.
    activations : Activations
        The rest.
    """

    graph: Graph
    acc: Accelerator
    ops: tuple[CompiledOp, ...]
    constants: Region
    activations: Activations

    @property
    def end(self) -> int:
        """The first beat that is not used."""
        return self.activations.region.end

    @property
    def programs(self) -> list[int]:
        """Beat addresses for the descriptor queue, in order."""
        return [op.program_at.first for op in self.ops]


def layers_to_map(graph: Graph, acc: Accelerator) -> dict[str, Layer]:
    """Return the layer of every operation as the accelerator runs it: `compile_network` wants a tiling for each.

    Raises
    ------
    SpecError
        The design does not chain layers, or computes in other widths.
    """
    require_chaining(acc)
    check_operands(graph, acc)
    names = [op.layer.name for op in graph.ops]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{graph.name}.ops", name, "a name of its own for every operation", "rename one")
    return {op.layer.name: as_run(op.layer, acc) for op in graph.ops}


def compile_network(
    graph: Graph, acc: Accelerator, tilings: Mapping[str, Tiling], *, base: int = 0, keep_all: bool = False
) -> CompiledNetwork:
    """Compile a network.

    Parameters
    ----------
    graph : Graph
        Operations and tensors.
    acc : Accelerator
        A design with as many rows as columns.
    tilings : mapping of str to Tiling
        By operation, for the layers of `layers_to_map`.
    base : int
        First beat to use.
    keep_all : bool
        Give every tensor memory of its own, so that all can be read after a run; otherwise tensors share it.

    Raises
    ------
    SpecError
        The design does not chain layers, computes in other widths, or a field cannot hold a layer.
    InfeasibleError
        With the reasons of every layer that does not fit.
    """
    layers = layers_to_map(graph, acc)
    if not graph.ops:
        raise SpecError(f"{graph.name}.ops", 0, "at least one operation", "name an operation")
    if missing := [name for name in layers if name not in tilings]:
        raise SpecError("tilings", f"none for {', '.join(missing[:5])}", "one for every operation", "map all layers")
    refuse([reason for op in graph.ops for reason in _reasons(op, layers[op.layer.name], acc, tilings[op.layer.name])])
    sizes = {op.layer.name: _sizes(op, layers[op.layer.name], acc, tilings[op.layer.name]) for op in graph.ops}
    placed, at = {}, base
    for part in ("program", "scales", "weights"):
        placed[part], at = place_in_order({name: size[part] for name, size in sizes.items()}, acc, at)
    activations = place_activations(graph, acc, at, keep_all=keep_all)
    if activations.region.end > MOST_BEATS:
        fix = "use a wider bus, a smaller input, or do not keep all tensors"
        raise SpecError(
            f"{graph.name}.memory", activations.region.end, f"at most {MOST_BEATS} beats: addresses have 32 bits", fix
        )
    ops = tuple(_compile(graph, acc, op, layers[op.layer.name], tilings[op.layer.name], placed, activations) for op in graph.ops)
    return CompiledNetwork(graph, acc, ops, Region(base, at - base), activations)


def require_addresses(compiled: CompiledNetwork, axi: AxiOptions, first: int = 0) -> None:
    """Refuse a memory map that ends beyond the byte addresses of the memory port.

    Parameters
    ----------
    first : int
        Byte address of beat 0.

    Raises
    ------
    SpecError
        With the bits that would do, where there can be so many.
    """
    end, reach = first + compiled.end * compiled.acc.memory.bus_bytes, 1 << axi.address_bits
    if end > reach:
        fix = f"use --bus axi:address_bits={(end - 1).bit_length()}, a smaller input, or do not keep all tensors"
        raise SpecError(f"{compiled.graph.name}.memory", f"{end:,} bytes", f"{reach:,}: {axi.address_bits} address bits", fix)


def refuse(reasons: list[Infeasible]) -> None:
    """Raise `InfeasibleError` if there are reasons."""
    if reasons:
        raise InfeasibleError(reasons)


def _reasons(op: GraphOp, layer: Layer, acc: Accelerator, tiling: Tiling) -> list[Infeasible]:
    """Say why an operation does not fit."""
    return violations(layer, acc, tiling) + (table_violations(layer, acc) if op.table else [])


def _sizes(op: GraphOp, layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Beats of an operation's constants."""
    alone = place(layer, acc, tiling, table=op.table)
    weights = alone.inputs - alone.weights if op.layer.op == "mac" else 0
    return {"program": alone.scales - alone.program, "scales": alone.weights - alone.scales, "weights": weights}


def _compile(
    graph: Graph, acc: Accelerator, op: GraphOp, layer: Layer, tiling: Tiling, placed: dict[str, dict[str, Region]],
    activations: Activations,
) -> CompiledOp:  # fmt: skip
    program, scales, weights = (placed[part][op.layer.name] for part in ("program", "scales", "weights"))
    regions, zeros = [activations.tensors[name] for name in op.inputs], [graph.tensor(name).zero_point for name in op.inputs]
    output = activations.tensors[op.output]
    where = Placement(
        program.first, scales.first, regions[1].first if layer.op == "multiply" else weights.first, regions[0].first,
        output.first, output.end, other=regions[1].first if layer.op == "add" else 0,
    )  # fmt: skip
    post = Postprocess(
        zeros[0], graph.output_zero(op), op.low, op.high, zeros[1] if len(zeros) > 1 else 0, op.coefficients, op.table
    )
    return CompiledOp(op, layer, tiling, program, scales, weights, compile_layer(layer, acc, tiling, where, post))
