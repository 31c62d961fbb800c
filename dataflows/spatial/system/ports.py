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

    def ask(self, address: int, beats: int, at: int) -> int:
        """Read adjacent beats of coded rows from cycle `at` on, as part of a transaction; return as `read`."""
        ...

    def close(self) -> None:
        """End a read transaction that was asked for in parts."""
        ...

    def came(self, number: int) -> int:
        """Return the cycle in which beat `number` of all that `ask` asked for comes."""
        ...

    def put(self, address: int, at: int) -> int:
        """Write one beat that is there in cycle `at`; return the cycle in which it is accepted."""
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
        self.parts: list[int] = []  # cycles in which beats of coded rows come

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

    def ask(self, address: int, beats: int, at: int) -> int:
        """See `SystemPort`."""
        last = self._burst(beats, at)
        self.parts += [last + self.latency - (beats - 1 - n) * self.interval for n in range(beats)]
        return last

    def close(self) -> None:
        """See `SystemPort`."""
        self.arrivals.append(self.parts[-1])

    def came(self, number: int) -> int:
        """See `SystemPort`."""
        return self.parts[number]

    def put(self, address: int, at: int) -> int:
        """See `SystemPort`."""
        return self._burst(1, at)

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
        self.parts: list[int] = []  # numbers of the beats of coded rows
        self.came_at: list[int] = []

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
            last = self.lasts[len(self.arrivals)]
            while len(self.came_at) < len(self.parts) and self.parts[len(self.came_at)] <= last:
                self.came_at.append(self.port.arrival(self.parts[len(self.came_at)]))
            coded = bool(self.came_at) and self.parts[len(self.came_at) - 1] == last
            self.arrivals.append(self.came_at[-1] if coded else self.port.arrival(last))
        return self.arrivals[number]

    def ask(self, address: int, beats: int, at: int) -> int:
        """See `SystemPort`."""
        first = self.port.asked
        last = self.port.read(line(address % ADDRESSES, beats), at)
        self.parts += range(first, first + beats)
        return last

    def close(self) -> None:
        """See `SystemPort`."""
        self.lasts.append(self.port.asked - 1)

    def came(self, number: int) -> int:
        """See `SystemPort`; beats are looked up in their order, transactions before them first."""
        beat = self.parts[number]
        while len(self.arrivals) < len(self.lasts) and self.lasts[len(self.arrivals)] < beat:
            self.arrived(len(self.arrivals))
        while len(self.came_at) <= number:
            self.came_at.append(self.port.arrival(self.parts[len(self.came_at)]))
        return self.came_at[number]

    def put(self, address: int, at: int) -> int:
        """See `SystemPort`."""
        return self.port.write(line(address % ADDRESSES, 1), at)

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
