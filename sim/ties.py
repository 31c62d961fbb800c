"""Sums on the edge between two outputs: then every bit of bias, multiplier and shift decides what comes out.

A wrong low bit of a multiplier moves a random sum by a millionth of an output step, which nobody sees. It moves a sum that
lies just at, or just below, the value where the output changes over that value.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dataflows.arch import MULTIPLIER_BITS
from dataflows.workload import Layer
from sim.golden.accumulate import wrap
from sim.golden.layer import golden_accumulators
from sim.golden.requantize import MAX_SHIFT
from sim.tensors import LayerTensors

__all__ = ["at_ties"]


def at_ties(layer: Layer, tensors: LayerTensors, rng: np.random.Generator, *, acc_bits: int = 32) -> LayerTensors:
    """Draw new biases, multipliers and shifts that bring every channel's first sum to the edge of an output.

    Parameters
    ----------
    layer : Layer
    tensors : LayerTensors
        Operands, zero points, bounds and rounding stay; there is no table any more.
    rng : numpy.random.Generator
    acc_bits : int
        Accumulator width. Sums are of any size up to it, and larger than the channel's multiplier.

    Returns
    -------
    LayerTensors
        With ``sum * multiplier / 2**shift`` of the first pixel of the first image just not below a multiple of a half, or the
        closest sum below that.
    """
    sums = golden_accumulators(layer, replace(tensors, bias=np.zeros_like(tensors.bias)))[0, :, 0, 0]
    drawn = [_edge(tensors, rng, acc_bits) for _ in sums]
    wanted, multiplier, shift = (np.array(values, np.int64) for values in zip(*drawn, strict=True))
    # A table may have one entry for both outputs.
    return replace(tensors, bias=wrap(wanted - sums, acc_bits), multiplier=multiplier, shift=shift, table=None)


def _edge(tensors: LayerTensors, rng: np.random.Generator, acc_bits: int) -> tuple[int, int, int]:
    """Return a sum at an edge, and the multiplier and shift that make it one."""
    output = int(rng.integers(tensors.low, tensors.high + 1)) - tensors.output_zero_point
    between = tensors.rounding not in ("floor", "toward_zero")  # where outputs change: at halves or at whole numbers
    halves = 2 * output + (int(rng.choice((-1, 1))) if between != (rng.random() < 1 / 8) else 0) or 2
    bits = int(rng.integers(1, min(MULTIPLIER_BITS, acc_bits)))
    multiplier = int(rng.integers(1 << bits - 1, 1 << bits))
    # A multiplier's lowest bit moves the product by the sum; that is over the edge if the sum is larger than the multiplier.
    size = 2.0 ** rng.uniform(bits, acc_bits - 1)
    below = max(0, min(MAX_SHIFT - 1, round(math.log2(size * multiplier / abs(halves)))))
    most = (1 << acc_bits - 1) - 1
    while below and abs(halves) << below >= most * multiplier:
        below -= 1
    total = -(-(halves << below) // multiplier) - int(rng.integers(2))
    return max(-most, min(most, total)), multiplier, below + 1
