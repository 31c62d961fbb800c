"""Transposed convolution as the ordinary convolutions of its stride phases.

A transposed convolution spreads its input `stride` apart and slides the flipped filter over the result, which is mostly
zeros. Output rows o with the same remainder o mod stride see the same filter rows and none of the zeros, so each phase is
an ordinary stride-1 convolution of the input with part of the filter, and the phases' outputs interleave to the result.
No multiplication by an inserted zero remains: a 2x2 filter at stride 2 uses one tap per output (codesign reference, 6.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.workload import Layer

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class AxisPhase:
    """One phase along one axis.

    Attributes
    ----------
    offset, count : int
        Its outputs are ``offset + stride * t`` for t in ``range(count)``.
    taps : tuple of int
        Indices into the filter, in the order in which the phase's convolution applies them: from last to first.
    dilation : int
        Distance between the inputs of neighbouring taps.
    begin, size : int
        Inputs that the phase reads: ``size`` of them from ``begin`` on.
    before, after : int
        Zeros that the phase needs around those inputs.
    """

    offset: int
    count: int
    taps: tuple[int, ...]
    dilation: int
    begin: int
    size: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a transposed convolution: where its outputs, taps and inputs are, and the layer that computes it."""

    rows: AxisPhase
    cols: AxisPhase
    layer: Layer


@dataclass(frozen=True, slots=True)
class TransposedConv:
    """A transposed convolution and its phases.

    Attributes
    ----------
    P, Q : int
        Output rows and columns.
    parameters : int
        Weights of the whole filter, without biases.
    phases : tuple of Phase
        Phases with work to do. Output positions in none of them are reached by no product: they are zero before the bias.
    """

    P: int
    Q: int
    parameters: int
    phases: tuple[Phase, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The phases' layers, row phases outermost."""
        return tuple(phase.layer for phase in self.phases)


def transposed_conv(name: str, **sizes: Any) -> tuple[Layer, ...]:
    """Return the layers of a transposed convolution; parameters and errors as `split_phases`."""
    return split_phases(name, **sizes).layers


def split_phases(
    name: str, *, K: int, C: int, H: int, W: int, R: int, S: int, stride: int | Pair = 1,
    padding: int | tuple[int, int, int, int] = 0, dilation: int | Pair = 1, output_padding: int | Pair = 0, G: int = 1,
    N: int = 1, **rest: Any,
) -> TransposedConv:  # fmt: skip
    """Split a transposed convolution into its phases.

    Output rows are ``stride * (H - 1) + output_padding + (R - 1) * dilation + 1 - top - bottom`` (ONNX operator reference,
    ConvTranspose). Layers are called ``name.AxB`` after their first output row and column; a single phase is called `name`.

    Parameters
    ----------
    name : str
        Of the operation.
    K, C : int
        Output and input channels over all groups.
    H, W : int
        Input rows and columns.
    R, S : int
        Filter rows and columns.
    stride, dilation, output_padding : int or (int, int)
        (rows, columns); `output_padding` extends the output at the bottom and right.
    padding : int or (int, int, int, int)
        Output (top, left, bottom, right) that is cut away.
    G, N : int
        Groups and batch.
    rest : dict
        Further fields of the layers, such as ``activation``.

    Raises
    ------
    SpecError
        For sizes that are not integers in range, groups that do not divide the channels, or an output without pixels.
    """
    st, dil, extra = _pair(stride), _pair(dilation), _pair(output_padding)
    pad = (padding,) * 4 if isinstance(padding, int) else padding
    for field, values, least in (
        ("K, C", (K, C), 1), ("H, W", (H, W), 1), ("R, S", (R, S), 1), ("G, N", (G, N), 1), ("stride", st, 1),
        ("dilation", dil, 1), ("padding", pad, 0), ("output_padding", extra, 0),
    ):  # fmt: skip
        if any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in values):
            raise SpecError(f"{name}.{field}", values, f"integers of at least {least}", "correct the layer")
    if K % G or C % G:
        raise SpecError(f"{name}.G", G, f"a divisor of K={K} and C={C}", "change the number of groups")
    size, taps = (H, W), (R, S)
    out = [st[i] * (size[i] - 1) + extra[i] + (taps[i] - 1) * dil[i] + 1 - pad[i] - pad[i + 2] for i in (0, 1)]
    if min(out) < 1:
        raise SpecError(f"{name}.padding", pad, "at least one output row and column left", "enlarge the input or cut less away")
    rows, cols = ([*_axis_phases(size[i], taps[i], st[i], dil[i], pad[i], out[i])] for i in (0, 1))
    single = len(rows) == len(cols) == 1
    phases = tuple(
        Phase(a, b, Layer(
            name if single else f"{name}.{a.offset}x{b.offset}", N=N, G=G, K=K // G, C=C // G, P=a.count, Q=b.count,
            R=len(a.taps), S=len(b.taps), H=a.size, W=b.size, dilation=(a.dilation, b.dilation),
            padding=(a.before, b.before, a.after, b.after), **rest,
        ))
        for a in rows for b in cols
    )  # fmt: skip
    return TransposedConv(out[0], out[1], K * C // G * R * S, phases)


def _axis_phases(size: int, taps: int, stride: int, dilation: int, cut: int, out: int) -> list[AxisPhase]:
    """Return the phases of one axis that read at least one input.

    Output o is the sum over taps r and inputs i with ``stride * i + dilation * r = o + cut``. With o = offset + stride * t
    the taps are those with ``dilation * r = offset + cut`` modulo the stride, and tap r reads input
    ``i = t + (offset + cut - dilation * r) / stride``.
    """
    found = []
    for offset in range(min(stride, out)):
        count = (out - offset + stride - 1) // stride
        mine = [r for r in reversed(range(taps)) if (offset + cut - dilation * r) % stride == 0]
        if not mine:
            continue
        first, last = ((offset + cut - dilation * r) // stride for r in (mine[0], mine[-1]))
        begin, end = max(first, 0), min(last + count, size)
        if begin >= end:  # only zeros around the input
            continue
        step = dilation // math.gcd(stride, dilation) if len(mine) > 1 else 1
        before, after = max(-first, 0), max(last + count - size, 0)
        found.append(AxisPhase(offset, count, tuple(mine), step, begin, end - begin, before, after))
    return found


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value
