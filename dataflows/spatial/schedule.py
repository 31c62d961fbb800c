"""Exact cycles of a layer on an array whose streams never wait: a max-plus recurrence over the iterations.

Four engines: two *deliveries* fill the halves of weights and inputs, *compute* walks the inner loops once per iteration,
*drain* sends finished sums out. Each waits only for halves and banks; a token is seen one cycle after the event. All times
are those of the first PE; the others run the same, later by their skew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dataflows.errors import SpecError
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.program import SpatialProgram
from dataflows.spatial.streams import sequence

MOST_ITERATIONS = 30_000_000
"""Iterations of the outer loops that the recurrence is ready to walk."""


@dataclass(frozen=True, slots=True)
class SpatialSchedule:
    """Cycles and words.

    Attributes
    ----------
    cycles : int
        From the cycle of `start` to the cycle in which the last sum is on the output ports, inclusive.
    compute : int
        Cycles in which the PEs compute.
    beats : dict
        ``{tensor: cycles}`` in which each tensor's ports move words.
    """

    cycles: int
    compute: int
    beats: dict[str, int]


def latency(array: SpatialArray) -> int:
    """Return the cycles from the call for the first PE's sum to its being on the output ports.

    Pipelined PEs hand in later by their stages. A systolic axis that shares a port is a chain of `size` registers, a broadcast
    one a tree with one register, or one every `tree_levels`. Ports of a systolic axis wait for the last one. With a port for
    every PE there is one register. The queue in front of the ports takes one cycle more.
    """
    shared = array.shared("outputs")
    cycles = array.pe_stages + (sum(array.hops(axis) for axis in shared) or 1)
    return cycles + 1 + sum(axis.size - 1 for axis in array.ported("outputs") if axis.delay)


def schedule(program: SpatialProgram) -> SpatialSchedule:
    """Return the exact schedule of a program.

    Raises
    ------
    SpecError
        For more than `MOST_ITERATIONS` of the outer loops.
    """
    if program.iterations > MOST_ITERATIONS:
        allowed = f"at most {MOST_ITERATIONS:,}, a minute's work"
        remedy = "give the PEs larger tiles, or cost a part of the layer"
        raise SpecError(f"{program.layer.name}: iterations of the outer loops", f"{program.iterations:,}", allowed, remedy)
    lengths = [len(sequence(program, tensor)) for tensor in TENSORS[:2]]
    drain = program.output_words * program.slots
    run = _Run(program, lengths, drain)
    total = run.finish() + latency(program.array)
    words = {tensor: program.tiles(tensor) * length for tensor, length in zip(TENSORS, [*lengths, drain], strict=True)}
    return SpatialSchedule(total, program.iterations * program.steps, words)


class _Run:
    """The recurrence; cycle 0 is that of `start`, engines may begin in cycle 1."""

    def __init__(self, program: SpatialProgram, lengths: list[int], drain: int) -> None:
        self.program, self.lengths, self.drain_length = program, lengths, drain
        self.delivered = [0, 0]
        self.released: list[deque[int]] = [deque(maxlen=2), deque(maxlen=2)]  # cycles in which delivery sees a half come free
        self.releases = [0, 0]
        self.delivery_free = [1, 1]
        self.drained: deque[int] = deque(maxlen=2)  # cycles in which compute sees a bank come free
        self.drain_free = 1

    def finish(self) -> int:
        """Run to the end; return the cycle in which the last sum leaves its bank."""
        program, free, last = self.program, 1, 0
        counters = [0] * len(program.outer)
        new = [True, True, True]
        for _ in range(program.iterations):
            advancing = next((at for at, loop in enumerate(program.outer) if counters[at] < loop.extent - 1), None)
            ends = [advancing is None or advancing >= change for change in program.changes]
            begin = free
            for at in (0, 1):
                if new[at]:
                    begin = max(begin, self._deliver(at))
            if new[2] and len(self.drained) == 2:
                begin = max(begin, self.drained[0])
            end = begin + program.steps - 1
            for at in (0, 1):
                if ends[at]:
                    self.released[at].append(end + 1)
                    self.releases[at] += 1
            if ends[2]:
                last = self._drain(end + 1)
            free, new = end + 1, ends
            if advancing is not None:
                counters[:advancing] = [0] * advancing
                counters[advancing] += 1
        return last

    def _deliver(self, at: int) -> int:
        """Deliver the next tiles of weights (0) or inputs (1); return when compute sees them."""
        number = self.delivered[at]
        begin = self.delivery_free[at]
        if number >= 2:  # the half of the delivery before last
            begin = max(begin, self.released[at][number - 2 - self.releases[at]])
        end = begin + self.lengths[at] - 1
        self.delivery_free[at] = end + 1
        self.delivered[at] = number + 1
        return end + 1

    def _drain(self, ready: int) -> int:
        begin = max(ready, self.drain_free)
        end = begin + self.drain_length - 1
        self.drain_free = end + 1
        self.drained.append(end + 1)
        return end
