"""Many mappings of one layer on one architecture at a time, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture
from dataflows.nest.nest import spelled_out
from dataflows.nest.rules import TENSORS
from dataflows.residency import letters, resident
from dataflows.workload import DIMS

__all__ = ["Points", "directions"]

Ints = NDArray[np.int64]
_AT = {dim: at for at, dim in enumerate(DIMS)}


def directions(arch: Architecture) -> tuple[tuple[int, str], ...]:
    """Return (level, axis name) of every axis of an architecture, outermost level first."""
    return tuple((at, axis.name) for at, level in enumerate(arch.levels) for axis in level.fanout.axes)


@dataclass(frozen=True, slots=True)
class Points:
    """n mappings; levels run from the outermost, dimensions as in `DIMS`, tensors as in `TENSORS`.

    Attributes
    ----------
    time : ndarray, int64, (n, levels, 8)
        Extents of the loops over time.
    space : ndarray, int64, (n, axes, 8)
        Extents along each axis of `directions`.
    order : ndarray, int8, (n, levels, 8)
        A permutation of the dimensions' numbers at each level, outermost loop first.
    holds : ndarray, bool, (n, levels, 3)
        Whether a tensor stays at a level.
    """

    time: Ints
    space: Ints
    order: NDArray[np.int8]
    holds: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, at: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Points:
        """Return some of them."""
        return Points(self.time[at], self.space[at], self.order[at], self.holds[at])

    def mapping(self, arch: Architecture, at: int) -> Mapping:
        """Return one of them with every level spelled out; loops of extent 1 are left out."""
        axes = directions(arch)
        levels = []
        for number, level in enumerate(arch.levels):
            walked = [int(dim) for dim in self.order[at, number]]
            loops = [Loop(DIMS[dim], int(self.time[at, number, dim])) for dim in walked if self.time[at, number, dim] > 1]
            for which, (owner, axis) in enumerate(axes):
                if owner == number:
                    spread = self.space[at, which]
                    loops += [Loop(dim, int(spread[i]), axis=axis) for i, dim in enumerate(DIMS) if spread[i] > 1]
            held = letters(tensor for i, tensor in enumerate(TENSORS) if self.holds[at, number, i])
            levels.append(Level(f"{level.name}[{held}]", tuple(loops)))
        return Mapping(tuple(levels))

    @classmethod
    def of(cls, mappings: Sequence[Mapping], arch: Architecture) -> Points:
        """Return mappings as points; of several loops over one dimension at a level the product, where the outer one is.

        The inverse of `mapping` for what `mapping` returns. A nest with two loops over one dimension at one level, others
        between them, has no point of its own.
        """
        axes = {where: at for at, where in enumerate(directions(arch))}
        n, depth = len(mappings), len(arch.levels)
        time, space = np.ones((n, depth, 8), dtype=np.int64), np.ones((n, len(axes), 8), dtype=np.int64)
        order = np.empty((n, depth, 8), dtype=np.int8)
        holds = np.zeros((n, depth, 3), dtype=bool)
        for at, mapping in enumerate(mappings):
            for number, level in enumerate(spelled_out(mapping, arch).levels):
                walked: list[int] = []
                for loop in level.loops:
                    dim = _AT[loop.dim]
                    if loop.axis is not None:
                        space[at, axes[number, loop.axis], dim] *= loop.extent
                        continue
                    time[at, number, dim] *= loop.extent
                    if loop.extent > 1 and dim not in walked:
                        walked.append(dim)
                order[at, number] = [dim for dim in range(8) if dim not in walked] + walked
                said = resident(level.name)
                held = said.holds if said is not None and said.holds is not None else arch.levels[number].holds
                holds[at, number] = [tensor in held for tensor in TENSORS]
        return cls(time, space, order, holds)

    @classmethod
    def join(cls, parts: Sequence[Points]) -> Points:
        """Return all points of several sets."""
        return cls(
            np.concatenate([part.time for part in parts]), np.concatenate([part.space for part in parts]),
            np.concatenate([part.order for part in parts]), np.concatenate([part.holds for part in parts]),
        )  # fmt: skip
