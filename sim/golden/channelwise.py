"""Golden model of operations channel by channel: sums, products and maxima by definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataflows.workload import Layer

Integers = NDArray[np.int64]


def channel_sums(layer: Layer, centred: Sequence[Integers], coefficients: tuple[int, int] = (1, 1)) -> Integers:
    """Return the accumulators of an operation channel by channel, (N, G, P, Q), not wrapped.

    Padding counts as the zero point, 0 here, in sums and products; it is less than any value where the largest is kept.

    Parameters
    ----------
    layer : Layer
        Its `op` is not ``mac``.
    centred : sequence of (N, G, H, W) arrays
        Operands less their zero points; the second of ``multiply`` is (N, G, 1, 1).
    coefficients : tuple of int
        Of ``add``.
    """
    if layer.op == "add":
        first, second = (_windows(layer, x)[..., 0, 0] for x in centred)
        return first * coefficients[0] + second * coefficients[1]
    windows = _windows(layer, centred[0])
    if layer.op == "multiply":
        return windows[..., 0, 0] * centred[1]
    return windows.max(axis=(-2, -1)) if layer.op == "max" else windows.sum(axis=(-2, -1))


def _windows(layer: Layer, centred: Integers) -> Integers:
    """Return what every output pixel sees, (N, G, P, Q, R, S)."""
    top, left, bottom, right = layer.padding
    fill = -(1 << layer.input_bits) if layer.op == "max" else 0
    padded = np.pad(centred, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    reach = [(taps - 1) * gap + 1 for taps, gap in zip((layer.R, layer.S), layer.dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(padded, tuple(reach), axis=(2, 3))
    seen = seen[:, :, :: layer.stride[0], :: layer.stride[1], :: layer.dilation[0], :: layer.dilation[1]]
    return seen[:, :, : layer.P, : layer.Q]
