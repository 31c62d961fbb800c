"""ONNX ConvTranspose with constant weights as its stride phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflows.onnx_graph import Graph, attributes
from dataflows.onnx_layers import NotALayer, integers, known, two
from dataflows.transposed import TransposedConv, split_phases

if TYPE_CHECKING:
    from onnx import NodeProto


def transposed_of(node: NodeProto, graph: Graph, name: str) -> tuple[TransposedConv, str, int, int]:
    """Describe a ConvTranspose.

    Returns
    -------
    split : TransposedConv
        Its phases, named after `name`.
    weights : str
        The tensor with its weights.
    channels, channel_axis : int
        Output channels and their axis, counted from the end.

    Raises
    ------
    NotALayer
        When weights are computed at run time, shapes are unknown, or more than two dimensions slide.
    SpecError
        For sizes that contradict each other.
    """
    if len(node.input) < 2:
        raise NotALayer("rejected", f"{len(node.input)} inputs where at least two are needed")
    data, weights = node.input[:2]
    if not graph.is_constant(weights):
        raise NotALayer("host", "its weights are computed at run time")
    x, w = known(graph, data, weights)
    axes = len(x) - 2
    if len(x) != len(w) or axes not in (1, 2):
        raise NotALayer("host", f"{len(w) - 2} sliding dimensions; the array slides over one or two")
    if x[1] != w[0]:
        raise NotALayer("rejected", f"{x[1]} input channels, but weights for {w[0]}")
    found = attributes(node)
    stride, dilation = integers(found, "strides", (1,) * axes), integers(found, "dilations", (1,) * axes)
    extra, (group,) = integers(found, "output_padding", (0,) * axes), integers(found, "group", (1,))
    whole = [stride[i] * (x[i + 2] - 1) + extra[i] + (w[i + 2] - 1) * dilation[i] + 1 for i in range(axes)]
    wanted = [x[i + 2] * stride[i] for i in range(axes)]
    begin, end = _cuts(found, whole, integers(found, "output_shape", (0,) * axes) if "output_shape" in found else None, wanted)
    size, taps, step, gap, more = (two(v, fill) for v, fill in ((x[2:], 1), (w[2:], 1), (stride, 1), (dilation, 1), (extra, 0)))
    (top, left), (bottom, right) = two(begin, 0), two(end, 0)
    split = split_phases(
        name, N=x[0], K=w[1] * group, C=x[1], G=group, H=size[0], W=size[1], R=taps[0], S=taps[1], stride=step, dilation=gap,
        output_padding=more, padding=(top, left, bottom, right),
    )  # fmt: skip
    if not split.phases:
        raise NotALayer("host", "its output does not depend on its input")
    return split, weights, w[1] * group, -1 - axes


def _cuts(
    found: dict[str, object], whole: list[int], shape: tuple[int, ...] | None, wanted: list[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what is cut away before and after, per axis (ONNX operator reference, ConvTranspose: auto_pad, output_shape).

    A wanted output size, given or implied by ``SAME``, decides the sum of both; the odd pixel is cut at the end for
    ``SAME_UPPER`` and at the beginning otherwise.
    """
    auto = found.get("auto_pad", "NOTSET")
    same = auto in ("SAME_UPPER", "SAME_LOWER")
    if shape is None and not same:
        pads = (0,) * 2 * len(whole) if auto == "VALID" else integers(found, "pads", (0,) * 2 * len(whole))
        return pads[: len(whole)], pads[len(whole) :]
    totals = [have - want for have, want in zip(whole, shape or wanted, strict=True)]
    if min(totals) < 0:
        raise NotALayer("host", "an output larger than the filter reaches")
    less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (less, more) if auto == "SAME_UPPER" else (more, less)
