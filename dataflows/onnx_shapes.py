"""Shape inference that sees through the arithmetic exporters do on shapes.

`onnx.shape_inference` alone loses the thread where a shape is cast, sliced or divided before a Reshape. Those few small
integer nodes are evaluated here with onnx's own reference evaluator, and inference runs again until nothing new is learnt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dataflows.errors import SpecError
from dataflows.onnx_model import require_onnx, static_shape, stored_value

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Shapes have a handful of elements; anything larger is data, which needs no value here.
_MOST_ELEMENTS = 64
_ARITHMETIC = frozenset(
    ("Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Floor", "Gather", "Identity", "Mod", "Mul",
     "Range", "Reshape", "Slice", "Squeeze", "Sub", "Unsqueeze", "Where")
)  # fmt: skip


def infer_shapes(model: ModelProto, where: str) -> ModelProto:
    """Return the model with the shape of every tensor that can be known.

    Parameters
    ----------
    model : onnx.ModelProto
        With fixed input shapes. Its nodes are returned unchanged.
    where : str
        File name for messages.

    Raises
    ------
    SpecError
        When shapes contradict each other.
    """
    onnx = require_onnx()
    work = onnx.ModelProto()
    work.CopyFrom(model)
    known = -1
    while True:
        work = _infer(work, where)
        values = _values(work)
        if len(values) == known:
            break
        known = len(values)
        _pin(work, values)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.value_info[:]
    result.graph.value_info.extend(work.graph.value_info)
    for value, inferred in zip(result.graph.output, work.graph.output, strict=True):
        value.CopyFrom(inferred)
    return result


def _infer(model: ModelProto, where: str) -> ModelProto:
    onnx = require_onnx()
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError, TypeError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise SpecError(where, line, "a graph whose shapes agree", "check the input shapes and the file") from error


def _values(model: ModelProto) -> dict[str, np.ndarray]:
    """Return every small tensor whose value follows from shapes and stored constants."""
    graph = model.graph
    shapes = {value.name: static_shape(value) for value in (*graph.input, *graph.value_info)}
    values: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        value = stored_value(tensor) if np.prod(tensor.dims) <= _MOST_ELEMENTS else None
        if value is not None:
            values[tensor.name] = value
    for node in graph.node:
        if node.op_type == "Shape" and not node.attribute and shapes.get(node.input[0]):
            values[node.output[0]] = np.array(shapes[node.input[0]], np.int64)
        elif node.op_type in _ARITHMETIC and all(not name or name in values for name in node.input):
            value = _evaluate(model, node, values)
            if value is not None and value.size <= _MOST_ELEMENTS:
                values[node.output[0]] = value
    return values


def _evaluate(model: ModelProto, node: NodeProto, values: dict[str, np.ndarray]) -> np.ndarray | None:
    onnx = require_onnx()
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "ConstantOfShape" and np.prod(values[node.input[0]]) > _MOST_ELEMENTS:
        return None
    if node.op_type == "Constant" and any(np.prod(a.t.dims) > _MOST_ELEMENTS for a in node.attribute if a.name == "value"):
        return None
    feeds = {name: values[name] for name in node.input if name}
    helper = onnx.helper
    inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for name, v in feeds.items()]
    graph = helper.make_graph([node], "one", inputs, [helper.make_empty_tensor_value_info(node.output[0])])
    single = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        (value,) = ReferenceEvaluator(single).run([node.output[0]], feeds)
        return np.asarray(value)
    except Exception:  # operators raise whatever they like; a value that stays unknown is no error here
        return None


def _pin(model: ModelProto, values: dict[str, np.ndarray]) -> None:
    """Replace nodes whose value is known by constants, for the next round of inference."""
    onnx = require_onnx()
    for node in model.graph.node:
        if node.op_type == "Constant" or len(node.output) != 1 or node.output[0] not in values:
            continue
        constant = onnx.helper.make_node(
            "Constant", [], list(node.output), value=onnx.numpy_helper.from_array(np.ascontiguousarray(values[node.output[0]]))
        )
        node.CopyFrom(constant)
