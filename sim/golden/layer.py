"""The golden model of one layer: what every mapping on every accelerator must produce, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.workload import Layer
from sim.golden.accumulate import conv, wrap
from sim.golden.channelwise import channel_sums
from sim.golden.requantize import Mode, requantize
from sim.tensors import LayerTensors


def golden_accumulators(layer: Layer, tensors: LayerTensors) -> NDArray[np.int64]:
    """Return the exact sums with bias, (N, K, P, Q), not wrapped; the definition, with the zero point where it belongs."""
    tensors.check(layer)
    if layer.op != "mac":
        return channel_sums(layer, centred_operands(layer, tensors), tensors.coefficients) + tensors.bias[:, None, None]
    centred = tensors.inputs.astype(np.int64) - tensors.input_zero_point
    sums = conv(
        centred, tensors.weights, stride=layer.stride, dilation=layer.dilation, padding=layer.padding, groups=layer.G
    )[:, :, : layer.P, : layer.Q]  # fmt: skip
    return sums + tensors.bias[:, None, None]


def centred_operands(layer: Layer, tensors: LayerTensors) -> list[NDArray[np.int64]]:
    """Return the operands of an operation channel by channel less their zero points, as `channel_sums` takes them."""
    x, zero, other_zero = tensors.inputs.astype(np.int64), tensors.input_zero_point, tensors.other_zero_point
    if layer.op == "add":
        return [x[:, 0::2] - zero, x[:, 1::2] - other_zero]
    factors = tensors.weights.astype(np.int64).reshape(layer.N, -1, 1, 1)
    return [x - zero, *([factors - other_zero] if layer.op == "multiply" else [])]


def golden_layer(layer: Layer, tensors: LayerTensors, *, acc_bits: int = 32, mode: Mode | None = None) -> NDArray[np.int64]:
    """Return the layer's outputs.

    Parameters
    ----------
    layer : Layer
        Shapes, stride, padding, dilation, groups, activation (already in the tensors' bounds).
    tensors : LayerTensors
        See there.
    acc_bits : int
        Sums wrap modulo 2**acc_bits.
    mode : str, optional
        Rounding, see `requantize`; that of `tensors` if there is none.

    Returns
    -------
    (N, K, P, Q) array of int64
        Stored values, K over all groups.

    Raises
    ------
    SpecError
        Tensors that do not belong to `layer`.
    """
    clipped = requantize(
        wrap(golden_accumulators(layer, tensors), acc_bits), tensors.multiplier[:, None, None], tensors.shift[:, None, None],
        zero_point=tensors.output_zero_point, low=tensors.low, high=tensors.high,
        mode=mode or tensors.rounding,
    )  # fmt: skip
    return clipped if tensors.table is None else look_up(tensors.table, clipped)


def look_up(table: NDArray[np.integer], values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the entries of stored values; the table begins with that of the lowest one."""
    return table.astype(np.int64)[values + len(table) // 2]


def fold_zero_point(bias: NDArray[np.integer], weights: NDArray[np.integer], input_zero_point: int) -> NDArray[np.int64]:
    """Return the bias that makes sums over stored inputs equal sums over true ones (precision reference, 7.4).

    ``sum((x - z) w) + bias == sum(x w) + (bias - z sum(w))``, provided padding holds z. `weights` is (K, C / G, R, S);
    the result (K,) may need wrapping to the accumulator's width.
    """
    return bias.astype(np.int64) - input_zero_point * weights.astype(np.int64).sum(axis=(1, 2, 3))
