"""What may lie side by side below a level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.nest.architecture import Fanout
from dataflows.workload import DIMS
from mappers.nest.proof.lattice import Lattice

__all__ = ["Spread", "spreads"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Ways to unroll dimensions over the instances below a level, most instances first.

    Attributes
    ----------
    positions : ndarray, int64, (n, 8)
        Positions of the factor of each dimension, all axes together.
    used : ndarray, int64, (n,)
        Instances in use.
    split : ndarray, int64, (n, axes, 8)
        The way to share the factors out among the axes that reaches least far along them: the skew of a systolic array
        depends on that, and no count on how they are shared.
    """

    positions: Ints
    used: Ints
    split: Ints


def spreads(lattice: Lattice, fanout: Fanout) -> Spread:
    """Return all ways whose factors divide the sizes."""
    sizes = np.array(lattice.sizes)
    product, split = np.ones((1, len(DIMS)), dtype=np.int64), np.ones((1, 0, len(DIMS)), dtype=np.int64)
    reach = np.zeros(1, dtype=np.int64)
    for axis in fanout.axes:
        alone = _along(lattice, axis.size, axis.dims)
        both = product[:, None] * alone[None]
        first, second = np.nonzero((sizes % both == 0).all(axis=2))
        length = reach[first] + alone[second].prod(axis=1)
        near = np.argsort(length, kind="stable")
        first, second, length = first[near], second[near], length[near]
        product, kept = np.unique(both[first, second], axis=0, return_index=True)
        split, reach = np.concatenate([split[first[kept]], alone[second[kept], None]], axis=1), length[kept]
    used = product.prod(axis=1)
    at = np.argsort(-used, kind="stable")
    positions = np.stack(
        [np.searchsorted(divs, column) for divs, column in zip(lattice.divs, product[at].T, strict=True)], axis=1
    )
    return Spread(positions, used[at], split[at])


def _along(lattice: Lattice, size: int, dims: str) -> Ints:
    """Return extents of all dimensions along one axis, (n, 8)."""
    found = np.ones((1, 0), dtype=np.int64)
    for dim, divs in zip(DIMS, lattice.divs, strict=True):
        allowed = divs[divs <= size] if dim in dims else divs[:1]
        found = np.concatenate([np.repeat(found, len(allowed), axis=0), np.tile(allowed, len(found))[:, None]], axis=1)
        found = found[found.prod(axis=1) <= size]
    return found
