"""The memory port as the schedule of a system sees it: native, or behind the AXI shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dataflows.arch import Memory
from dataflows.axi import LEAST_LATENCY, AxiOptions
from dataflows.axi_port import ADDRESSES, AxiPort, Beats, Shape, line

STORE_DEPTH = 10
"""Beats of outputs on their way from the buffer of sums to memory."""
STORE_LATENCY = 6
"""From the read of a beat's last sums to the write request: buffer, requantiser (4), queue."""


@dataclass(frozen=True, slots=True)
class Request:
    """One transaction: images of rows of pixels of adjacent beats.

    Attributes
    ----------
    address : int
        First beat.
    images, rows, cols, beats : int
        How many.
    steps : tuple of int
        Beats from image to image, row to row, pixel to pixel.
    """

    address: int
    images: int
    rows: int
    cols: int
    beats: int
    steps: tuple[int, int, int] = (0, 0, 0)

    @property
    def count(self) -> int:
        """All beats."""
        return self.images * self.rows * self.cols * self.beats


def adjacent(address: int, beats: int) -> Request:
    """Return a transaction of adjacent beats."""
    return Request(address, 1, 1, 1, beats)


class SystemPort(Protocol):
    """A memory port; transactions are asked for in the order in which the hardware uses it."""

    def fetch(self, request: Request, at: int) -> int:
        """Read the program from cycle `at` on; return the cycle in which its last beat comes."""
        ...

    def read(self, request: Request, at: int) -> int:
        """Read from cycle `at` on; return the cycle in which the last beat is accepted."""
        ...

    def arrived(self, number: int) -> int:
        """Return the cycle in which the last beat of read transaction `number` comes, counted behind the program."""
        ...

    def write(self, request: Request, at: int, apart: int) -> int:
        """Write beats, the first of which is read from the buffer in cycle `at` on, others `apart` cycles later each.

        Returns
        -------
        int
            The cycle in which the last beat is accepted.
        """
        ...


class NativePort:
    """A memory with latency and interval: requests are accepted at least `interval` cycles apart."""

    def __init__(self, memory: Memory) -> None:
        self.interval, self.latency = memory.interval, memory.latency
        self.free = 0
        self.arrivals: list[int] = []

    def fetch(self, request: Request, at: int) -> int:
        """See `SystemPort`."""
        return self._burst(request.count, at) + self.latency

    def read(self, request: Request, at: int) -> int:
        """See `SystemPort`."""
        last = self._burst(request.count, at)
        self.arrivals.append(last + self.latency)
        return last

    def arrived(self, number: int) -> int:
        """See `SystemPort`."""
        return self.arrivals[number]

    def write(self, request: Request, at: int, apart: int) -> int:
        """See `SystemPort`; the queue in front of the port is long enough for any interval."""
        beats, ready = request.count, at + apart - 1 + STORE_LATENCY
        last = max(max(ready, self.free) + (beats - 1) * self.interval, ready + (beats - 1) * apart)
        self.free = last + self.interval
        return last

    def _burst(self, beats: int, at: int) -> int:
        last = max(at, self.free) + (beats - 1) * self.interval
        self.free = last + self.interval
        return last


class ShellPort:
    """The port behind the AXI shell, with a memory that never pauses (`dataflows.axi_port`)."""

    def __init__(self, axi: AxiOptions, memory: Memory) -> None:
        latency = max(LEAST_LATENCY, memory.latency)
        self.port = AxiPort(axi, latency=latency, bus_bytes=memory.bus_bytes, programs=(), loads=(), stores=())
        self.lasts: list[int] = []  # number of the last beat of every read transaction
        self.arrivals: list[int] = []

    def fetch(self, request: Request, at: int) -> int:
        """See `SystemPort`."""
        return self.port.fetch(line(request.address, request.count), at)

    def read(self, request: Request, at: int) -> int:
        """See `SystemPort`."""
        for part in _parts(request):
            at = self.port.read(part, at) + 1
        self.lasts.append(self.port.asked - 1)
        return at - 1

    def arrived(self, number: int) -> int:
        """See `SystemPort`."""
        while len(self.arrivals) <= number:
            self.arrivals.append(self.port.arrival(self.lasts[len(self.arrivals)]))
        return self.arrivals[number]

    def write(self, request: Request, at: int, apart: int) -> int:
        """See `SystemPort`."""
        taken: list[int] = []
        begin = at - apart
        for number, address in enumerate(_addresses(request)):
            begin += apart
            if number >= STORE_DEPTH:  # a beat that has left makes room
                begin = max(begin, taken[number - STORE_DEPTH] + 1)
            ready = max(begin + apart - 1 + STORE_LATENCY, taken[-1] + 1 if taken else 0)
            taken.append(self.port.write(line(address, 1), ready))
        return taken[-1]


def _parts(request: Request) -> Sequence[Beats]:
    """Return a request image by image."""
    image, row, pixel = request.steps
    shape = Shape(request.rows, request.cols, request.beats, pixel, row)
    last = (request.rows - 1) * row + (request.cols - 1) * pixel + request.beats
    begins = [(request.address + n * image) % ADDRESSES for n in range(request.images)]
    return [Beats(begin, (begin + last) % ADDRESSES, shape) for begin in begins]


def _addresses(request: Request) -> list[int]:
    image, row, pixel = request.steps
    return [
        (request.address + n * image + y * row + x * pixel + beat) % ADDRESSES
        for n in range(request.images) for y in range(request.rows) for x in range(request.cols) for beat in range(request.beats)
    ]  # fmt: skip
