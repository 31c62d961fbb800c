"""The phases of a transposed convolution, computed one by one in NumPy and interleaved."""

from __future__ import annotations

import itertools

import numpy as np


def convolved(layer, x, w):
    """The layer's outputs by definition: weights (G * K, C, R, S)."""
    top, left, bottom, right = layer.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    out = np.zeros((layer.N, layer.G * layer.K, layer.P, layer.Q))
    for g, r, s in itertools.product(range(layer.G), range(layer.R), range(layer.S)):
        y, x0 = r * layer.dilation[0], s * layer.dilation[1]
        seen = padded[:, g * layer.C : (g + 1) * layer.C, y : y + layer.P, x0 : x0 + layer.Q]
        taps = w[g * layer.K : (g + 1) * layer.K, :, r, s]
        out[:, g * layer.K : (g + 1) * layer.K] += np.einsum("kc,ncpq->nkpq", taps, seen)
    return out


def by_phases(split, case, x, w):
    """Run every phase as an ordinary convolution and interleave."""
    groups = case["G"]
    filters = w.reshape(groups, case["C"] // groups, case["K"] // groups, *w.shape[2:]).swapaxes(1, 2)
    filters = filters.reshape(case["K"], case["C"] // groups, *w.shape[2:])
    out = np.zeros((case["N"], case["K"], split.P, split.Q))
    for phase in split.phases:
        rows, cols = phase.rows, phase.cols
        seen = x[:, :, rows.begin : rows.begin + rows.size, cols.begin : cols.begin + cols.size]
        part = convolved(phase.layer, seen, filters[:, :, rows.taps][:, :, :, cols.taps])
        out[:, :, rows.offset :: case["stride"][0], cols.offset :: case["stride"][1]] = part
    return out
