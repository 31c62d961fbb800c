"""Exact integer convolution and matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError

_EXACT_FLOAT = 1 << 53
_CHUNK_ELEMENTS = 1 << 23  # im2col buffer, 64 MB


def conv(
    inputs: NDArray[Any],
    weights: NDArray[Any],
    *,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    groups: int = 1,
    pad_value: int = 0,
) -> NDArray[np.int64]:
    """Return the exact convolution sums.

    Parameters
    ----------
    inputs : (N, C, H, W) array of int
        C over all groups.
    weights : (K, C / groups, R, S) array of int
        K over all groups.
    stride, dilation : tuple of int
        (rows, columns).
    padding : tuple of int
        (top, left, bottom, right).
    groups : int
        Divides C and K.
    pad_value : int
        What the padding holds; the input zero point where inputs have one (precision reference, 7.4).

    Returns
    -------
    (N, K, P, Q) array of int64

    Raises
    ------
    SpecError
        Shapes that do not fit each other.
    """
    N, C, H, W = inputs.shape
    K, depth, R, S = weights.shape
    if C != depth * groups or K % groups:
        raise SpecError("weights.shape", weights.shape, f"{groups} groups over {C} channels", "correct groups or shapes")
    top, left, bottom, right = padding
    P = (H + top + bottom - (R - 1) * dilation[0] - 1) // stride[0] + 1
    Q = (W + left + right - (S - 1) * dilation[1] - 1) // stride[1] + 1
    step = (*stride, *dilation)
    if P < 1 or Q < 1:
        raise SpecError("inputs.shape", inputs.shape, "at least the dilated filter", "enlarge the input or the padding")
    kind = _product_type(inputs, weights, pad_value, depth * R * S)
    padded = np.full((N, C, H + top + bottom, W + left + right), pad_value, kind)
    padded[:, :, top : top + H, left : left + W] = inputs
    flat = weights.reshape(groups, K // groups, depth, R, S).transpose(0, 3, 4, 2, 1).astype(kind)
    if depth == 1:
        return _shifted(padded, flat[:, :, :, 0], step, (P, Q)).reshape(N, K, P, Q).astype(np.int64)
    out = np.empty((N, groups, K // groups, P, Q), np.int64)
    rows = max(1, _CHUNK_ELEMENTS // (R * S * depth * Q))
    for n in range(N):
        for g in range(groups):
            image = padded[n, g * depth : (g + 1) * depth]
            matrix = flat[g].reshape(R * S * depth, -1)
            for p in range(0, P, rows):
                part = _columns(image[:, p * stride[0] :], (R, S), step, (min(rows, P - p), Q))
                out[n, g, :, p : p + rows] = (matrix.T @ part).reshape(-1, min(rows, P - p), Q)
    return out.reshape(N, K, P, Q)


def gemm(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """Return the exact product of (M, K) and (K, N) integers as int64."""
    kind = _product_type(a, b, 0, a.shape[-1])
    return (a.astype(kind) @ b.astype(kind)).astype(np.int64)


def wrap(values: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Return `values` modulo 2**bits as signed numbers: what a register of `bits` bits (2 to 63) keeps.

    Two's complement addition wraps the same whatever the order of a sum, so one wrap at the end is exact.
    """
    half = np.int64(1) << (bits - 1)
    return ((np.asarray(values, np.int64) + half) & ((half << 1) - 1 if bits < 63 else np.int64(2**63 - 1))) - half


def _product_type(a: NDArray[Any], b: NDArray[Any], extra: int, terms: int) -> type:
    """Return float64 where every partial sum is an exact double (BLAS is ~30x faster than int64), else int64."""
    if not a.size or not b.size:
        return np.int64
    largest = max(-int(a.min()), int(a.max()), abs(extra)) * max(-int(b.min()), int(b.max()))
    return np.float64 if largest * terms < _EXACT_FLOAT else np.int64


def _columns(image: NDArray[Any], taps: tuple[int, int], step: tuple[int, ...], size: tuple[int, int]) -> NDArray[Any]:
    """Return im2col: (R * S * C, P * Q) of a padded (C, H, W) image."""
    (R, S), channels = taps, image.shape[0]
    columns = np.empty((R, S, channels, *size), image.dtype)
    for r in range(R):
        for s in range(S):
            columns[r, s] = _tap(image, (r, s), step, size)
    return columns.reshape(R * S * channels, -1)


def _shifted(padded: NDArray[Any], taps: NDArray[Any], step: tuple[int, ...], size: tuple[int, int]) -> NDArray[Any]:
    """Return depthwise sums (N, G, K, P, Q): one shifted image per tap, since a matrix product would be one row deep.

    `taps` is (G, R, S, K).
    """
    groups, R, S, multiplier = taps.shape
    out = np.zeros((padded.shape[0], groups, multiplier, *size), padded.dtype)
    for r in range(R):
        for s in range(S):
            out += _tap(padded, (r, s), step, size)[:, :, None] * taps[:, r, s, :, None, None]
    return out


def _tap(image: NDArray[Any], tap: tuple[int, int], step: tuple[int, ...], size: tuple[int, int]) -> NDArray[Any]:
    """Return the pixels (.., P, Q) that meet a filter tap (r, s); `step` is stride and dilation, rows before columns."""
    down, right, y, x = step[0], step[1], tap[0] * step[2], tap[1] * step[3]
    return image[..., y : y + (size[0] - 1) * down + 1 : down, x : x + (size[1] - 1) * right + 1 : right]
