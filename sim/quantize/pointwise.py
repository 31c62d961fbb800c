"""Chains of elementwise operators as functions of one number: they become clip bounds or tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataflows.onnx_graph import Graph, attributes
from dataflows.onnx_model import require_onnx
from sim.quantize.float_model import FloatModel, start

if TYPE_CHECKING:
    from onnx import NodeProto

ELEMENTWISE = frozenset(
    ("Abs", "Add", "Ceil", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
     "Log", "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Softplus",
     "Softsign", "Sqrt", "Sub", "Sum", "Tanh", "ThresholdedRelu")
)  # fmt: skip
_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A tensor as a function of another, element by element.

    Attributes
    ----------
    root : str
        Tensor it is a function of.
    output : str
        The tensor.
    nodes : tuple of onnx.NodeProto
        Elementwise nodes between them, in order; all they read besides `root` are each other's outputs and scalars.
    """

    root: str
    output: str
    nodes: tuple[NodeProto, ...]

    def evaluate(self, model: FloatModel, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the function at `values`, computed by onnxruntime in float32."""
        onnx = require_onnx()
        made = {name for node in self.nodes for name in node.output} | {self.root}
        names = {name for node in self.nodes for name in node.input if name and name not in made}
        stored = [onnx.numpy_helper.from_array(model.graph.stored(name).reshape(()), name) for name in sorted(names)]
        kind = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            list(self.nodes), "function", [onnx.helper.make_tensor_value_info(self.root, kind, [len(values)])],
            [onnx.helper.make_tensor_value_info(self.output, kind, None)], stored,
        )  # fmt: skip
        one = onnx.helper.make_model(graph, opset_imports=model.proto.opset_import, ir_version=model.proto.ir_version)
        (found,) = start(one, model.where, "ORT_DISABLE_ALL").run(None, {self.root: values.astype(np.float32)})
        return found.astype(np.float64)

    def bounds(self, graph: Graph) -> tuple[float, float] | None:
        """Return the bounds of a chain that only clips, None for any other."""
        low, high = -math.inf, math.inf
        for node in self.nodes:
            found = _clip_bounds(node, graph)
            if found is None:
                return None
            low, high = (min(max(end, found[0]), found[1]) for end in (low, high))
        return low, high


def _clip_bounds(node: NodeProto, graph: Graph) -> tuple[float, float] | None:
    if node.op_type == "Relu":
        return 0.0, math.inf
    if node.op_type != "Clip":
        return None
    found = attributes(node)
    ends: list[float] = [found.get("min", -math.inf), found.get("max", math.inf)]
    for position, name in enumerate(node.input[1:3]):
        if name:
            value = graph.scalar(name)
            if value is None:
                return None
            ends[position] = value
    return ends[0], ends[1]


def elementwise(node: NodeProto, graph: Graph, sources: Mapping[str, str], chains: Mapping[str, Chain]) -> Chain | None:
    """Return a node's output as a function of a single tensor, None where it is not one.

    Parameters
    ----------
    node : onnx.NodeProto
    graph : Graph
    sources : mapping
        For each of the node's run-time inputs, the tensor that holds its elements (itself, or what it is a view of).
    chains : mapping
        Tensors known to be functions of others.
    """
    shape = graph.shape(node.output[0])
    roots = {chains[name].root if name in chains else name for name in sources.values()}
    if node.op_type not in ELEMENTWISE or node.domain not in _DOMAINS or len(roots) != 1 or shape is None:
        return None
    for name in filter(None, node.input):
        if name in sources:
            if math.prod(graph.shape(name) or (0,)) != math.prod(shape):
                return None
        elif graph.scalar(name) is None:
            return None
    moved = require_onnx().NodeProto()
    moved.CopyFrom(node)
    moved.input[:] = [sources.get(name, name) for name in node.input]
    before = [each for name in sources.values() if name in chains for each in chains[name].nodes]
    unique = {each.output[0]: each for each in before}
    return Chain(roots.pop(), node.output[0], (*unique.values(), moved))
