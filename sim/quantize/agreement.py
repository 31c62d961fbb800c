"""How often a quantised classifier and the float one name the same class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.quantize.model import Feeds
from sim.quantize.network import QuantizedNetwork


@dataclass(frozen=True, slots=True)
class Agreement:
    """Classes of one image after the other; an input holds as many as the network's batch.

    Attributes
    ----------
    float_classes, integer_classes : tuple of int
        Index of the largest output, by image.
    errors : tuple of float
        By input, largest error among the graph's output tensors, before the host's part (of a classifier: the logits).
    steps : float
        Scale of the first of these tensors: what one unit of the last place is worth.
    margins : tuple of float
        In float, by image: largest output before the host's part less the second largest.
    """

    float_classes: tuple[int, ...]
    integer_classes: tuple[int, ...]
    errors: tuple[float, ...]
    margins: tuple[float, ...]
    steps: float

    @property
    def agreeing(self) -> int:
        """Images with equal classes."""
        return sum(a == b for a, b in zip(self.float_classes, self.integer_classes, strict=True))


def by_image(quantized: QuantizedNetwork, values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return an output with a row for each image of an input; one row where its first axis is not that of the images."""
    images = quantized.graph.tensor(quantized.graph.inputs[0]).N
    return values.reshape(images if values.shape[:1] == (images,) else 1, -1)


def classes_of(quantized: QuantizedNetwork, values: NDArray[np.generic]) -> tuple[int, ...]:
    """Return the classes that values of the first output name, by image: the largest, or what an ArgMax has found already."""
    rows, last = by_image(quantized, values), quantized.model.outputs[0]
    named = quantized.model.graph.elem_type(last) in ("INT32", "INT64")
    return tuple(int(row[0]) if named else int(row.argmax()) for row in rows)


def agreement(quantized: QuantizedNetwork, inputs: Iterable[Feeds | NDArray[np.float32]]) -> Agreement:
    """Run both networks on `inputs`, the integer one by its golden model.

    The class is that of the first output after the host's part; onnxruntime runs the float network.
    """
    model, logits, last = quantized.model, quantized.graph.outputs, quantized.model.outputs[0]
    session = model.session((*logits, last))
    float_classes: list[int] = []
    integer_classes: list[int] = []
    errors: list[float] = []
    margins: list[float] = []
    for entry in inputs:
        real, made = session(entry), quantized.run(entry)
        float_classes += classes_of(quantized, real[last])
        integer_classes += classes_of(quantized, quantized.host_outputs(made)[last])
        gaps = [np.abs(quantized.scale(name).real(made[name]).ravel() - real[name].ravel()).max() for name in logits]
        errors.append(float(max(gaps)))
        for row in by_image(quantized, real[logits[0]]):
            top = np.sort(row)
            margins.append(float(top[-1] - top[-2]) if len(top) > 1 else 0.0)
    return Agreement(tuple(float_classes), tuple(integer_classes), tuple(errors), tuple(margins), quantized.scale(logits[0]).step)
