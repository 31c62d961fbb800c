"""Factors and offsets per channel: batch normalisation, Mul, Div, Add and Sub with constants."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dataflows.onnx_graph import Graph, attributes
from sim.quantize.steps import Floats, Step

if TYPE_CHECKING:
    from onnx import NodeProto

_EPSILON = 1e-5  # of BatchNormalization, where the node names none (ONNX operator reference)


def factors(node: NodeProto, graph: Graph, source: str) -> tuple[Floats, Floats] | None:
    """Return factor and offset per channel, each (C,), of a node that does no more than that to `source`; else None."""
    shape = graph.shape(source)
    if shape is None or len(shape) < 2:
        return None
    if node.op_type == "BatchNormalization":
        stored = [graph.stored(name) for name in node.input[1:5]]
        if any(value is None or value.shape != shape[1:2] for value in stored):
            return None
        scale, offset, mean, variance = (np.asarray(value, np.float64) for value in stored)
        factor = scale / np.sqrt(variance + attributes(node).get("epsilon", _EPSILON))
        return factor, offset - mean * factor
    if node.op_type not in ("Mul", "Div", "Add", "Sub") or (node.op_type in ("Div", "Sub") and node.input[0] != source):
        return None
    value = graph.stored(next((name for name in node.input if name != source), ""))
    if value is None or value.ndim > len(shape) or graph.shape(node.output[0]) != shape:
        return None
    padded = value.reshape((1,) * (len(shape) - value.ndim) + value.shape)
    if padded.size != padded.shape[1]:
        return None
    each = np.broadcast_to(padded.reshape(-1).astype(np.float64), (shape[1],))
    one, zero = np.ones(shape[1]), np.zeros(shape[1])
    if node.op_type == "Div":
        return (one / each, zero) if each.all() else None
    return {"Mul": (each, zero), "Add": (one, each), "Sub": (one, -each)}[node.op_type]


def scaled(step: Step, found: tuple[Floats, Floats]) -> Step:
    """Return a ``mac`` step followed by factors and offsets, as one."""
    factor, offset = found
    return replace(step, weights=step.weights * factor[:, None, None, None], bias=step.bias * factor + offset)
