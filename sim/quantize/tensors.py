"""The integers of one quantised layer, ready for the golden model and the hardware."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedLayer:
    """Tensors and requantisation parameters of a layer.

    ``y = clip(((acc * multiplier + 2**(shift-1)) >> shift) + output_zero_point, low, high)`` with
    ``acc = sum((x - input_zero_point) * w) + bias`` (precision reference, 7.3 single rounding; docs/hardware.md folds the
    input zero point into the bias).

    Attributes
    ----------
    layer : Layer
        Shape; a GEMM's rows lie along W and Q.
    inputs : (N, C_total, H, W) array of int8
    weights : (K_total, C_per_group, R, S) array of int8
        Symmetric: zero point 0.
    bias : (K_total,) array of int32
        At scale input scale * weight scale, input zero point *not* folded in. Whatever the inputs, accumulators and the
        folded bias fit 32 bits.
    input_zero_point, output_zero_point : int
    multiplier : (K_total,) array of int64
        In [2**30, 2**31), or 0 where the scale is too small to matter.
    shift : (K_total,) array of int64
        1 to 62.
    low, high : int
        Clip bounds: int8 and the activation in one.
    reference : (N, K_total, P, Q) array of int8, or None
        What onnxruntime computed. It requantises in float32, so it may differ by one; see `compare`.
    """

    layer: Layer
    inputs: NDArray[np.int8]
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    input_zero_point: int
    output_zero_point: int
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    low: int
    high: int
    reference: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        size = self.layer
        channels = (size.G * size.K,)
        expected = {
            "inputs": (size.N, size.G * size.C, size.H, size.W), "weights": (*channels, size.C, size.R, size.S),
            "bias": channels, "multiplier": channels, "shift": channels, "reference": (size.N, *channels, size.P, size.Q),
        }  # fmt: skip
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise SpecError(f"{size.name}.{name}", array.shape, str(shape), "give tensors of the layer's shape")


@dataclass(frozen=True, slots=True)
class Difference:
    """How two quantised tensors differ.

    Attributes
    ----------
    name : str
        Layer.
    largest : int
        Largest absolute difference, in units of the last place.
    differing, elements : int
        Elements that differ, and all.
    """

    name: str
    largest: int
    differing: int
    elements: int

    @property
    def share(self) -> float:
        """Part of the elements that differ."""
        return self.differing / self.elements


def compare(layer: QuantizedLayer, outputs: NDArray[np.integer]) -> Difference:
    """Compare computed outputs with onnxruntime's.

    Parameters
    ----------
    layer : QuantizedLayer
        With a reference.
    outputs : (N, K_total, P, Q) array of int
        From the golden model or the hardware.

    Raises
    ------
    SpecError
        No reference, or another shape.
    """
    name = layer.layer.name
    if layer.reference is None or outputs.shape != layer.reference.shape:
        want = "a layer with reference outputs" if layer.reference is None else str(layer.reference.shape)
        raise SpecError(f"{name}.outputs", outputs.shape, want, "compare outputs of the same layer")
    gap = np.abs(outputs.astype(np.int64) - layer.reference)
    return Difference(name, int(gap.max()), int(np.count_nonzero(gap)), gap.size)
