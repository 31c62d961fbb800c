"""Tensors of a layer cut into the words the array sees, and its outputs by definition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.tiling import Blocking
from dataflows.workload import Layer

Reals = NDArray[np.float64]
LARGEST = 8
BORDER = 3.0
"""What stands outside the image: not zero, so that a tap taken for another shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """One layer in words of the array; unused lanes are zero.

    Attributes
    ----------
    inputs : (N, groups, channel blocks, y, x, rows) array
        With the border that taps reach. A group here is a block of groups where they share the array.
    weights : (groups, output blocks, channel blocks, R, S, rows, cols) array
        All weights of a fold; block-diagonal where groups share the array.
    outputs : (N, groups, output blocks, P, Q, cols) array
        What must come out.
    """

    inputs: Reals
    weights: Reals
    outputs: Reals

    @classmethod
    def random(cls, layer: Layer, acc: Accelerator, seed: int = 0) -> Words:
        """Draw small integers for all operands."""
        rng = np.random.default_rng(seed)
        image = rng.integers(-LARGEST, LARGEST, (layer.N, layer.G, layer.C, layer.H, layer.W)).astype(np.float64)
        taps = rng.integers(-LARGEST, LARGEST, (layer.G, layer.K, layer.C, layer.R, layer.S)).astype(np.float64)
        image = bordered(layer, image)
        bk = Blocking.of(layer, acc)
        side_by_side = bk.packed if bk.packed > 1 else 1
        inputs = _in_blocks(image, side_by_side, acc.array.rows)
        outputs = _in_blocks(convolved(layer, image, taps), side_by_side, acc.array.cols)
        return cls(inputs, _fold_weights(taps, side_by_side, acc), outputs)


def bordered(layer: Layer, image: Reals) -> Reals:
    """Return the part of the image that some tap reads, with its border."""
    reach = [
        (outputs - 1) * layer.stride[axis] + (taps - 1) * layer.dilation[axis] + 1
        for axis, (outputs, taps) in enumerate(((layer.P, layer.R), (layer.Q, layer.S)))
    ]
    margin = [(layer.padding[axis], max(0, reach[axis] - layer.padding[axis] - image.shape[3 + axis])) for axis in range(2)]
    padded = np.pad(image, ((0, 0), (0, 0), (0, 0), *margin), constant_values=BORDER)
    return padded[..., : reach[0], : reach[1]]


def convolved(layer: Layer, image: Reals, taps: Reals) -> Reals:
    """Return the outputs (N, G, K, P, Q) of a bordered image by definition, one filter tap after the other."""
    total = np.zeros((layer.N, layer.G, layer.K, layer.P, layer.Q))
    for r in range(layer.R):
        for s in range(layer.S):
            seen = image[..., r * layer.dilation[0] :: layer.stride[0], s * layer.dilation[1] :: layer.stride[1]]
            total += np.einsum("ngcpq,gkc->ngkpq", seen[..., : layer.P, : layer.Q], taps[..., r, s])
    return total


def _in_blocks(tensor: Reals, groups: int, lanes: int) -> Reals:
    """Cut (N, G, channels, y, x) into (N, groups, blocks, y, x, lanes), `groups` groups side by side."""
    images, count, channels, height, width = tensor.shape
    tensor = np.pad(tensor, ((0, 0), (0, -count % groups), (0, 0), (0, 0), (0, 0)))
    tensor = tensor.reshape(images, -1, groups * channels, height, width)
    tensor = np.pad(tensor, ((0, 0), (0, 0), (0, -tensor.shape[2] % lanes), (0, 0), (0, 0)))
    return np.ascontiguousarray(np.moveaxis(tensor.reshape(*tensor.shape[:2], -1, lanes, height, width), 3, -1))


def _fold_weights(taps: Reals, groups: int, acc: Accelerator) -> Reals:
    """Cut (G, K, C, R, S) into (groups, K blocks, C blocks, R, S, rows, cols)."""
    count, k, c, high, wide = taps.shape
    rows, cols = acc.array.rows, acc.array.cols
    count = -(-count // groups)
    full = np.zeros((count, -(-groups * k // cols) * cols, -(-groups * c // rows) * rows, high, wide))
    for group, each in enumerate(taps):
        at, member = divmod(group, groups)
        full[at, member * k : (member + 1) * k, member * c : (member + 1) * c] = each
    full = full.reshape(count, -1, cols, full.shape[2] // rows, rows, high, wide)
    return np.ascontiguousarray(full.transpose(0, 1, 3, 5, 6, 4, 2))
