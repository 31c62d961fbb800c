"""The golden model of a whole network: every tensor of a `Graph`, operation by operation, in plain integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.rounding import Rounding
from sim.golden.layer import golden_layer
from sim.tensors import LayerTensors

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class OpTensors:
    """The stored integers of one operation. K counts output channels over all groups.

    Attributes
    ----------
    weights : (K, C / G, R, S) array of int, or None
        Of a ``mac``, zero point 0.
    bias : (K,) array of int, or None
        At accumulator scale, the input zero point not folded in; None means zeros.
    multiplier, shift : (K,) array of int
        See `sim.golden.requantize`.
    table : (2**bits,) array of int, or None
        What stored value q becomes after the clip, at index ``q + 2**(bits - 1)``.
    """

    weights: NDArray[np.integer] | None
    bias: NDArray[np.integer] | None
    multiplier: Integers
    shift: Integers
    table: NDArray[np.integer] | None = None


def run_graph(
    graph: Graph,
    tensors: Mapping[str, OpTensors],
    inputs: Mapping[str, NDArray[np.integer]],
    *,
    acc_bits: int = 32,
    rounding: Rounding = "single",
) -> dict[str, Integers]:
    """Run a network and return every tensor of it by name, inputs included.

    Parameters
    ----------
    graph : Graph
    tensors : mapping
        Stored integers by name of the operation.
    inputs : mapping of (N, C, H, W) arrays of int
        Stored values by name of the input tensor.
    acc_bits : int
        Sums wrap modulo 2**acc_bits.
    rounding : str
        How the final shift rounds, see `dataflows.rounding`.

    Returns
    -------
    dict of (N, C, H, W) arrays of int64

    Raises
    ------
    SpecError
        Inputs, or stored integers of an operation, that are missing or of another shape or range.
    """
    made = {name: _stored(inputs.get(name), graph.tensor(name)) for name in graph.inputs}
    for op in graph.ops:
        if op.layer.name not in tensors:
            raise SpecError(f"tensors.{op.layer.name}", "nothing", "its stored integers", "quantise the network again")
        operands = [made[name] for name in op.inputs]
        made[op.output] = golden_op(graph, op, tensors[op.layer.name], operands, acc_bits=acc_bits, rounding=rounding)
    return made


def golden_op(
    graph: Graph,
    op: GraphOp,
    stored: OpTensors,
    operands: Sequence[Integers],
    *,
    acc_bits: int = 32,
    rounding: Rounding = "single",
) -> Integers:
    """Return what one operation of `graph` makes of its operands, (N, K, P, Q); see `run_graph`."""
    return golden_layer(op.layer, layer_tensors(graph, op, stored, operands, rounding), acc_bits=acc_bits)


def layer_tensors(
    graph: Graph, op: GraphOp, stored: OpTensors, operands: Sequence[Integers], rounding: Rounding = "single"
) -> LayerTensors:
    """Return one operation with all its integers, as `sim.golden.layer` takes it: the network's constants, the run's operands."""
    layer, zeros = op.layer, [graph.tensor(name).zero_point for name in op.inputs]
    inputs, weights = operands[0], np.zeros((0, 1, 1, 1), np.int64)
    if layer.op == "mac":
        if stored.weights is None:
            raise SpecError(f"tensors.{layer.name}.weights", "nothing", "weights", "quantise the network again")
        weights = stored.weights
    elif layer.op == "add":
        inputs = np.stack(operands, axis=2).reshape(layer.N, -1, layer.H, layer.W)  # channels of the two take turns
    elif layer.op == "multiply":
        weights = operands[1].reshape(-1, 1, 1, 1)
    if op.table != (stored.table is not None):
        raise SpecError(f"tensors.{layer.name}.table", stored.table, f"a table: {op.table}", "quantise the network again")
    bias = np.zeros(layer.G * layer.K, np.int64) if stored.bias is None else stored.bias.astype(np.int64)
    return LayerTensors(
        inputs, weights, bias, stored.multiplier, stored.shift, zeros[0], graph.output_zero(op), op.low, op.high,
        table=stored.table, rounding=rounding, other_zero_point=zeros[-1] if len(zeros) > 1 else 0, coefficients=op.coefficients,
    )  # fmt: skip


def _stored(values: NDArray[np.integer] | None, tensor: GraphTensor) -> Integers:
    shape, half = (tensor.N, tensor.C, tensor.H, tensor.W), 1 << (tensor.bits - 1)
    if values is None or values.shape != shape or values.dtype.kind not in "iu":
        found = "nothing" if values is None else f"{values.dtype} {values.shape}"
        raise SpecError(f"inputs.{tensor.name}", found, f"integers of shape {shape}", "quantise the input")
    if values.min() < -half or values.max() >= half:
        raise SpecError(f"inputs.{tensor.name}", [int(values.min()), int(values.max())], f"{tensor.bits} bits", "quantise it")
    return values.astype(np.int64)
