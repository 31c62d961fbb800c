"""What the accelerator does with one float tensor after the other: steps, before any integer is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dataflows.workload import Layer
from sim.quantize.pointwise import Chain

Floats = NDArray[np.float64]
Shape = tuple[int, int, int, int]


def _none() -> Floats:
    return np.zeros((0, 1, 1, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation in real numbers.

    Attributes
    ----------
    layer : Layer
    reads : tuple of str
        Tensors of the float model, or of other steps.
    makes : str
        Tensor.
    weights, bias : array
        Of a ``mac``: (K, C / G, R, S) and (K,); empty for others.
    signs : tuple of int
        Of an ``add``: 1 or -1 per operand.
    like : str
        Tensor of the float model whose range `makes` has; itself when empty.
    """

    layer: Layer
    reads: tuple[str, ...]
    makes: str
    weights: Floats = field(default_factory=_none)
    bias: Floats = field(default_factory=_none)
    signs: tuple[int, int] = (1, 1)
    like: str = ""

    @property
    def range_of(self) -> str:
        """Tensor of the float model whose range `makes` has."""
        return self.like or self.makes


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A step with what follows it in the post unit.

    Attributes
    ----------
    step : Step
    output : str
        Tensor that reaches memory.
    chain : Chain or None
        `output` as a function of what the step makes; None when they are the same.
    like : str
        Tensor of the float model whose range `output` has, where that is another than itself or what the step says.
    """

    step: Step
    output: str
    chain: Chain | None = None
    like: str = ""

    @property
    def range_of(self) -> str:
        """Tensor of the float model whose range `output` has."""
        if self.like:
            return self.like
        return self.output if self.chain is not None else self.step.range_of


def identity(name: str, source: str, shape: Shape) -> Step:
    """Return the step that copies a tensor, so that a function may follow: an average over one pixel."""
    N, C, H, W = shape
    return Step(Layer(name, N=N, G=C, K=1, C=1, P=H, Q=W, H=H, W=W, op="average"), (source,), source)
