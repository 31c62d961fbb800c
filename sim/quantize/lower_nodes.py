"""ONNX operators as steps of the accelerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dataflows.onnx_graph import Graph, attributes
from dataflows.onnx_layers import NotALayer, integers, layer_of, pads_of, two
from dataflows.workload import Layer
from sim.quantize.affine import factors, scaled
from sim.quantize.float_model import FloatModel
from sim.quantize.steps import Floats, Shape, Step

if TYPE_CHECKING:
    from onnx import NodeProto


class Tensors(Protocol):
    """What a handler may ask about the tensors made so far."""

    model: FloatModel
    graph: Graph

    def source(self, name: str) -> str:
        """Return the tensor that holds the elements of `name`."""
        ...

    def shape(self, name: str) -> Shape:
        """Return (N, C, H, W) of a tensor that is no view."""
        ...


def canonical(shape: tuple[int, ...] | None) -> Shape | None:
    """Return (N, C, H, W) of an ONNX shape of rank two to four: missing axes are 1, a single axis of positions is W."""
    if shape is None or not 2 <= len(shape) <= 4:
        return None
    return {2: (*shape, 1, 1), 3: (*shape[:2], 1, shape[-1]), 4: shape}[len(shape)]


def _read(node: NodeProto, made: Tensors, name: str) -> tuple[str, Shape]:
    """Return the tensor behind an input and its shape, where it is not seen in another shape than it has in memory."""
    source = made.source(name)
    seen, kept = canonical(made.graph.shape(name)), made.shape(source)
    if seen != kept:
        raise made.model.refuse(node, f"{name} reshaped from {kept} to {seen}", "the shape it was made in", "drop the reshape")
    return source, kept


def _stored(node: NodeProto, made: Tensors, position: int) -> Floats:
    """Return a stored input; an empty array when the node has none there."""
    name = node.input[position] if len(node.input) > position else ""
    if not name:
        return np.zeros(0)
    value = made.graph.stored(name)
    if value is None:
        raise made.model.refuse(node, f"{name} computed at run time", "stored weights", "export the network with its weights")
    return value.astype(np.float64)


def _conv(node: NodeProto, made: Tensors) -> list[Step]:
    try:
        layer = layer_of(node, made.graph, node.name)[0]
    except NotALayer as error:
        raise made.model.refuse(node, error.reason, "a convolution of one or two axes", "replace the operator") from error
    source, _ = _read(node, made, node.input[0])
    weights, bias = _stored(node, made, 1), _stored(node, made, 2)
    channels = layer.G * layer.K
    if bias.shape not in ((0,), (channels,)):
        raise made.model.refuse(node, f"biases of shape {bias.shape}", f"{channels}, one per output channel", "correct the file")
    shaped = weights.reshape(channels, layer.C, layer.R, layer.S)
    return [Step(layer, (source,), node.output[0], shaped, bias if bias.size else np.zeros(channels))]


def _product(node: NodeProto, made: Tensors) -> list[Step]:
    """Gemm or MatMul behind a flattened map: a convolution with a filter as large as the map."""
    found, (left, right) = attributes(node), node.input[:2]
    shape = made.graph.shape(left)
    if made.graph.is_constant(left) or found.get("transA") or shape is None or len(shape) != 2:
        raise made.model.refuse(
            node, f"inputs {left} {shape}, {right}", "a matrix of activations times one of weights", "flatten"
        )
    source = made.source(left)
    N, C, H, W = made.shape(source)
    if shape != (N, C * H * W):
        raise made.model.refuse(
            node, f"{left} of shape {shape}", f"{(N, C * H * W)}, a map flattened", "flatten images one by one"
        )
    stored = _stored(node, made, 1)
    if stored.ndim != 2:
        raise made.model.refuse(node, made.graph.shape(right), "a matrix of weights", "replace the operator")
    weights = (stored if found.get("transB") else stored.T) * found.get("alpha", 1.0)
    bias = _stored(node, made, 2)
    if bias.size not in (0, 1) and (bias.size, bias.shape[-1]) != (len(weights), len(weights)):
        allowed = f"{len(weights)}, one per output"
        raise made.model.refuse(node, f"biases of shape {bias.shape}", allowed, "give one row of biases")
    bias = bias.reshape(-1)
    offset = np.zeros(len(weights)) + (bias * found.get("beta", 1.0) if bias.size else 0)
    layer = Layer.conv(node.name, N=N, K=len(weights), C=C, H=H, W=W, R=H, S=W)
    return [Step(layer, (source,), node.output[0], weights.reshape(-1, C, H, W), offset)]


def _two(node: NodeProto, made: Tensors) -> list[tuple[str, Shape]]:
    """Return both operands as `_read` does: ONNX aligns the last axes, so ranks must agree for channels to meet channels."""
    seen = [made.graph.shape(name) or () for name in node.input]
    if len({len(shape) for shape in seen}) > 1:
        raise made.model.refuse(node, f"operands of shapes {seen[0]} and {seen[1]}", "equal ranks", "keep axes of size 1")
    return [_read(node, made, name) for name in node.input]


def _sum(node: NodeProto, made: Tensors) -> list[Step]:
    if len(node.input) != 2:
        raise made.model.refuse(node, f"{len(node.input)} operands", "two", "write a chain of Adds")
    if any(made.graph.is_constant(name) for name in node.input):
        return _per_channel(node, made)
    (a, shape), (b, other) = _two(node, made)
    if shape != other:
        raise made.model.refuse(node, f"operands of shapes {shape} and {other}", "equal shapes", "expand the smaller one")
    N, C, H, W = shape
    layer = Layer(node.name, N=N, G=C, K=1, C=2, P=H, Q=W, H=H, W=W, op="add")
    return [Step(layer, (a, b), node.output[0], signs=(1, -1 if node.op_type == "Sub" else 1))]


def _mul(node: NodeProto, made: Tensors) -> list[Step]:
    if any(made.graph.is_constant(name) for name in node.input):
        return _per_channel(node, made)
    (a, shape), (b, other) = _two(node, made)
    if other[2:] != (1, 1):
        a, shape, b, other = b, other, a, shape
    if other != (*shape[:2], 1, 1):
        raise made.model.refuse(
            node, f"operands of shapes {shape} and {other}", "a map and one value per channel", "use another gate"
        )
    N, C, H, W = shape
    return [Step(Layer(node.name, N=N, G=C, K=1, C=1, P=H, Q=W, H=H, W=W, op="multiply"), (a, b), node.output[0])]


def _per_channel(node: NodeProto, made: Tensors) -> list[Step]:
    """Factors and offsets per channel with no weights before them: a depthwise convolution of one pixel."""
    data = next(name for name in node.input if not made.graph.is_constant(name))
    source, (N, C, H, W) = _read(node, made, data)
    found = factors(node, made.graph, data)
    if found is None:
        constants = [made.graph.shape(name) for name in node.input if made.graph.is_constant(name)]
        raise made.model.refuse(
            node, f"constants of shapes {constants}", "one value per channel, no division by 0", "correct the file"
        )
    layer = Layer.conv(node.name, N=N, K=C, C=C, G=C, H=H, W=W, R=1, S=1)
    return [scaled(Step(layer, (source,), node.output[0], np.ones((C, 1, 1, 1)), np.zeros(C)), found)]


def _pool(node: NodeProto, made: Tensors) -> list[Step]:
    source, (N, C, H, W) = _read(node, made, node.input[0])
    found, out = attributes(node), canonical(made.graph.shape(node.output[0]))
    if out is None or any(made.graph.readers(name) for name in node.output[1:]) or len(found.get("kernel_shape", ())) != 2:
        raise made.model.refuse(node, made.graph.shape(node.output[0]), "pooling over rows and columns", "replace the operator")
    try:
        taps, stride, gap = (integers(found, name, (1, 1)) for name in ("kernel_shape", "strides", "dilations"))
        begin, end = pads_of(found, (H, W), taps, stride, gap)
    except NotALayer as error:
        raise made.model.refuse(node, error.reason, "a pool over two axes", "correct the file") from error
    # Rounding sizes up (ceil_mode) lets windows hang over the padding; those elements never count.
    reach = [(o - 1) * s + (t - 1) * d + 1 for o, s, t, d in zip(out[2:], stride, taps, gap, strict=True)]
    below, beyond = (max(reach[axis] - size - begin[axis], 0) for axis, size in enumerate((H, W)))
    op = "max" if node.op_type == "MaxPool" else "average"
    counted = bool(found.get("count_include_pad", 0)) and below <= end[0] and beyond <= end[1]
    if op == "average" and any((*begin, below, beyond)) and not counted:
        allowed = "windows that all have the same number of elements"
        raise made.model.refuse(
            node, f"padding {(*begin, *end)} that does not count", allowed, "set count_include_pad or pad nothing"
        )
    layer = Layer(
        node.name, N=N, G=C, K=1, C=1, P=out[2], Q=out[3], R=taps[0], S=taps[1], H=H, W=W, stride=two(stride, 1),
        dilation=two(gap, 1), padding=(*two(begin, 0), max(end[0], below), max(end[1], beyond)), op=op,
    )  # fmt: skip
    return [Step(layer, (source,), node.output[0])]


def _global_pool(node: NodeProto, made: Tensors) -> list[Step]:
    source, (N, C, H, W) = _read(node, made, node.input[0])
    if node.op_type.startswith("Reduce") and not _over_positions(node, made):
        raise made.model.refuse(node, "other axes", "a mean or maximum over rows and columns", "replace the operator")
    op = "max" if "Max" in node.op_type else "average"
    return [Step(Layer(node.name, N=N, G=C, K=1, C=1, P=1, Q=1, R=H, S=W, H=H, W=W, op=op), (source,), node.output[0])]


def _over_positions(node: NodeProto, made: Tensors) -> bool:
    rank = len(made.graph.shape(node.input[0]) or ())
    axes: Any = attributes(node).get("axes")
    if axes is None and len(node.input) > 1:
        axes = made.graph.stored(node.input[1])
    return axes is not None and {int(axis) % rank for axis in axes} == set(range(2, rank))


def _concat(node: NodeProto, made: Tensors) -> list[Step]:
    """Every part moved to its channels by a convolution of one pixel, and the parts added: others are zero there."""
    found = [_read(node, made, name) for name in node.input if not made.graph.is_constant(name)]
    rank = len(made.graph.shape(node.output[0]) or (1,))
    if len(found) < max(len(node.input), 2) or int(attributes(node)["axis"]) % rank != 1:
        raise made.model.refuse(
            node, f"{len(node.input)} tensors", "several activations joined by channels", "replace the operator"
        )
    out, channels = node.output[0], sum(shape[1] for _, shape in found)
    steps, start, so_far = [], 0, ""
    for index, (source, (N, C, H, W)) in enumerate(found):
        weights = np.zeros((channels, C, 1, 1))
        weights[start + np.arange(C), np.arange(C)] = 1
        start += C
        layer = Layer.conv(f"{node.name}_part{index}", N=N, K=channels, C=C, H=H, W=W, R=1, S=1)
        part = Step(layer, (source,), f"{out}_part{index}", weights, np.zeros(channels), like=out)
        steps.append(part)
        if index:
            last = index == len(found) - 1
            both = Layer(f"{node.name}_sum{index}", N=N, G=channels, K=1, C=2, P=H, Q=W, H=H, W=W, op="add")
            total = Step(both, (so_far, part.makes), out if last else f"{out}_sum{index}", like=out)
            steps.append(total if not last else replace(total, layer=replace(both, name=node.name)))
        so_far = steps[-1].makes
    return steps


HANDLERS: dict[str, Callable[[NodeProto, Tensors], list[Step]]] = {
    "Conv": _conv, "Gemm": _product, "MatMul": _product, "Add": _sum, "Sum": _sum, "Sub": _sum, "Mul": _mul,
    "Div": _per_channel, "BatchNormalization": _per_channel, "MaxPool": _pool, "AveragePool": _pool,
    "GlobalAveragePool": _global_pool, "GlobalMaxPool": _global_pool, "ReduceMean": _global_pool, "ReduceMax": _global_pool,
    "Concat": _concat,
}  # fmt: skip
