"""Bursts on their way through the AXI master and a regular memory: when they are issued, and when data and answers come.

Cycles are those of `rtl/shell`: a complete burst is queued in one cycle, at the head of its queue in the next and on the
address channel in the one after. The memory is `sim/verilog/axi_dram.v`: data of a read burst come `latency` cycles after its
address, bursts in order and a beat per cycle; write data are taken from the cycle of their address on, and answered two cycles
after the last beat.
"""

from __future__ import annotations

from dataflows.axi import BURST_QUEUE, AxiOptions, write_buffer_beats

_NEVER = -(1 << 60)


class ReadChannel:
    """Read bursts and their data.

    Attributes
    ----------
    beats : int
        Beats of the bursts so far.
    arrivals : list of (int, int, int)
        Per burst: number of its first beat, cycle in which that reaches the accelerator, beats.
    waits : list of (int, int)
        First cycle and the one behind the last, where a burst waits for the channel or a request for the former.
    """

    def __init__(self, axi: AxiOptions, latency: int) -> None:
        self.most, self.latency = axi.read_bursts, latency
        self.issued = [_NEVER] * BURST_QUEUE
        self.ended = [_NEVER] * self.most  # cycle of a burst's last beat on the bus
        self.beats = 0
        self.arrivals: list[tuple[int, int, int]] = []
        self.waits: list[tuple[int, int]] = []
        self._at = 0  # burst in which `arrival` looked last

    def room(self, at: int) -> int:
        """Return the first cycle from `at` on in which a beat held by the former can go."""
        return max(at, self.issued[-BURST_QUEUE] + 1)

    def carry(self) -> None:
        """Pass on a held beat whose burst goes on."""

    def accept(self, taken: int, beats: int) -> int:
        """Pass on beats that do not end a burst, the first taken in cycle `taken`; return the cycle of the last one."""
        begin = self.room(taken + 1)
        if begin > taken + 1:
            self.waits.append((taken + 1, begin))
        return begin + beats - 1

    def push(self, at: int, beats: int) -> None:
        """Queue a complete burst in cycle `at`."""
        head = max(at, self.issued[-1]) + 1
        issue = max(head, self.ended[-self.most] + 1)
        if issue > head:
            self.waits.append((head, issue))
        self.issued.append(issue)
        first = max(issue + 1 + self.latency, self.ended[-1] + 1)
        self.ended.append(first + beats - 1)
        self.arrivals.append((self.beats, first + 1, beats))
        self.beats += beats

    def arrival(self, beat: int) -> int:
        """Return the cycle in which a beat reaches the accelerator; `beat` never falls from call to call."""
        while True:
            first, at, beats = self.arrivals[self._at]
            if beat < first + beats:
                return at + beat - first
            self._at += 1

    def late(self, start: int, beats: int, free: int) -> tuple[int, int] | None:
        """Return from when to when beats are held that come before the response side is free for their step.

        Parameters
        ----------
        start, beats : int
            The step's first beat and how many it has.
        free : int
            Cycle in which the marker of the step before passes; the step's beats are used from the next one on.
        """
        if self.beats <= start or (begin := self.arrival(start)) > free:
            return None
        held = 0
        for first, at, length in self.arrivals[self._at :]:
            if held == beats or at + max(0, start - first) - held > free:
                break
            held = min(beats, first + length - start)
        return begin + 1, free + held


class WriteChannel:
    """Write bursts, their data in the write buffer, and their answers.

    Attributes
    ----------
    beats : int
        Beats put into the write buffer so far.
    waits : list of (int, int)
        As `ReadChannel.waits`.
    """

    def __init__(self, axi: AxiOptions) -> None:
        self.most, self.depth = axi.write_bursts, write_buffer_beats(axi.burst_beats)
        self.issued = [_NEVER] * BURST_QUEUE
        self.answered = [_NEVER] * self.most
        self.beats = 0
        self.waits: list[tuple[int, int]] = []
        self._sent: list[tuple[int, int, int]] = []  # bursts: first beat, cycle in which it leaves, beats
        self._ended = _NEVER  # cycle in which the last beat so far leaves
        self._at = 0  # burst whose beats make room in the buffer

    def _leaves(self, beat: int) -> int:
        """Return the cycle in which a beat leaves the buffer."""
        if beat < 0:
            return _NEVER
        while True:
            first, at, beats = self._sent[self._at]
            if beat < first + beats:
                return at + beat - first
            self._at += 1

    def room(self, at: int) -> int:
        """See `ReadChannel.room`; a beat also needs room in the buffer."""
        return max(at, self.issued[-BURST_QUEUE] + 1, self._leaves(self.beats - self.depth) + 1)

    def carry(self) -> None:
        """See `ReadChannel.carry`."""
        self.beats += 1

    def accept(self, taken: int, beats: int) -> int:
        """See `ReadChannel.accept`."""
        first, end = self.beats - self.depth, self.beats + beats - self.depth  # beats that must have left
        begin = self.room(taken + 1)
        if begin > taken + 1:
            self.waits.append((taken + 1, begin))
        for sent, at, _beats in self._sent[self._at :]:
            if sent >= end:
                break
            if sent > first and (delay := at + 1 - (begin + sent - first)) > 0:
                # The beat that takes the place of the burst's first one is let in when that has left.
                self.waits.append((at + 1 - delay, at + 1))
                begin += delay
        self.beats += beats
        return begin + beats - 1

    def push(self, at: int, beats: int) -> None:
        """Put the last beat of a burst into the buffer and queue the burst in cycle `at`."""
        self.beats += 1
        head = max(at, self.issued[-1]) + 1
        issue = max(head, self.answered[-self.most] + 1)
        if issue > head:
            self.waits.append((head, issue))
        self.issued.append(issue)
        leaves = max(issue, self._ended) + 1  # with its address
        self._ended = leaves + beats - 1
        self._sent.append((self.beats - beats, leaves, beats))
        self.answered.append(self._ended + 2)


def union_cycles(spans: list[tuple[int, int]]) -> int:
    """Return how many cycles lie in any of the half-open spans."""
    total, end = 0, _NEVER
    for first, behind in sorted(spans):
        total += max(0, behind - max(first, end))
        end = max(end, behind)
    return total
