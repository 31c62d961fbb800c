"""An indexed view of an ONNX graph: who makes and who reads a tensor, its shape, and whether it is a constant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dataflows.onnx_model import open_sizes, require_onnx, static_shape, stored_value

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

# Outputs of these depend on shapes alone, which are fixed here.
_SHAPE_OPS = ("Shape", "Size")
_COPIES = ("Identity", "Reshape", "Transpose", "Cast", "DequantizeLinear")
_WEIGHTED = ("Conv", "Gemm", "MatMul", "ConvTranspose")
# "conv1_w_0", "conv1.weight", "conv1_weights": what exporters append to a layer's name.
_WEIGHT_SUFFIX = re.compile(r"[._](w|weights?|kernel)(_\d+)?$")
_STORED_SUFFIX = "_quantized"  # what onnxruntime appends to a weight it has rounded
_RANDOM_OPS = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")


class Graph:
    """Tensors and nodes of a model with inferred shapes.

    Parameters
    ----------
    model : onnx.ModelProto
        As `dataflows.onnx_model.load_model` returns it.
    """

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self.advice = open_sizes(model)
        self.nodes: list[NodeProto] = list(graph.node)
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._producers = {name: node for node in self.nodes for name in node.output if name}
        self._outputs = {value.name for value in graph.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self._shapes |= {tensor.values.name: tuple(tensor.dims) for tensor in graph.sparse_initializer}
        self._types = {tensor.name: tensor.data_type for tensor in graph.initializer}
        for value in (*graph.input, *graph.value_info, *graph.output):
            shape = static_shape(value)
            if shape is not None:
                self._shapes.setdefault(value.name, shape)
            if value.type.tensor_type.elem_type:
                self._types.setdefault(value.name, value.type.tensor_type.elem_type)
        self._constants = set(self._initializers) | {tensor.values.name for tensor in graph.sparse_initializer}
        for node in self.nodes:
            if self._is_constant_node(node):
                self._constants.update(name for name in node.output if name)

    def _is_constant_node(self, node: NodeProto) -> bool:
        if subgraphs(node) or node.op_type in _RANDOM_OPS:
            return False
        if node.op_type in _SHAPE_OPS:
            return self.shape(node.input[0]) is not None
        return all(not name or name in self._constants for name in node.input)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return a tensor's shape, None when unknown."""
        return self._shapes.get(name)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is known before the network runs."""
        return name in self._constants

    def elem_type(self, name: str) -> str:
        """Return the name of a tensor's element type, such as ``UINT8``; empty when unknown."""
        onnx = require_onnx()
        number = self._types.get(name, 0)
        return onnx.TensorProto.DataType.Name(number) if number in onnx.TensorProto.DataType.values() and number else ""

    def producer(self, name: str) -> NodeProto | None:
        """Return the node that makes a tensor."""
        return self._producers.get(name)

    def readers(self, name: str) -> list[NodeProto]:
        """Return the nodes that read a tensor."""
        return self._readers.get(name, [])

    def stored(self, name: str) -> NDArray[Any] | None:
        """Return a stored constant; None when it is computed, lives in another file, or its bytes do not make its shape."""
        tensor = self._initializers.get(name)
        node = self._producers.get(name)
        if tensor is None and node is not None and node.op_type == "Constant":
            tensor = attributes(node).get("value")
        return stored_value(tensor) if tensor is not None and hasattr(tensor, "data_location") else None

    def scalar(self, name: str) -> float | None:
        """Return the value of a stored one-element constant, None when it is anything else or lives in another file."""
        value = self.stored(name)
        return float(value.reshape(())) if value is not None and value.size == 1 and value.dtype.kind in "fiu" else None

    def origin(self, name: str) -> str:
        """Follow Identity back to the tensor that holds the data, so that shared weights have one name."""
        while (node := self._producers.get(name)) is not None and node.op_type == "Identity":
            name = node.input[0]
        return name

    def only_reader(self, name: str) -> NodeProto | None:
        """Return the single node that reads a tensor, None when there are more, none, or it is a network output."""
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._outputs else None

    def names(self) -> Iterator[str]:
        """Yield one unique printable name per node.

        Its own, unless that is a mere number such as ``n12``; else that of its weights or of its first output.
        """
        taken: set[str] = set()
        for node in self.nodes:
            base = self._label(node)
            name, number = base, 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
            yield name

    def _label(self, node: NodeProto) -> str:
        own, output = _printable(node.name), _printable(next(iter(node.output), ""))
        weights = ""
        if node.op_type in _WEIGHTED and len(node.input) > 1 and self.is_constant(node.input[1]):
            weights = _WEIGHT_SUFFIX.sub("", _printable(self._source(node.input[1])).removesuffix(_STORED_SUFFIX))
        telling = (text for text in (own, weights, output) if len(text.rstrip("0123456789")) > 1)
        return next(telling, own or output or node.op_type or "node")

    def _source(self, name: str) -> str:
        """Follow a constant back through Identity, Reshape and the like to the tensor it was made from."""
        while (node := self._producers.get(name)) is not None and node.input and node.op_type in _COPIES:
            name = node.input[0]
        return name


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return a node's attributes as Python values; text as str."""
    onnx = require_onnx()
    found = {}
    for attribute in node.attribute:
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError:  # a kind of attribute this version of onnx does not know
            continue
        found[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return found


def subgraphs(node: NodeProto) -> bool:
    """Whether the node carries graphs of its own, that is, control flow."""
    onnx = require_onnx()
    kinds = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    return any(attribute.type in kinds for attribute in node.attribute)


def _printable(text: str) -> str:
    return "".join(ch if ch.isascii() and (ch.isalnum() or ch in "._-") else "_" for ch in text).strip("_")
