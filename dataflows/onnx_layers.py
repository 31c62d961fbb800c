"""ONNX operators that are multiply-accumulate layers: Conv, Gemm and MatMul with constant weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from dataflows.onnx_graph import Graph, attributes
from dataflows.workload import Layer

if TYPE_CHECKING:
    from onnx import NodeProto

LAYER_OPS = ("Conv", "Gemm", "MatMul")


class NotALayer(Exception):
    """A node that cannot be mapped, with the coverage status it gets and why."""

    def __init__(self, status: Literal["host", "rejected"], reason: str) -> None:
        self.status: Literal["host", "rejected"] = status
        self.reason = reason
        super().__init__(reason)


def product_of(node: NodeProto, graph: Graph, name: str) -> Layer:
    """Describe a Gemm or MatMul of two tensors computed at run time, such as Q x K^T, as a batch of products.

    Raises
    ------
    NotALayer
        When shapes are unknown or contradict each other.
    """
    a, b = known(graph, *node.input[:2])
    if node.op_type == "Gemm":
        a, b = _gemm_shapes(node, a, b)
    return _product(name, a, b)


def layer_of(node: NodeProto, graph: Graph, name: str) -> tuple[Layer, str, int]:
    """Describe a Conv, Gemm or MatMul as a layer.

    Returns
    -------
    layer : Layer
        Named `name`, without activation.
    weights : str
        The tensor with its weights.
    channel_axis : int
        Axis of output channels in the node's output, counted from the end.

    Raises
    ------
    NotALayer
        When weights are computed at run time, shapes are unknown, or the hardware's loop nest has no room for it.
    SpecError
        From `Layer`, for sizes that contradict each other.
    """
    if len(node.input) < 2:
        raise NotALayer("rejected", f"{len(node.input)} inputs where at least two are needed")
    if node.op_type == "Conv":
        return _conv(node, graph, name)
    return _gemm(node, graph, name) if node.op_type == "Gemm" else _matmul(node, graph, name)


def known(graph: Graph, *names: str) -> list[tuple[int, ...]]:
    """Return shapes; raise `NotALayer` when one is not known."""
    shapes = []
    for name in names:
        shape = graph.shape(name)
        if shape is None:
            raise NotALayer("rejected", f"the shape of {name!r} is not known; {graph.advice}")
        shapes.append(shape)
    return shapes


def _conv(node: NodeProto, graph: Graph, name: str) -> tuple[Layer, str, int]:
    data, weights = node.input[:2]
    if not graph.is_constant(weights):
        raise NotALayer("host", "its weights are computed at run time")
    x, w = known(graph, data, weights)
    if len(x) != len(w) or len(x) not in (3, 4):
        raise NotALayer("host", f"{len(w) - 2} sliding dimensions; the array slides over one or two")
    found = attributes(node)
    axes = len(x) - 2
    stride, dilation = integers(found, "strides", (1,) * axes), integers(found, "dilations", (1,) * axes)
    begin, end = pads_of(found, x[2:], w[2:], stride, dilation)
    (group,) = integers(found, "group", (1,))
    if x[1] != w[1] * group:
        raise NotALayer("rejected", f"{x[1]} input channels, but weights for {w[1]} x {group}")
    size, taps, step, gap = (two(values, 1) for values in (x[2:], w[2:], stride, dilation))  # a 1-D convolution has one row
    (top, left), (bottom, right) = two(begin, 0), two(end, 0)
    layer = Layer.conv(
        name, N=x[0], K=w[0], C=x[1], G=group, H=size[0], W=size[1], R=taps[0], S=taps[1],
        stride=step, dilation=gap, padding=(top, left, bottom, right),
    )  # fmt: skip
    return layer, weights, -1 - axes


def integers(found: dict[str, Any], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return an attribute of one or several integers; as many as the default has."""
    value = found.get(name, default)
    several = (value,) if isinstance(value, int) else value
    if not isinstance(several, Sequence) or len(several) != len(default) or not all(isinstance(v, int) for v in several):
        raise NotALayer("rejected", f"attribute {name} is {value!r}; {len(default)} integers are needed")
    return tuple(several)


def two(values: tuple[int, ...], fill: int) -> tuple[int, int]:
    """Return (rows, columns) of one or two axes."""
    return (values[0], values[1]) if len(values) == 2 else (fill, values[0])


def pads_of(
    found: dict[str, Any], size: tuple[int, ...], taps: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return padding before and after, per axis (ONNX operator reference, Conv: auto_pad)."""
    auto = found.get("auto_pad", "NOTSET")
    axes = len(size)
    if auto == "VALID":
        return (0,) * axes, (0,) * axes
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        pads = integers(found, "pads", (0,) * 2 * axes)
        return pads[:axes], pads[axes:]
    begin, end = [], []
    for have, tap, step, gap in zip(size, taps, stride, dilation, strict=True):
        total = max((math.ceil(have / step) - 1) * step + (tap - 1) * gap + 1 - have, 0)
        less, more = total // 2, total - total // 2
        begin.append(less if auto == "SAME_UPPER" else more)
        end.append(more if auto == "SAME_UPPER" else less)
    return tuple(begin), tuple(end)


def _gemm(node: NodeProto, graph: Graph, name: str) -> tuple[Layer, str, int]:
    left, right = node.input[:2]
    if not graph.is_constant(left) and not graph.is_constant(right):
        raise NotALayer("host", "a product of two tensors computed at run time")
    a, b = _gemm_shapes(node, *known(graph, left, right))
    if graph.is_constant(right):
        return _product(name, a, b), right, -1
    return _product(name, b[::-1], a[::-1]), left, -2


def _gemm_shapes(node: NodeProto, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of both matrices after the transpositions that the node asks for."""
    if len(a) != 2 or len(b) != 2:
        raise NotALayer("rejected", f"Gemm of ranks {len(a)} and {len(b)}; both must be matrices")
    found = attributes(node)
    return a[::-1] if found.get("transA") else a, b[::-1] if found.get("transB") else b


def _matmul(node: NodeProto, graph: Graph, name: str) -> tuple[Layer, str, int]:
    left, right = node.input[:2]
    if not graph.is_constant(left) and not graph.is_constant(right):
        raise NotALayer("host", "a product of two tensors computed at run time")
    a, b = known(graph, left, right)
    if graph.is_constant(right):
        return _product(name, a, b), right, -1
    # W x = (x^T W^T)^T: the same products with the operands' roles exchanged.
    return _product(name, _transposed(b), _transposed(a)), left, -2 if len(b) > 1 else -1


def _product(name: str, data: tuple[int, ...], weights: tuple[int, ...]) -> Layer:
    """Describe a product as NumPy broadcasts it (ONNX operator reference, MatMul).

    A batch axis along which the weights are one is more rows, one along which the data are one is more columns, and one
    that both have is a batch of products with operands of their own.
    """
    if not data or not weights:
        raise NotALayer("rejected", "a product with a scalar")
    data, weights = (1,) * (2 - len(data)) + data, weights + (1,) * (2 - len(weights))
    rank = max(len(data), len(weights)) - 2
    rows, columns, groups = data[-2], weights[-1], 1
    for have, stored in zip(_batch(data, rank), _batch(weights, rank), strict=True):
        if have == stored:
            groups *= have
        elif stored == 1:
            rows *= have
        elif have == 1:
            columns *= stored
        else:
            raise NotALayer("rejected", f"batches of {have} and {stored} products")
    if weights[-2] != data[-1]:
        raise NotALayer("rejected", f"inner sizes {data[-1]} and {weights[-2]} differ")
    return Layer.gemm(name, M=rows, N=columns, K=data[-1], G=groups)


def _batch(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (1,) * (rank + 2 - len(shape)) + shape[:-2]


def _transposed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape
