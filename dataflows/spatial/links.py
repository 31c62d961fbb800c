"""Words that PEs take from neighbours, not from a port: which links a layer's loops make, and when they hold.

The tile of PE s in delivery n of a tensor begins at O(n) + A s. So the PE one further along axis a had the same tile d
deliveries ago iff O(n) - O(n - d) = A e_a: the reuse equation (dense reference, 10.2), with M_D M_T Δt on the left. One loop
above the PEs solves it: it moves O by c an iteration, t of them make A e_a, and d = t times the deliveries inside it. It holds
from its t-th iteration on, that is wherever n modulo the loop's own period is at least d. Inside a window that is the horizontal
FIFO of ShiDianNao for the inner loop and the vertical one for the outer loop (dense reference, 7).

Which source serves a PE is the cheapest arborescence of LEGO's front end (dense reference, 10.3), its cost the distance d and a
port dearer than any link. Links only lead from index i + 1 to i, so no choice can close a circle and every PE may take the
cheapest source it has: the link with the smallest d among those that hold, where its neighbour has that word; else another;
else the port. That is regular: it depends on the delivery's class (which links hold) and on whether the PE is at the edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import LONGEST_OUTER, SpatialAxis
from dataflows.spatial.program import Coordinates, OuterLoop, Place, SpatialProgram, base, offsets


@dataclass(frozen=True, slots=True)
class Link:
    """What joins PEs along one axis in one layer.

    Attributes
    ----------
    axis : str
        The PE at index i takes from the one at i + 1.
    distance : int
        Deliveries that lie between the neighbour's taking a word and this PE's.
    period : int
        Deliveries after which the loop that makes the link begins anew.
    """

    axis: str
    distance: int
    period: int

    def holds(self, number: int) -> bool:
        """Whether neighbours have the words of delivery `number`, counted from 0."""
        return number % self.period >= self.distance


class Links:
    """The links of one tensor in a program; none where the array has none or the loops make none.

    Parameters
    ----------
    program : SpatialProgram
    tensor : str
        ``weights`` or ``inputs``.

    Attributes
    ----------
    all : tuple of Link
        At most one for each axis, the cheapest first.
    """

    def __init__(self, program: SpatialProgram, tensor: str) -> None:
        self.program, self.tensor = program, tensor
        found = [link for axis in program.array.linked(tensor) if (link := self._derive(axis)) is not None]
        self.all = tuple(sorted(found, key=lambda link: link.distance))

    def holding(self, number: int) -> frozenset[str]:
        """Return the axes along which neighbours have the words of delivery `number`: its class."""
        return frozenset(link.axis for link in self.all if link.holds(number))

    @cached_property
    def classes(self) -> dict[frozenset[str], int]:
        """Deliveries of every class."""
        tiles = self.program.tiles(self.tensor)
        period = max((link.period for link in self.all), default=1)  # the periods of loops divide each other
        times = Counter(self.holding(number) for number in range(period))
        return {linked: count * (tiles // period) for linked, count in times.items()}

    def serves(self, axis: SpatialAxis, index: int) -> bool:
        """Whether the PE after `index` along an axis is in use and as far away as the link says."""
        here, after = offsets(self.program.nest, axis, index), offsets(self.program.nest, axis, index + 1)
        return here is not None and after is not None and self._apart(here, after) == self._step(axis)

    def brought(self, axis: SpatialAxis, linked: frozenset[str]) -> list[int]:
        """Return the indices along an axis whose PEs no link along it serves, in a delivery of class `linked`."""
        used = [index for index in range(axis.size) if offsets(self.program.nest, axis, index) is not None]
        return [index for index in used if not (axis.name in linked and self.serves(axis, index))]

    def source(self, place: Place, linked: frozenset[str]) -> Link | None:
        """Return the link that serves a PE in use, in a delivery of class `linked`; None for a port."""
        at = dict(zip((axis.name for axis in self.program.array.axes), place, strict=True))
        axis = self.program.array.axis
        return next((each for each in self.all if each.axis in linked and self.serves(axis(each.axis), at[each.axis])), None)

    def _derive(self, axis: SpatialAxis) -> Link | None:
        """Return the nearest link along an axis that the loops make and the PEs remember."""
        step, depth = self._step(axis), self.program.array.depth(self.tensor, axis.name)
        if step is None:
            return None
        found, inside = [], 1
        for loop in merged(self.program.outer[self.program.changes[TENSORS.index(self.tensor)] :]):
            times = _times(base(self.program.layer, self.tensor, {loop.dim: loop.step}), step)
            distance, period = times * inside, loop.extent * inside
            if 0 < times < loop.extent and distance <= depth and period <= LONGEST_OUTER:
                found.append(Link(axis.name, distance, period))
            inside = period
        return min(found, key=lambda link: link.distance, default=None)

    def _step(self, axis: SpatialAxis) -> Coordinates | None:
        """Return how far apart the tiles of neighbours along an axis are: those of its innermost loop."""
        here, after = offsets(self.program.nest, axis, 0), offsets(self.program.nest, axis, 1)
        return None if here is None or after is None else self._apart(here, after)

    def _apart(self, here: dict[str, int], after: dict[str, int]) -> Coordinates:
        first, second = (base(self.program.layer, self.tensor, at) for at in (here, after))
        return tuple(b - a for a, b in zip(first, second, strict=True))


def merged(loops: tuple[OuterLoop, ...]) -> Iterator[OuterLoop]:
    """Yield loops, innermost first, without those of one iteration, and as one those that count on where the one inside ends."""
    held: OuterLoop | None = None
    for loop in loops:
        if loop.extent == 1:
            continue
        if held is not None and (loop.dim, loop.step) == (held.dim, held.step * held.extent):
            held = OuterLoop(held.dim, held.extent * loop.extent, held.step)
            continue
        if held is not None:
            yield held
        held = loop
    if held is not None:
        yield held


def _times(part: Coordinates, whole: Coordinates) -> int:
    """Return how many parts make the whole, once for nothing; 0 if no number of them does."""
    times = {b // a if a and b % a == 0 else 0 for a, b in zip(part, whole, strict=True) if a or b}
    return times.pop() if len(times) == 1 else int(not times)


__all__ = ["Link", "Links", "merged"]
