"""Ways to split the size of a dimension over a chain of loops, counted and drawn without listing them.

A chain is read from the inside: a loop of extent x over what is left leaves the rest to the loops outside it. Exact chains
split off divisors. Padded chains may split off any extent, ``left`` becoming ``ceil(left / x)``, if no smaller extent leaves as
little; the last loop takes all that is left. So a chain is a path through what is left, and paths are counted from their end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chains", "primes"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def primes(number: int) -> tuple[int, ...]:
    """Return the prime factors of a number, rising, each once."""
    found, factor = [], 2
    while factor * factor <= number:
        if number % factor == 0:
            found.append(factor)
            while number % factor == 0:
                number //= factor
        factor += 1
    return (*found, number) if number > 1 else tuple(found)


@dataclass(slots=True)
class Chains:
    """Splits of numbers.

    Attributes
    ----------
    padded : bool
        Whether extents may multiply to more than the size.
    """

    padded: bool
    _splits: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)
    _counts: dict[tuple[int, int], int] = field(default_factory=dict)

    def splits(self, left: int) -> tuple[Ints, Ints]:
        """Return every extent that may be split off, rising, and what it leaves."""
        if left not in self._splits:
            rests: set[int] = set()
            for part in range(1, math.isqrt(left - 1) + 2):  # beyond the root, rests are no larger than it
                if self.padded:
                    rests |= {part, -(-left // part)}
                elif left % part == 0:
                    rests |= {part, left // part}
            if self.padded:  # the least extent that leaves a rest; some rests no extent leaves
                rests = {rest for rest in rests if -(-left // -(-left // rest)) == rest}
            found = np.array(sorted(rests, reverse=True), dtype=np.int64)
            self._splits[left] = -(-left // found), found
        return self._splits[left]

    def count(self, left: int, loops: int) -> int:
        """Return the number of chains of so many loops."""
        if loops <= 1 or left == 1:
            return 1 if loops or left == 1 else 0
        if (left, loops) not in self._counts:
            _, rests = self.splits(left)
            self._counts[left, loops] = sum(self.count(int(rest), loops - 1) for rest in rests)
        return self._counts[left, loops]

    def all(self, left: int, loops: int) -> Ints:
        """Return all chains, (chains, loops), from the inside."""
        if loops == 1:
            return np.array([[left]], dtype=np.int64)
        extents, rests = self.splits(left)
        found = []
        for extent, rest in zip(extents, rests, strict=True):
            tail = self.all(int(rest), loops - 1)
            found.append(np.concatenate([np.full((len(tail), 1), extent), tail], axis=1))
        return np.concatenate(found)

    def draw(self, left: Ints, loops: int, rng: np.random.Generator) -> Ints:
        """Draw one chain for every number in `left`, each of its chains being equally likely; (n, loops)."""
        left, found = left.copy(), np.ones((len(left), loops), dtype=np.int64)
        for loop in range(loops - 1):
            chance = rng.random(len(left))
            values, which = np.unique(left, return_inverse=True)
            for number, value in enumerate(values):
                if value == 1:
                    continue
                extents, rests = self.splits(int(value))
                weights = np.array([float(self.count(int(rest), loops - 1 - loop)) for rest in rests])
                here = np.flatnonzero(which == number)
                chosen = pick(weights, chance[here])
                found[here, loop], left[here] = extents[chosen], rests[chosen]
        found[:, -1] = left
        return found

    def tightened(self, extents: Ints, size: int) -> Ints:
        """Return chains, (n, loops), with every extent made as small as it may be without leaving more, and the last as needed.

        Exact chains are returned as they are.
        """
        if not self.padded:
            return extents
        found, left = extents.copy(), np.full(len(extents), size, dtype=np.int64)
        for loop in range(extents.shape[1] - 1):
            rest = -(-left // found[:, loop])
            found[:, loop] = -(-left // rest)
            left = rest
        found[:, -1] = left
        return found

    def by_places(self, left: int, weights: list[Floats]) -> Floats:
        """Return the sum over all chains of products: of the weights of every loop longer than 1.

        Parameters
        ----------
        left : int
            What is split.
        weights : list of ndarray
            One per loop, of one shape, which is the result's.
        """
        known: dict[tuple[int, int], Floats] = {}

        def of(rest: int, loop: int) -> Floats:
            if (rest, loop) in known:
                return known[rest, loop]
            if rest == 1:
                found = np.ones_like(weights[0])
            elif loop == len(weights) - 1:
                found = weights[loop]
            else:
                found = np.zeros_like(weights[0])
                for extent, after in zip(*self.splits(rest), strict=True):
                    tail = of(int(after), loop + 1)
                    found += tail * weights[loop] if extent > 1 else tail
            known[rest, loop] = found
            return found

        return of(left, 0)


def pick(weights: Floats, chance: Floats) -> NDArray[np.intp]:
    """Return which of some weights every number from 0 to 1 falls on."""
    edges = np.cumsum(weights)
    return np.minimum(np.searchsorted(edges, chance * edges[-1], side="right"), len(weights) - 1)
