"""Integer tensors of one layer: what a quantised network hands to the compiler and to the golden model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.fields import COEFFICIENT_BITS
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
        Stored (quantised) values, signed `input_bits`. A GEMM's A (M x K) is (1, K, 1, M). For ``add`` channels of the two
        tensors take turns: 2 g of the first, 2 g + 1 of the second.
    weights : (K, C / G, R, S) array of int
        Signed `weight_bits`, zero point 0. For ``multiply`` the second tensor, (N * G, 1, 1, 1), with a zero point of its
        own; for other operations channel by channel none, (0, 1, 1, 1).
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
    other_zero_point : int
        Stored value that means 0 in the second tensor of ``add`` and ``multiply``.
    coefficients : tuple of int
        For ``add``: what the two tensors, less their zero points, are multiplied by; signed 16 bits.
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
    other_zero_point: int = 0
    coefficients: tuple[int, int] = (1, 1)

    def check(self, layer: Layer) -> None:
        """Raise `SpecError` where shapes or ranges are not those of `layer`."""
        channels = layer.G * layer.K
        shapes = {
            "inputs": (layer.N, layer.G * layer.C, layer.H, layer.W),
            "weights": weight_shape(layer),
            "bias": (channels,), "multiplier": (channels,), "shift": (channels,),
        }  # fmt: skip
        widths = {
            "inputs": layer.input_bits, "weights": layer.weight_bits, "input_zero_point": layer.input_bits,
            "output_zero_point": layer.input_bits, "low": layer.input_bits, "high": layer.input_bits,
            "other_zero_point": layer.weight_bits if layer.op == "multiply" else layer.input_bits,
            "coefficients": COEFFICIENT_BITS,
        }  # fmt: skip
        if self.table is not None:
            shapes["table"], widths["table"] = (1 << layer.input_bits,), layer.input_bits
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise SpecError(f"{layer.name}.{name}", found, f"shape {shape}", "reshape the tensor")
        for name, width in widths.items():
            value = np.asarray(getattr(self, name))
            if value.size and (value.min() < -(1 << (width - 1)) or value.max() >= 1 << (width - 1)):
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


def weight_shape(layer: Layer) -> tuple[int, int, int, int]:
    """Return the shape of `LayerTensors.weights`."""
    if layer.op == "mac":
        return (layer.G * layer.K, layer.C, layer.R, layer.S)
    return (layer.weight_words, 1, 1, 1)


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
    other_zero = int(rng.integers(-half, half)) if layer.op == "add" else 0
    if layer.op == "multiply":
        other_zero = int(rng.integers(-(1 << layer.weight_bits - 1), 1 << layer.weight_bits - 1))
    coefficients = _coefficients(rng) if layer.op == "add" else (1, 1)
    deviation = _deviation(layer, input_zero, other_zero, coefficients)
    bias = rng.normal(0, deviation, channels).astype(np.int64)
    wild = rng.random(channels) < 1 / 8
    edge = 1 << (acc_bits - 1)
    bias[wild] = rng.choice([-edge, edge - 1, int(rng.integers(-edge, edge))], int(wild.sum()))
    limit = min(deviation, edge / math.sqrt(3))  # wrapped sums are uniform
    pairs = [quantize_multiplier(_near(half / 2 / limit, rng)) for _ in range(channels)]
    output_zero = int(rng.integers(-half, half)) if layer.activation == "none" else int(rng.integers(-half, 0))
    return LayerTensors(
        inputs=_operands((layer.N, layer.G * layer.C, layer.H, layer.W), bits, rng),
        weights=_operands(weight_shape(layer), layer.weight_bits, rng),
        bias=np.clip(bias, -edge, edge - 1),
        multiplier=np.array([q for q, _ in pairs], np.int64),
        shift=np.array([t for _, t in pairs], np.int64),
        input_zero_point=input_zero,
        output_zero_point=output_zero,
        low=-half if layer.activation == "none" else output_zero,
        high=int(rng.integers(output_zero + 1, half)) if layer.activation == "relu6" else half - 1,
        other_zero_point=other_zero, coefficients=coefficients,
    )  # fmt: skip


def with_zeros(tensors: LayerTensors, rng: np.random.Generator) -> LayerTensors:
    """Return tensors of which many inputs and outputs are zero: of inputs a random share, of outputs those below a new bound.

    Half of the time outputs are clipped at their zero point, as by a ReLU, and now and then at a value below or above it.
    """
    inputs = tensors.inputs.copy()
    inputs[rng.random(inputs.shape) < rng.choice([0, 0.3, 0.7, 0.9, 0.99, 1])] = tensors.input_zero_point
    low = int(rng.choice([tensors.low, tensors.output_zero_point, int(rng.integers(tensors.low, tensors.high + 1))]))
    return replace(tensors, inputs=inputs, low=min(low, tensors.high))


def _operands(shape: tuple[int, ...], bits: int, rng: np.random.Generator) -> NDArray[np.integer]:
    half = 1 << (bits - 1)
    values = rng.integers(-half, half, shape, np.int16 if bits > 8 else np.int8)
    corner = rng.random(shape) < 0.1
    values[corner] = rng.choice(np.array([-half, -half, half - 1, 0, -1, 1], values.dtype), int(corner.sum()))
    return values


def _coefficients(rng: np.random.Generator) -> tuple[int, int]:
    """Return two coefficients of an addition: of any size and sign, and often at the ends of their range."""
    edge = 1 << (COEFFICIENT_BITS - 1)
    first, second = (int(rng.choice([1, -edge, edge - 1, int(rng.integers(-edge, edge))])) for _ in range(2))
    return first, second


def _deviation(layer: Layer, input_zero: int, other_zero: int, coefficients: tuple[int, int]) -> float:
    """Return the standard deviation of a layer's sums for uniform operands, or a bound where the largest is kept."""
    spread = (1 << layer.input_bits) ** 2 / 12 + input_zero**2
    if layer.op == "add":
        other = (1 << layer.input_bits) ** 2 / 12 + other_zero**2
        return math.sqrt(spread * coefficients[0] ** 2 + other * coefficients[1] ** 2) + 1
    if layer.op == "multiply":
        return math.sqrt(spread * ((1 << layer.weight_bits) ** 2 / 12 + other_zero**2))
    if layer.op != "mac":
        return math.sqrt(spread * (layer.R * layer.S if layer.op == "average" else 1))
    return math.sqrt(layer.C * layer.R * layer.S * spread * (1 << layer.weight_bits) ** 2 / 12)


def _near(target: float, rng: np.random.Generator) -> float:
    """Return a tie-provoking or random scale within a factor of two of `target`."""
    base = rng.choice([*TIE_SCALES, rng.uniform(0.5, 1)])
    return float(base * 2.0 ** round(math.log2(target / base)))
