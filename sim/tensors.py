"""Integer tensors of one layer: what a quantised network hands to the compiler and to the golden model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.rounding import ROUNDINGS, Rounding
from dataflows.workload import Layer
from sim.golden.requantize import MAX_SHIFT, quantize_multiplier

# Scales on which rounding modes differ often; any power of two times them does the same (precision reference, 7.3).
TIE_SCALES = (0.1, 2**-4, 0.375)


@dataclass(frozen=True, slots=True, eq=False)
class LayerTensors:
    """Quantised tensors and constants of one layer. K and C below are totals over all groups.

    Attributes
    ----------
    inputs : (N, C, H, W) array of int
        Stored (quantised) values, signed `input_bits`. A GEMM's A (M x K) is (1, K, 1, M).
    weights : (K, C / G, R, S) array of int
        Signed `weight_bits`, zero point 0.
    bias : (K,) array of int
        In units of input scale times weight scale; the input zero point is *not* folded in.
    multiplier, shift : (K,) array of int
        Output scale per channel, see `sim.golden.requantize`.
    input_zero_point, output_zero_point : int
        Stored values that mean 0.
    low, high : int
        Clip bounds: output type and activation in one.
    table : (2**input_bits,) array of int, or None
        What a clipped value is replaced by, from the lowest stored value on; signed `input_bits`.
    rounding : str
        How the final shift rounds, see `dataflows.rounding`.
    """

    inputs: NDArray[np.integer]
    weights: NDArray[np.integer]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    input_zero_point: int
    output_zero_point: int
    low: int
    high: int
    table: NDArray[np.integer] | None = None
    rounding: Rounding = "single"

    def check(self, layer: Layer) -> None:
        """Raise `SpecError` where shapes or ranges are not those of `layer`."""
        channels = layer.G * layer.K
        shapes = {
            "inputs": (layer.N, layer.G * layer.C, layer.H, layer.W),
            "weights": (channels, layer.C, layer.R, layer.S),
            "bias": (channels,), "multiplier": (channels,), "shift": (channels,),
        }  # fmt: skip
        widths = {
            "inputs": layer.input_bits, "weights": layer.weight_bits, "input_zero_point": layer.input_bits,
            "output_zero_point": layer.input_bits, "low": layer.input_bits, "high": layer.input_bits,
        }  # fmt: skip
        if self.table is not None:
            shapes["table"], widths["table"] = (1 << layer.input_bits,), layer.input_bits
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise SpecError(f"{layer.name}.{name}", found, f"shape {shape}", "reshape the tensor")
        for name, width in widths.items():
            value = np.asarray(getattr(self, name))
            if value.min() < -(1 << (width - 1)) or value.max() >= 1 << (width - 1):
                found = [int(value.min()), int(value.max())]
                raise SpecError(f"{layer.name}.{name}", found, f"signed {width}-bit values", "requantise")
        for name, least, most in (("shift", 1, MAX_SHIFT), ("multiplier", 0, (1 << 32) - 1)):
            value = getattr(self, name)
            if value.min() < least or value.max() > most:
                raise SpecError(f"{layer.name}.{name}", value.tolist(), f"{least} to {most}", "use quantize_multiplier")
        if self.rounding not in ROUNDINGS:
            raise SpecError(f"{layer.name}.rounding", self.rounding, ", ".join(ROUNDINGS), "round in one of these ways")
        if self.low > self.high:
            raise SpecError(f"{layer.name}.low", self.low, f"at most high = {self.high}", "swap the bounds")


def random_tensors(layer: Layer, rng: np.random.Generator, *, acc_bits: int = 32) -> LayerTensors:
    """Return tensors that reach the corners of the arithmetic.

    Operands cover their whole range with extremes and zeros in excess; zero points are arbitrary; scales are those that
    provoke ties, brought to where outputs spread over their range and some saturate; one bias in eight is at an end
    of the accumulator's range or anywhere in it, so that sums wrap.

    Parameters
    ----------
    layer : Layer
        Shapes and widths.
    rng : numpy.random.Generator
        Source of randomness.
    acc_bits : int
        Accumulator width.
    """
    bits, channels = layer.input_bits, layer.G * layer.K
    half = 1 << (bits - 1)
    input_zero = int(rng.integers(-half, half))
    deviation = _deviation(layer, input_zero)
    bias = rng.normal(0, deviation, channels).astype(np.int64)
    wild = rng.random(channels) < 1 / 8
    edge = 1 << (acc_bits - 1)
    bias[wild] = rng.choice([-edge, edge - 1, int(rng.integers(-edge, edge))], int(wild.sum()))
    limit = min(deviation, edge / math.sqrt(3))  # wrapped sums are uniform
    pairs = [quantize_multiplier(_near(half / 2 / limit, rng)) for _ in range(channels)]
    output_zero = int(rng.integers(-half, half)) if layer.activation == "none" else int(rng.integers(-half, 0))
    return LayerTensors(
        inputs=_operands((layer.N, layer.G * layer.C, layer.H, layer.W), bits, rng),
        weights=_operands((channels, layer.C, layer.R, layer.S), layer.weight_bits, rng),
        bias=np.clip(bias, -edge, edge - 1),
        multiplier=np.array([q for q, _ in pairs], np.int64),
        shift=np.array([t for _, t in pairs], np.int64),
        input_zero_point=input_zero,
        output_zero_point=output_zero,
        low=-half if layer.activation == "none" else output_zero,
        high=int(rng.integers(output_zero + 1, half)) if layer.activation == "relu6" else half - 1,
    )


def _operands(shape: tuple[int, ...], bits: int, rng: np.random.Generator) -> NDArray[np.integer]:
    half = 1 << (bits - 1)
    values = rng.integers(-half, half, shape, np.int16 if bits > 8 else np.int8)
    corner = rng.random(shape) < 0.1
    values[corner] = rng.choice(np.array([-half, -half, half - 1, 0, -1, 1], values.dtype), int(corner.sum()))
    return values


def _deviation(layer: Layer, input_zero: int) -> float:
    """Return the standard deviation of a layer's sums for uniform operands."""
    spread = (1 << layer.input_bits) ** 2 / 12 + input_zero**2
    return math.sqrt(layer.C * layer.R * layer.S * spread * (1 << layer.weight_bits) ** 2 / 12)


def _near(target: float, rng: np.random.Generator) -> float:
    """Return a tie-provoking or random scale within a factor of two of `target`."""
    base = rng.choice([*TIE_SCALES, rng.uniform(0.5, 1)])
    return float(base * 2.0 ** round(math.log2(target / base)))
