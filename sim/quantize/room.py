"""How wide the sums of a network in integers can get, whatever its inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphOp
from sim.golden.network import OpTensors


def require_room(graph: Graph, tensors: Mapping[str, OpTensors], acc: Accelerator) -> None:
    """Raise `SpecError` for a design whose accumulators some input of the network can make wrap: a class would be nonsense.

    Parameters
    ----------
    graph, tensors : Graph, mapping of str to OpTensors
        The network and its integers.
    acc : Accelerator
        The design.
    """
    need = {op.layer.name: sum_bits(graph, op, tensors[op.layer.name]) for op in graph.ops}
    widest = max(need, key=lambda name: need[name], default="")
    if widest and need[widest] > acc.array.acc_bits:
        allowed = f"at least {need[widest]}, which the sums of {graph.name}.{widest} can take"
        raise SpecError(f"{acc.name}.array.acc_bits", acc.array.acc_bits, allowed, "use wider accumulators: these would wrap")


def sum_bits(graph: Graph, op: GraphOp, stored: OpTensors) -> int:
    """Return the bits, sign included, that hold every sum of an operation with its bias; the least number there is."""
    ranges = []
    for name in op.inputs:
        tensor = graph.tensor(name)
        half = 1 << (tensor.bits - 1)
        ranges.append(np.array([-half - tensor.zero_point, half - 1 - tensor.zero_point], np.int64))
    found = _ends(op, stored, ranges)
    return 1 + max((-1 - int(found.min())).bit_length() if found.min() < 0 else 0, max(int(found.max()), 0).bit_length())


def _ends(op: GraphOp, stored: OpTensors, ranges: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return least and largest sums, in any order; a zero point is among the values, so padding changes nothing."""
    layer = op.layer
    if layer.op == "mac" and stored.weights is not None:
        taps = stored.weights.reshape(len(stored.weights), -1).astype(np.int64)[..., None] * ranges[0]
        sums = np.stack((taps.min(axis=-1).sum(axis=1), taps.max(axis=-1).sum(axis=1)))
        return sums if stored.bias is None else sums + stored.bias.astype(np.int64)
    if layer.op == "add":
        first, second = (np.sort(each * factor) for each, factor in zip(ranges, op.coefficients, strict=True))
        return first + second
    if layer.op == "multiply":
        return np.outer(ranges[0], ranges[1])
    if layer.op == "average":
        return ranges[0] * (layer.R * layer.S)
    return np.append(ranges[0], -1 << layer.input_bits)  # what padding counts as where the largest is kept
