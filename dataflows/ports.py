"""The memory port as the schedule sees it: what accepts requests, and when read data have come.

`dataflows/schedule.py` asks in the order in which the hardware uses the port. A request stands for all beats that an engine
asks for without a pause; what it looks like is the port's own business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

Request = TypeVar("Request")


class Port(Protocol, Generic[Request]):
    """A memory port with the requests of one layer; cycles count from the one in which start is taken.

    Attributes
    ----------
    programs : sequence
        Requests for the program and, if it has one, its activation table.
    loads : sequence of tuple
        Per step: requests for scales, weights and inputs; None where the step needs none.
    stores : sequence
        Per output tile.
    """

    programs: Sequence[Request]
    loads: Sequence[tuple[Request | None, Request | None, Request | None]]
    stores: Sequence[Request]

    def fetch(self, request: Request, at: int) -> int:
        """Read one of `programs` from cycle `at` on; return the cycle in which its last beat comes."""
        ...

    def may_load(self, at: int) -> int:
        """Return the first cycle from `at` on in which a step's load may be granted."""
        ...

    def read(self, request: Request, at: int) -> int:
        """Request from cycle `at` on; return the cycle in which the last beat is accepted."""
        ...

    def end(self, at: int) -> None:
        """Close a step: its last read was requested, and the marker that follows its data is queued in cycle `at`."""
        ...

    def loaded(self) -> int:
        """Return the cycle in which the next step's marker passes. A step is asked for after the load of the next one."""
        ...

    def write(self, request: Request, at: int) -> int:
        """Write from cycle `at` on; return the cycle in which the last beat is accepted."""
        ...


class NativePort:
    """A memory with latency and interval: requests, numbers of beats here, are accepted at least `interval` cycles apart."""

    def __init__(
        self, *, latency: int, interval: int, programs: Sequence[int], loads: Sequence[tuple[int | None, int | None, int | None]],
        stores: Sequence[int],
    ) -> None:  # fmt: skip
        self.latency, self.interval, self.programs, self.loads, self.stores = latency, interval, programs, loads, stores
        self.free = self.beats = 0
        self.arrived = self.marker = 0
        self.markers: list[tuple[int, int]] = []  # of steps not yet loaded: cycle of the marker, of the last beat

    def _accept(self, beats: int, at: int) -> int:
        last = max(at, self.free) + (beats - 1) * self.interval
        self.free = last + self.interval
        self.beats += beats
        return last

    def fetch(self, request: int, at: int) -> int:
        """See `Port`."""
        return self._accept(request, at) + self.latency

    def may_load(self, at: int) -> int:
        """See `Port`: at any time, because data keep the distance of their requests."""
        return at

    def read(self, request: int, at: int) -> int:
        """See `Port`."""
        last = self._accept(request, at)
        self.arrived = last + self.latency
        return last

    def end(self, at: int) -> None:
        """See `Port`."""
        self.markers.append((at, self.arrived))

    def loaded(self) -> int:
        """See `Port`: the marker passes a cycle after it was queued, after the data and after the marker before."""
        at, arrived = self.markers.pop(0)
        self.marker = max(at, arrived, self.marker) + 1
        return self.marker

    def write(self, request: int, at: int) -> int:
        """See `Port`."""
        return self._accept(request, at)
