"""Exact cycles of a layer on an array whose streams never wait: a max-plus recurrence over the iterations.

Four engines: two *deliveries* fill the halves of weights and inputs, *compute* walks the inner loops once per iteration,
*drain* sends finished sums out. Each waits only for halves and banks; a token is seen one cycle after the event. All times
are those of the first PE; the others run the same, later by their skew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from dataflows.errors import SpecError
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.links import Links
from dataflows.spatial.program import SpatialProgram
from dataflows.spatial.streams import port_words, sequence

MOST_ITERATIONS = 30_000_000
"""Iterations of the outer loops that the recurrence is ready to walk."""
FEWEST_PASSES = 3
"""Passes of a loop that are walked in any case: the first, one to compare with, and the last."""


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
    check_iterations(program)
    lengths = [len(sequence(program, tensor)) for tensor in TENSORS[:2]]
    drain = program.output_words * program.slots
    run = LinkedRun(program, lengths, drain) if any(program.array.links) else ArrayRun(program, lengths, drain)
    total = run.finish() + latency(program.array)
    words = {tensor: port_words(program, tensor)[0] for tensor in TENSORS[:2]}
    words["outputs"] = program.tiles("outputs") * drain
    return SpatialSchedule(total, program.iterations * program.steps, words)


def check_iterations(program: SpatialProgram) -> None:
    """Raise `SpecError` for more than `MOST_ITERATIONS` of the outer loops."""
    if program.iterations > MOST_ITERATIONS:
        allowed = f"at most {MOST_ITERATIONS:,}, a minute's work"
        remedy = "give the PEs larger tiles, or cost a part of the layer"
        raise SpecError(f"{program.layer.name}: iterations of the outer loops", f"{program.iterations:,}", allowed, remedy)


class Gates:
    """What is round an array and lets it go on; this one always does."""

    def iteration(self, advanced: int | None) -> None:
        """Note that an iteration begins in which outer loop `advanced` has moved; None in the first."""

    def may_deliver(self, at: int) -> int:
        """Return the cycle in which the first word of the next delivery of weights (0) or inputs (1) is offered."""
        return 0

    def delivered(self, at: int, end: int) -> None:
        """Note the cycle in which a delivery's last word was taken."""

    def may_drain(self) -> int:
        """Return the cycle from which on the next bank may be handed in."""
        return 0

    def drained(self, end: int) -> None:
        """Note the cycle in which a bank's last sum was called for."""

    def looks_on(self, loop: int) -> bool:
        """Whether nothing outside matters between the first and the last pass of the loops inside outer loop `loop`."""
        return True

    def skipped(self, times: tuple[int, int, int]) -> None:
        """Note deliveries of weights and inputs, and drains, in passes that are not walked because all are alike."""


class _Mark(NamedTuple):
    """How things stand when a pass begins: times of the engines at work counted from the cycle in which compute is free."""

    state: list[int | None]
    free: int
    wait_delivery: int
    wait_bank: int
    numbers: tuple[int, int, int]


class ArrayRun:
    """The recurrence of an array.

    It only adds and takes maxima, so that it does not depend on when it begins: once a pass of the loops inside an outer loop
    ends as the one before did, all times later by the same, so do all that follow but the last, and they are not walked.

    Parameters
    ----------
    program : SpatialProgram
    lengths : list of int
        Beats of a delivery of weights, of inputs.
    drain : int
        Sums that leave when a bank is handed in.
    begin : int
        Cycle of `start`; engines may begin in the next one.
    gates : Gates, optional
        What else the beginnings of deliveries and drains wait for.
    """

    alike = True
    """Whether all deliveries of a tensor are equally long."""

    def __init__(
        self, program: SpatialProgram, lengths: list[int], drain: int, begin: int = 0, gates: Gates | None = None
    ) -> None:
        self.program, self.lengths, self.drain_length = program, lengths, drain
        self.gates = gates or Gates()
        self.delivered = [0, 0]
        self.released: list[deque[int]] = [deque(maxlen=2), deque(maxlen=2)]  # cycles in which delivery sees a half come free
        self.releases = [0, 0]
        self.begin = begin + 1
        self.delivery_free = [self.begin, self.begin]
        self.drained: deque[int] = deque(maxlen=2)  # cycles in which compute sees a bank come free
        self.drain_free = self.begin
        self.drains = 0
        self.wait_delivery = self.wait_bank = 0

    def finish(self) -> int:
        """Run to the end; return the cycle in which the last sum leaves its bank."""
        outer, changes, steps = self.program.outer, self.program.changes, self.program.steps
        free, last = self.begin, 0
        counters = [0] * len(outer)
        new = [True, True, True]
        advancing: int | None = None
        self.marks: list[_Mark | None] = [None] * len(outer)
        while True:
            self.gates.iteration(advancing)
            advancing = next((at for at, loop in enumerate(outer) if counters[at] < loop.extent - 1), None)
            ends = [advancing is None or advancing >= change for change in changes]
            end = self._begin(free, new) + steps - 1
            for at in (0, 1):
                if ends[at]:
                    self.released[at].append(end + 1)
                    self.releases[at] += 1
            if ends[2]:
                last = self._drain(end + 1)
            free, new = end + 1, ends
            if advancing is None:
                return last
            counters[:advancing] = [0] * advancing
            self.marks[:advancing] = [None] * advancing
            counters[advancing] += 1
            if self.alike and outer[advancing].extent > FEWEST_PASSES:
                left = outer[advancing].extent - 1 - counters[advancing]
                skipped, free = self._skip(advancing, left, ends, free)
                counters[advancing] += skipped

    def _skip(self, loop: int, left: int, ends: list[bool], free: int) -> tuple[int, int]:
        """Skip the `left` passes before the last one if the pass that has ended was like the one before it.

        Returns the passes skipped and the cycle in which compute is free then. Engines of which nothing ends with a pass are not
        used in it.
        """
        if not left or not self.gates.looks_on(loop):
            return 0, free
        state: list[int | None] = []
        for at in (0, 1):
            if ends[at]:
                state += [self.delivery_free[at] - free, self.releases[at] - self.delivered[at], None]
                state += [time - free for time in self.released[at]]
        if ends[2]:
            state += [self.drain_free - free, None, *(time - free for time in self.drained)]
        mark = _Mark(state, free, self.wait_delivery, self.wait_bank, (self.delivered[0], self.delivered[1], self.drains))
        before, self.marks[loop] = self.marks[loop], mark
        if before is None or before.state != state:
            return 0, free
        later = left * (free - before.free)
        for at in (0, 1):
            if ends[at]:
                self.delivery_free[at] += later
                self.released[at] = deque((time + later for time in self.released[at]), maxlen=2)
        if ends[2]:
            self.drain_free += later
            self.drained = deque((time + later for time in self.drained), maxlen=2)
        self.wait_delivery += left * (mark.wait_delivery - before.wait_delivery)
        self.wait_bank += left * (mark.wait_bank - before.wait_bank)
        times = [left * (now - then) for now, then in zip(mark.numbers, before.numbers, strict=True)]
        for at in (0, 1):
            self.delivered[at] += times[at]
            self.releases[at] += times[at]
        self.drains += times[2]
        self.gates.skipped((times[0], times[1], times[2]))
        return left, free + later

    def _begin(self, free: int, new: list[bool]) -> int:
        """Return when compute begins an iteration; `free`: the cycle in which it could."""
        loaded = free
        for at in (0, 1):
            if new[at]:
                loaded = max(loaded, self._deliver(at))
        begin = max(loaded, self.drained[0]) if new[2] and len(self.drained) == 2 else loaded
        self.wait_delivery += loaded - free
        self.wait_bank += begin - loaded
        return begin

    def _deliver(self, at: int) -> int:
        """Deliver the next tiles of weights (0) or inputs (1); return when compute sees them."""
        number = self.delivered[at]
        begin = max(self.delivery_free[at], self.gates.may_deliver(at))
        if number >= 2:  # the half of the delivery before last
            begin = max(begin, self.released[at][number - 2 - self.releases[at]])
        end = begin + self._length(at, number) - 1
        self.delivery_free[at] = end + 1
        self.delivered[at] = number + 1
        self.gates.delivered(at, end)
        return end + 1

    def _length(self, at: int, number: int) -> int:
        """Return the beats of delivery `number` of weights (0) or inputs (1)."""
        return self.lengths[at]

    def _drain(self, ready: int) -> int:
        begin = max(ready, self.drain_free, self.gates.may_drain())
        end = begin + self.drain_length - 1
        self.drain_free = end + 1
        self.drains += 1
        self.drained.append(end + 1)
        self.gates.drained(end)
        return end


class LinkedRun(ArrayRun):
    """The recurrence of an array whose neighbours are linked: deliveries are as long as what they have to bring."""

    alike = False

    def __init__(self, program: SpatialProgram, lengths: list[int], drain: int) -> None:
        super().__init__(program, lengths, drain)
        self.links = [Links(program, tensor) for tensor in TENSORS[:2]]
        self.beats = [{linked: len(sequence(program, each.tensor, linked)) for linked in each.classes} for each in self.links]

    def _length(self, at: int, number: int) -> int:
        return self.beats[at][self.links[at].holding(number)]
