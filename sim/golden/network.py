"""The golden model of a whole network: every tensor of a `Graph`, operation by operation, in plain integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphOp, GraphTensor
from sim.golden.accumulate import wrap
from sim.golden.channelwise import channel_sums
from sim.golden.layer import golden_layer
from sim.golden.requantize import requantize
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
    graph: Graph, tensors: Mapping[str, OpTensors], inputs: Mapping[str, NDArray[np.integer]], *, acc_bits: int = 32
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
        made[op.output] = golden_op(graph, op, tensors[op.layer.name], [made[name] for name in op.inputs], acc_bits=acc_bits)
    return made


def golden_op(graph: Graph, op: GraphOp, stored: OpTensors, operands: list[Integers], *, acc_bits: int = 32) -> Integers:
    """Return what one operation of `graph` makes of its operands, (N, K, P, Q)."""
    layer, zero_out = op.layer, graph.output_zero(op)
    channels = layer.G * layer.K
    bias = np.zeros(channels, np.int64) if stored.bias is None else stored.bias.astype(np.int64)
    zeros = [graph.tensor(name).zero_point for name in op.inputs]
    if layer.op == "mac":
        if stored.weights is None:
            raise SpecError(f"tensors.{layer.name}.weights", "nothing", "weights", "quantise the network again")
        values = golden_layer(
            layer, LayerTensors(
                operands[0], stored.weights, bias, stored.multiplier, stored.shift, zeros[0], zero_out, op.low, op.high
            ), acc_bits=acc_bits,
        )  # fmt: skip
    else:
        sums = channel_sums(layer, [x - zero for x, zero in zip(operands, zeros, strict=True)], op.coefficients)
        values = requantize(
            wrap(sums + bias[:, None, None], acc_bits), stored.multiplier[:, None, None], stored.shift[:, None, None],
            zero_point=zero_out, low=op.low, high=op.high,
        )  # fmt: skip
    if not op.table:
        return values
    if stored.table is None or stored.table.shape != (1 << layer.input_bits,):
        raise SpecError(f"tensors.{layer.name}.table", None, f"{1 << layer.input_bits} entries", "quantise the network again")
    return stored.table.astype(np.int64)[values + (1 << (layer.input_bits - 1))]


def _stored(values: NDArray[np.integer] | None, tensor: GraphTensor) -> Integers:
    shape, half = (tensor.N, tensor.C, tensor.H, tensor.W), 1 << (tensor.bits - 1)
    if values is None or values.shape != shape or values.dtype.kind not in "iu":
        found = "nothing" if values is None else f"{values.dtype} {values.shape}"
        raise SpecError(f"inputs.{tensor.name}", found, f"integers of shape {shape}", "quantise the input")
    if values.min() < -half or values.max() >= half:
        raise SpecError(f"inputs.{tensor.name}", [int(values.min()), int(values.max())], f"{tensor.bits} bits", "quantise it")
    return values.astype(np.int64)
