"""ONNX networks as layers, with an account of every node.

Float models are read. Weights may be initializers, Constant nodes, ConstantOfShape of a stored shape, or anything computed
from those alone.
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
from dataflows.onnx_layers import LAYER_OPS, NotALayer, layer_of
from dataflows.onnx_model import Shapes, load_model
from dataflows.onnx_shapes import infer_shapes
from dataflows.workload import Layer, Network

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, slots=True)
class Imported:
    """A network read from ONNX.

    Attributes
    ----------
    network : Network
        The mapped layers in execution order.
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
                    f"{self.network.name}: {row.name}", row.op_type, "operators with known shapes and float weights", row.reason
                )
        if not self.network.layers:
            found = ", ".join(sorted({row.op_type for row in self.coverage}))
            raise SpecError(self.network.name, found, f"at least one of {', '.join(LAYER_OPS)}", "choose another network")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"network": self.network.to_dict(), "coverage": [row.to_dict() for row in self.coverage]}


def import_onnx(path: str | Path, shapes: Shapes | None = None, *, name: str = "", source: str = "") -> Imported:
    """Read an ONNX file.

    Parameters
    ----------
    path : str or Path
        Float model.
    shapes : mapping or tuple of int, optional
        Sizes for dynamic inputs: full shapes by input name, or (H, W); see `dataflows.onnx_model.fix_shapes`.
    name, source : str
        Of the network; the file stem and the path when empty.

    Returns
    -------
    Imported
        Nodes that cannot be described are rows of the coverage table, not errors; see `Imported.require_complete`.

    Raises
    ------
    SpecError
        Missing file, bytes that are not ONNX, shapes that do not fit.
    """
    model = infer_shapes(load_model(path, shapes), str(path))
    return import_model(model, name=name or Path(path).stem, source=source or str(path))


def import_model(model: ModelProto, *, name: str, source: str = "") -> Imported:
    """Turn a model with inferred shapes into layers and a coverage table; see `import_onnx`."""
    graph = Graph(model)
    layers: list[Layer] = []
    weights: dict[str, int] = {}
    folded: dict[int, str] = {}
    rows: list[NodeStatus] = []
    for node, label in zip(graph.nodes, list(graph.names()), strict=True):
        if id(node) in folded:
            rows.append(NodeStatus(label, node.op_type, "folded", folded[id(node)]))
            continue
        status, reason = status_elsewhere(node, graph)
        if node.op_type in LAYER_OPS and node.domain in ("", "ai.onnx") and reason != "constant":
            try:
                layer, tensor, axis = layer_of(node, graph, label)
            except NotALayer as why:
                status, reason = why.status, why.reason
            except SpecError as error:
                status, reason = "rejected", str(error)
            else:
                after, activation = followers(graph, node, layer.G * layer.K, axis)
                folded |= {id(follower): f"{text} of {label}" for follower, text in after}
                layers.append(replace(layer, activation=activation))
                weights[graph.origin(tensor)] = layer.parameters
                status, reason = "mapped", layer.kind
        rows.append(NodeStatus(label, node.op_type, status, reason))
    return Imported(Network(name, tuple(layers), sum(weights.values()), source), tuple(rows))
