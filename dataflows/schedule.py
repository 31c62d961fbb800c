"""Exact cycles of a layer: a max-plus recurrence over tiles under the memory profile (latency, interval).

Every constant below is a number of register stages or states of the hardware in `rtl/accelerator`; the comments name
them. The result equals simulation cycle for cycle, from the cycle start is taken to the cycle done rises.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dataflows.arch import Accelerator
from dataflows.program import program_beats
from dataflows.steps import Steps, walk
from dataflows.tiling import Tiling
from dataflows.workload import Layer

POST_LATENCY = 6
"""Accumulator read of a word's last group to the write of the word: memory, requantiser (4), gather register."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When things happen.

    Attributes
    ----------
    cycles : int
        From the cycle start is taken to the cycle done rises.
    array_busy, wait_load, wait_accumulator, post_busy : int
        As the performance counters of the same names.
    bus_busy : int
        Cycles in which the memory port could take no other request: beats times interval.
    steps : int
        Iterations of the tile loops.
    """

    cycles: int
    array_busy: int
    wait_load: int
    wait_accumulator: int
    post_busy: int
    bus_busy: int
    steps: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


class _Bus:
    """The memory port: requests are accepted at least `interval` cycles apart."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.free = 0
        self.beats = 0

    def burst(self, ready: int, beats: int) -> int:
        """Accept `beats` requests waiting from cycle `ready` on; return the cycle of the last one."""
        first = max(ready, self.free)
        last = first + (beats - 1) * self.interval
        self.free = last + self.interval
        self.beats += beats
        return last


def schedule(layer: Layer, acc: Accelerator, tiling: Tiling) -> Schedule:
    """Return the exact schedule of `layer` under `tiling`; the tiling must be feasible."""
    steps = walk(layer, acc, tiling)
    bus = _Bus(acc.memory.interval)
    latency = acc.memory.latency
    # IDLE, FETCH, then the burst; complete, CONFIGURE; one lane per cycle; done, BEGIN; CLIP, FORM, PUSH, queue.
    fetched = bus.burst(2, program_beats(acc)) + latency
    configured = fetched + 2 + max(acc.array.rows, acc.array.cols)
    run = _Run(acc, steps, bus, begin=configured + 2 + 4)
    return run.finish()


class _Run:
    """The recurrence: engines advance as far as what they wait for is known; the bus decides who comes next."""

    def __init__(self, acc: Accelerator, steps: Steps, bus: _Bus, begin: int) -> None:
        self.bus, self.latency = bus, acc.memory.latency
        self.groups, self.out_beats = acc.post_groups, acc.beats(acc.output_word_bits)
        rows, cols = acc.array.rows, acc.array.cols
        # Last issue cycle to tile_done: array and bank control; stationary outputs drain `rows` cycles longer.
        self.drain = rows + cols + (3 if acc.array.outputs_stay else 1)
        self.loads = list(
            zip(steps.scale_beats.tolist(), steps.weight_beats.tolist(), steps.input_beats.tolist(), strict=True)
        )
        self.issue, self.first, self.last = steps.issue.tolist(), steps.first.tolist(), steps.last.tolist()
        self.words = steps.words[steps.last].tolist()
        self.array_busy = int(steps.stream.sum())
        self.loaded: list[int] = []  # cycle in which compute sees the token
        self.issued: list[int] = []  # last issue cycle
        self.summed: list[int] = []  # cycle in which post sees the token, per output tile
        self.emptied: list[int] = []  # cycle in which compute sees the accumulator half free
        self.posted: list[int] = []  # cycle in which store sees the token
        self.stored: list[int] = []  # cycle of the last accepted beat
        self.compute_free = self.post_free = self.bus_free = begin
        self.begin = begin
        self.tiles_started = 0
        self.wait_load = self.wait_acc = 0
        self.last_loaded = 0

    def finish(self) -> Schedule:
        """Run to the end."""
        while len(self.stored) < len(self.words):
            while self._compute() or self._post():
                pass
            self._grant()
        return Schedule(
            cycles=self.stored[-1] + 1, array_busy=self.array_busy, wait_load=self.wait_load, wait_accumulator=self.wait_acc,
            post_busy=sum(self.words) * self.groups, bus_busy=self.bus.beats * self.bus.interval, steps=len(self.loads),
        )  # fmt: skip

    def _compute(self) -> bool:
        """Take one step if all it waits for is known."""
        i = len(self.issued)
        if i >= len(self.loaded):
            return False
        free = self.compute_free
        start = max(free, self.loaded[i])
        if self.first[i] and self.tiles_started >= 2:
            half = self.tiles_started - 2
            if half >= len(self.emptied):
                return False
            self.wait_acc += max(0, self.emptied[half] - start)
            taken = max(start, self.emptied[half])
        else:
            taken = start
        self.wait_load += start - free
        self.tiles_started += self.first[i]
        done = taken + 1 + self.issue[i]  # SETUP, then one cycle each
        self.issued.append(done)
        self.compute_free = done + 1
        if self.last[i]:
            self.summed.append(done + self.drain + 1)
        return True

    def _post(self) -> bool:
        """Requantise one output tile if all it waits for is known."""
        o = len(self.posted)
        if o >= len(self.summed) or (o >= 2 and o - 2 >= len(self.stored)):
            return False
        taken = max(self.post_free, self.summed[o], self.stored[o - 2] + 1 if o >= 2 else 0)
        done = taken + self.words[o] * self.groups
        self.emptied.append(done + 1)
        self.posted.append(done + POST_LATENCY + 1)
        self.post_free = done + 1
        return True

    def _grant(self) -> None:
        """Give the bus to a store if one waits when it is free, else to a load."""
        i, o = self._next_load(), len(self.stored)
        wants_load = max(self.begin, self.issued[i - 2] + 1 if i >= 2 else 0) if i is not None else None
        wants_store = self.posted[o] if o < len(self.posted) else None
        if wants_load is None or (wants_store is not None and wants_store <= max(self.bus_free, wants_load)):
            assert wants_store is not None, "nothing can proceed: the recurrence is inconsistent"
            # FIRST, SECOND fill the word pipeline.
            granted = max(self.bus_free, wants_store)
            last = self.bus.burst(granted + 3, self.words[o] * self.out_beats)
            self.stored.append(last)
            self.bus_free = last + 1
        else:
            self._load(max(self.bus_free, wants_load))

    def _next_load(self) -> int | None:
        """Return the next step to load, or None if there is none or its buffers are not known to come free."""
        i = len(self.loaded)
        if i >= len(self.loads) or (i >= 2 and i - 2 >= len(self.issued)):
            return None
        return i

    def _load(self, granted: int) -> None:
        at = granted + 1
        arrived = 0
        for beats in self.loads[len(self.loaded)]:
            if beats:
                last = self.bus.burst(at + 1, beats)
                arrived = last + self.latency
                at = last + 1
            else:
                at += 1
        # END at cycle `at`; its marker is seen one later, behind the data and the marker before.
        self.last_loaded = max(at + 1, arrived + 1, self.last_loaded + 1)
        self.loaded.append(self.last_loaded + 1)
        self.bus_free = at + 1
