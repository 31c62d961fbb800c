"""ONNX operators without layers as traffic: what they read and write."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dataflows.onnx_graph import Graph
from dataflows.onnx_layers import NotALayer
from dataflows.onnx_types import stored_as
from dataflows.traffic import TrafficLayer

if TYPE_CHECKING:
    from onnx import NodeProto

_ALL = {
    **dict.fromkeys(("Add", "Sub", "Sum"), "add"),
    **dict.fromkeys(("Mul", "Div"), "mul"),
    "Concat": "move",
}
_FIRST = {
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish"), "activation"),
    **dict.fromkeys(("Tanh", "Erf", "Gelu", "Exp", "Sqrt", "Pow"), "activation"),
    **dict.fromkeys(("MaxPool", "GlobalMaxPool"), "maxpool"),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean"), "avgpool"),
    **dict.fromkeys(("Softmax", "LogSoftmax"), "softmax"),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "BatchNormalization", "LRN"), "norm"),
    **dict.fromkeys(("Transpose", "Split", "Slice", "Pad", "Resize", "Upsample"), "move"),
}


def traffic_of(node: NodeProto, graph: Graph, name: str, after: str) -> TrafficLayer | None:
    """Return what an element-wise, pooling, normalising or moving node reads and writes.

    Tensors are counted once each, at the width of the first input where that is quantised and at 8 bits elsewhere. None
    for other operators and where a shape is not known; parameters such as bounds and window sizes are not counted.
    """
    op = _ALL.get(node.op_type) or _FIRST.get(node.op_type)
    if op is None or node.domain not in ("", "ai.onnx") or not node.output:
        return None
    inputs = [graph.shape(each) for each in (node.input if node.op_type in _ALL else node.input[:1])]
    outputs = [graph.shape(each) for each in (node.output if node.op_type == "Split" else node.output[:1])]
    reads, writes = (sum(math.prod(shape) for shape in shapes if shape is not None) for shapes in (inputs, outputs))
    if None in inputs or None in outputs or min(reads, writes) < 1:
        return None
    try:
        stored = stored_as(node.input[0], graph)
    except NotALayer:
        stored = None
    return TrafficLayer(name, op, reads, writes, stored.bits if stored else 8, after)
