"""What tiles take at a level, quickly: for repairing mappings before they are costed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.accesses import width
from dataflows.nest.architecture import Architecture
from dataflows.nest.nest import bind
from dataflows.nest.rules import RELEVANT, TENSORS, Rules
from dataflows.workload import DIMS, Layer
from mappers.nest.chains import Ints

__all__ = ["Footprint"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_P, _Q, _R, _S = (DIMS.index(dim) for dim in "PQRS")
_WORDS = [
    [at for at, dim in enumerate(DIMS) if dim in RELEVANT[tensor] - set("PQRS" if tensor == "inputs" else "")]
    for tensor in TENSORS
]


class Footprint:
    """Tells which tiles fit a level.

    It agrees with the model but for these: compressed tensors count as dense, a row that is not full counts as its share where
    a level keeps whole rows, and windows with gaps may count too much.

    Parameters
    ----------
    layer, arch, rules : Layer, Architecture, Rules
        What is mapped, on what, counted how.
    """

    def __init__(self, layer: Layer, arch: Architecture, rules: Rules) -> None:
        self.layer, self.arch, self._exact = layer, arch, rules.window == "exact"
        nest = bind(layer, arch, Mapping((Level(arch.levels[0].name, tuple(Loop(dim, getattr(layer, dim)) for dim in DIMS)),)))
        widths = [[width(nest, level, tensor, rules).partial for tensor in TENSORS] for level in range(len(arch.levels))]
        self._bits = np.array(widths[::-1], dtype=np.float64) * [[level.copies] for level in arch.levels]

    def bits(self, level: int, extents: Ints) -> Floats:
        """Return the bits that tiles of some extents, (n, 8), take at a level counted from the outermost, (n, 3)."""
        sizes = extents.astype(np.float64)
        words = np.stack([sizes[:, dims].prod(axis=1) for dims in _WORDS], axis=1)
        ly = self.layer
        for moved, kernel, stride, dilation in ((_P, _R, ly.stride[0], ly.dilation[0]), (_Q, _S, ly.stride[1], ly.dilation[1])):
            rows = (sizes[:, moved] - 1) * stride + (sizes[:, kernel] - 1) * dilation + 1
            if self._exact:  # no more than are used; with gaps in between still as many as the model counts, or more
                rows = np.minimum(rows, sizes[:, moved] * sizes[:, kernel])
            words[:, 1] *= rows
        return words * self._bits[level]

    def fits(self, level: int, extents: Ints, holds: Mask) -> Mask:
        """Return which tiles fit one instance that holds some tensors, (n, 3)."""
        bound = self.arch.levels[level].capacity_bits
        if bound is None:
            return np.ones(len(extents), dtype=bool)
        bits = self.bits(level, extents) * holds
        if isinstance(bound, tuple):
            return np.all(bits <= [np.inf if each is None else each for each in bound], axis=1)
        return bits.sum(axis=1) <= bound

    def dropped(self, level: int, extents: Ints, holds: Mask) -> Mask:
        """Leave out the largest tensors, one by one until the tiles fit, or those too large for a room of their own."""
        bound, bits = self.arch.levels[level].capacity_bits, self.bits(level, extents)
        if isinstance(bound, tuple):
            return holds & (bits <= [np.inf if each is None else each for each in bound])
        holds = holds.copy()
        for _ in TENSORS:
            over = np.flatnonzero(~self.fits(level, extents, holds))
            holds[over, (bits * holds)[over].argmax(axis=1)] = False
        return holds
