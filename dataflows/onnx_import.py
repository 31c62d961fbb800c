"""ONNX networks as layers, with an account of every node.

Float models are read, and quantised ones in the form of QuantizeLinear and DequantizeLinear pairs, from which layers have
their operand widths and signs. Weights may be initializers, Constant nodes, ConstantOfShape of a stored shape, or anything
computed from those alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflows.errors import SpecError
from dataflows.onnx_coverage import NodeStatus, followers, status_elsewhere
from dataflows.onnx_graph import Graph
from dataflows.onnx_layers import LAYER_OPS, NotALayer, layer_of, product_of
from dataflows.onnx_model import Shapes, load_model
from dataflows.onnx_shapes import infer_shapes
from dataflows.onnx_traffic import traffic_of
from dataflows.onnx_transposed import transposed_of
from dataflows.onnx_types import operand_fields
from dataflows.traffic import TrafficLayer
from dataflows.workload import Layer, Network

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


@dataclass(frozen=True, slots=True)
class Imported:
    """A network read from ONNX.

    Attributes
    ----------
    network : Network
        The mapped layers in execution order, and what the nodes left to the host read and write.
    coverage : tuple of NodeStatus
        One row per node of the graph, in file order.
    """

    network: Network
    coverage: tuple[NodeStatus, ...]

    def counts(self) -> Mapping[str, int]:
        """Return how many nodes have each status."""
        return Counter(row.status for row in self.coverage)

    def require_complete(self) -> Imported:
        """Return self; raise `SpecError` when a node was rejected or nothing was mapped."""
        for row in self.coverage:
            if row.status == "rejected":
                raise SpecError(
                    f"{self.network.name}: {row.name}", row.op_type, "operators with known shapes and operand types", row.reason
                )
        if not self.network.layers:
            found = ", ".join(sorted({row.op_type for row in self.coverage}))
            raise SpecError(self.network.name, found, f"at least one of {', '.join(LAYER_OPS)}", "choose another network")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"network": self.network.to_dict(), "coverage": [row.to_dict() for row in self.coverage]}


@dataclass(frozen=True, slots=True)
class _Mapped:
    """What became of a node that the array computes: its layers, what they read, the weights they share, its channels."""

    layers: tuple[Layer, ...]
    data: str
    weights: str
    parameters: int
    channels: int
    axis: int
    reason: str


def import_onnx(
    path: str | Path, *shapes: Shapes | None, name: str = "", source: str = "", transposed: bool = False,
    products: bool = False,
) -> Imported:  # fmt: skip
    """Read an ONNX file.

    Parameters
    ----------
    path : str or Path
        Float or QDQ model.
    shapes : mapping, tuple of int or None
        Sizes for dynamic inputs: full shapes by input name and sizes by name of a dimension, or (H, W); see
        `dataflows.onnx_model.fix_shapes`. Several are applied in turn.
    name, source : str
        Of the network; the file stem and the path when empty.
    transposed : bool
        Map ConvTranspose nodes with constant weights, one layer per stride phase; the host computes them otherwise.
    products : bool
        Map Gemm and MatMul nodes of two tensors computed at run time, such as Q x K^T, as batched products; the host
        computes them otherwise.

    Returns
    -------
    Imported
        Nodes that cannot be described are rows of the coverage table, not errors; see `Imported.require_complete`.

    Raises
    ------
    SpecError
        Missing file, bytes that are not ONNX, shapes that do not fit.
    """
    model = infer_shapes(load_model(path, *shapes), str(path))
    name, source = name or Path(path).stem, source or str(path)
    return import_model(model, name=name, source=source, transposed=transposed, products=products)


def import_model(model: ModelProto, *, name: str, source: str = "", transposed: bool = False, products: bool = False) -> Imported:
    """Turn a model with inferred shapes into layers and a coverage table; see `import_onnx`."""
    graph = Graph(model)
    layers: list[Layer] = []
    traffic: list[TrafficLayer] = []
    weights: dict[str, int] = {}
    folded: dict[int, str] = {}
    rows: list[NodeStatus] = []
    operators = (*LAYER_OPS, "ConvTranspose") if transposed else LAYER_OPS
    for node, label in zip(graph.nodes, list(graph.names()), strict=True):
        if id(node) in folded:
            rows.append(NodeStatus(label, node.op_type, "folded", folded[id(node)]))
            continue
        status, reason = status_elsewhere(node, graph)
        if node.op_type in operators and node.domain in ("", "ai.onnx") and reason != "constant":
            try:
                found = _describe(node, graph, label, products)
                after, activation = followers(graph, node, found.channels, found.axis)
                last = after[-1][0] if after else node
                operands, lacks = operand_fields(found.data, found.weights, last.output[0], graph)
            except NotALayer as why:
                status, reason = why.status, why.reason
            except SpecError as error:
                status, reason = "rejected", str(error)
            else:
                folded |= {id(follower): f"{text} of {label}" for follower, text in after}
                layers += [replace(layer, activation=activation, **operands) for layer in found.layers]
                if graph.is_constant(found.weights):
                    weights[graph.origin(found.weights)] = found.parameters
                status, reason = "mapped", f"{found.reason}; {lacks}" if lacks else found.reason
        if status == "host" and (entry := traffic_of(node, graph, label, layers[-1].name if layers else "")) is not None:
            traffic.append(entry)
        rows.append(NodeStatus(label, node.op_type, status, reason))
    return Imported(Network(name, tuple(layers), sum(weights.values()), source, tuple(traffic)), tuple(rows))


def _describe(node: NodeProto, graph: Graph, label: str, products: bool) -> _Mapped:
    """Describe one node; errors as `dataflows.onnx_layers.layer_of`."""
    if node.op_type == "ConvTranspose":
        split, tensor, channels, axis = transposed_of(node, graph, label)
        reason = f"transposed: {len(split.layers)} stride phases"
        return _Mapped(split.layers, node.input[0], tensor, split.parameters, channels, axis, reason)
    operands = node.input[:2]
    if products and node.op_type in ("Gemm", "MatMul") and len(operands) == 2 and not any(map(graph.is_constant, operands)):
        layer = product_of(node, graph, label)
        return _Mapped((layer,), operands[0], operands[1], 0, layer.K, -1, "product of two activations")
    layer, tensor, axis = layer_of(node, graph, label)
    data = operands[0] if tensor == operands[1] else operands[1]
    channels = layer.K if node.op_type == "MatMul" else layer.G * layer.K
    return _Mapped((layer,), data, tensor, layer.parameters, channels, axis, layer.kind)
