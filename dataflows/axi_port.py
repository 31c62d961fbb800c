"""The memory port behind the AXI shell, burst by burst: requests become bursts (`rtl/shell/bursts.py`), bursts become data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dataflows.axi import PAGE_BYTES, AxiOptions
from dataflows.axi_channels import ReadChannel, WriteChannel, union_cycles

ADDRESSES = 1 << 32
"""Beat addresses wrap here."""


class Shape(NamedTuple):
    """Beats of a transaction: planes of rows of adjacent beats (`rtl/accelerator/burst.py`); pitches modulo `ADDRESSES`."""

    planes: int
    rows: int
    beats: int
    row_pitch: int = 0
    plane_pitch: int = 0


class Beats(NamedTuple):
    """A transaction's requests, one per cycle: address of the first beat, address behind the last one, shape."""

    addr: int
    end: int
    shape: Shape


def line(addr: int, beats: int) -> Beats:
    """Return requests for adjacent beats."""
    return Beats(addr, (addr + beats) % ADDRESSES, Shape(1, 1, beats))


class AxiPort:
    """`dataflows.ports.Port` behind the AXI shell.

    The burst former holds the last request until the next cycle shows whether its burst goes on. While no request comes and
    there is room behind, the burst ends. Where there is none, the former waits, and then the next request may continue the
    burst although it came late: so the last request of a transaction is decided by the first one of the next, `_send`, or,
    when its data are asked for before that, by `_settle`: whoever asks next then waits for them, or writes.
    """

    def __init__(
        self, axi: AxiOptions, *, latency: int, bus_bytes: int, programs: Sequence[Beats],
        loads: Sequence[tuple[Beats | None, Beats | None, Beats | None]], stores: Sequence[Beats],
    ) -> None:  # fmt: skip
        self.most, self.page = axi.burst_beats, PAGE_BYTES // bus_bytes
        self.programs, self.loads, self.stores = programs, loads, stores
        self.reads, self.writes = ReadChannel(axi, latency), WriteChannel(axi)
        self._held: ReadChannel | WriteChannel | None = None
        self._taken = self._length = self._after = 0  # of the held request: cycle, beats of its burst, next address
        self._left = 0  # cycle in which the request before left the former
        self._asked = 0  # read beats
        self._marker = 0  # cycle in which the last marker passed
        self._steps: list[tuple[int, int, int]] = []  # first read beat, read beats, cycle of the marker
        self._begun = 0  # first read beat of the step being asked for
        self._next = 0  # step whose marker passes next
        self._bursts: dict[tuple[int, Shape, int], tuple[int, ...]] = {}

    # Requests

    def _send(self, channel: ReadChannel | WriteChannel, request: Beats, at: int) -> int:
        """Offer requests from cycle `at` on; return the cycle in which the last one is taken."""
        addr, end, shape = request
        carried = 0
        if self._held is not None:
            room = self._held.room(self._taken + 1)
            follows = room >= at and self._held is channel and addr == self._after
            if follows and addr % self.page and self._length != self.most:
                channel.carry()
                carried = self._length
            else:
                self._held.push(room, self._length)
            self._left = room
        if self._left > at:
            channel.waits.append((at, self._left))
            at = self._left
        key = addr % self.page, shape, carried
        lengths = self._bursts.get(key)
        if lengths is None:
            lengths = self._bursts[key] = burst_lengths(*key, most=self.most, page=self.page)
        taken, new = at, lengths[0] - carried
        final = len(lengths) - 1
        for number, length in enumerate(lengths):
            if number:
                new = length
            if new > 1:
                taken = channel.accept(taken, new - 1)
            if number < final:
                room = channel.room(taken + 1)
                if room > taken + 1:
                    channel.waits.append((taken + 1, room))
                channel.push(room, length)
                taken = room
        self._held, self._taken, self._length, self._after = channel, taken, lengths[-1], end
        return taken

    def _settle(self, before: int | None = None) -> None:
        """Send on the held burst if there is room before a cycle in which no request can have come; None: whenever there is."""
        if self._held is not None and (before is None or self._held.room(self._taken + 1) < before):
            self._left = self._held.room(self._taken + 1)
            self._held.push(self._left, self._length)
            self._held = None

    # Port

    def fetch(self, request: Beats, at: int) -> int:
        """See `dataflows.ports.Port`."""
        self.read(request, at)
        self._begun = self._asked
        self._settle()
        return self.reads.arrival(self._asked - 1)

    def may_load(self, at: int) -> int:
        """See `dataflows.ports.Port`: not while beats are held behind a marker (`rtl/accelerator/load.py`)."""
        if self._next < len(self._steps):
            start, beats, _marker = self._steps[self._next]
            while True:
                self._settle(at)
                late = self.reads.late(start, beats, self._marker) if beats else None
                if late is None or not late[0] <= at <= late[1]:
                    break
                at = late[1] + 1
        return at

    def read(self, request: Beats, at: int) -> int:
        """See `dataflows.ports.Port`."""
        shape = request.shape
        self._asked += shape.planes * shape.rows * shape.beats
        return self._send(self.reads, request, at)

    def end(self, at: int) -> None:
        """See `dataflows.ports.Port`."""
        self._steps.append((self._begun, self._asked - self._begun, at))
        self._begun = self._asked

    def loaded(self) -> int:
        """See `dataflows.ports.Port`: a marker takes a cycle of its own, beats that come in it wait."""
        start, beats, marker = self._steps[self._next]
        self._next += 1
        used = self._marker
        if beats:
            if self.reads.beats < start + beats:
                self._settle()
            used = max(used + beats, self.reads.arrival(start + beats - 1))
        self._marker = max(marker, used) + 1
        return self._marker

    @property
    def asked(self) -> int:
        """Read beats that were asked for."""
        return self._asked

    def arrival(self, beat: int) -> int:
        """Return the cycle in which a read beat comes; `beat` never falls from call to call."""
        if self.reads.beats <= beat:
            self._settle()
        return self.reads.arrival(beat)

    def write(self, request: Beats, at: int) -> int:
        """See `dataflows.ports.Port`."""
        return self._send(self.writes, request, at)

    def confirmed(self) -> int:
        """Return the first cycle in which nothing is on its way, after the last write."""
        self._settle()
        return self.writes.answered[-1] + 1

    def waits(self) -> tuple[int, int]:
        """Return the cycles in which something waits for the bus, to read and to write."""
        return union_cycles(self.reads.waits), union_cycles(self.writes.waits)


def burst_lengths(offset: int, shape: Shape, carried: int, *, most: int, page: int) -> tuple[int, ...]:
    """Return the beats of each burst of a transaction whose requests are taken without a gap.

    Parameters
    ----------
    offset : int
        Beats from the page's begin to the first address.
    shape : Shape
        The transaction.
    carried : int
        Beats that the first burst has already.
    most, page : int
        Beats of a burst and of a page.
    """
    lengths = []
    length, after = carried, offset
    for plane in range(shape.planes):
        for row in range(shape.rows):
            addr, left = (offset + plane * shape.plane_pitch + row * shape.row_pitch) % ADDRESSES, shape.beats
            if length and (addr != after or addr % page == 0 or length == most):
                lengths.append(length)
                length = 0
            while left:
                new = min(left, most - length, page - addr % page)
                length, addr, left = length + new, addr + new, left - new
                if left:
                    lengths.append(length)
                    length = 0
            after = addr % ADDRESSES
    return (*lengths, length)
