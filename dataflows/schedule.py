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

STORE_LAG = 3
"""Output tile t - STORE_LAG is stored directly after the first step of output tile t was loaded."""


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
    """Return the exact schedule of `layer` under `tiling`; the tiling must be feasible.

    The memory port serves its transactions in an order that the tile loops alone fix: loads in step order, and output
    tile t - 3 is stored directly after the first step of output tile t was loaded; the last three follow the last load.
    Every time below is therefore a maximum of sums of durations, and none falls when a duration grows
    (docs/hardware.md, "Order of the memory port").
    """
    steps = walk(layer, acc, tiling)
    bus = _Bus(acc.memory.interval)
    # IDLE, FETCH, then the burst; complete, CONFIGURE; one lane per cycle; done, BEGIN; CLIP, FORM, PUSH, queue.
    fetched = bus.burst(2, program_beats(acc)) + acc.memory.latency
    configured = fetched + 2 + max(acc.array.rows, acc.array.cols)
    run = _Run(acc, steps, bus, begin=configured + 2 + 4)
    return run.finish()


class _Run:
    """The recurrence: one call per transaction, step and output tile, each after everything it waits for."""

    def __init__(self, acc: Accelerator, steps: Steps, bus: _Bus, begin: int) -> None:
        self.bus, self.latency = bus, acc.memory.latency
        self.groups, self.out_beats = acc.post_groups, acc.beats(acc.output_word_bits)
        rows, cols = acc.array.rows, acc.array.cols
        # Last issue cycle to tile_done: array and bank control; stationary outputs drain `rows` cycles longer.
        self.drain = rows + cols + (3 if acc.array.outputs_stay else 1) + acc.array.pe_stages
        self.loads = list(zip(steps.scale_beats.tolist(), steps.weight_beats.tolist(), steps.input_beats.tolist(), strict=True))
        self.issue, self.first, self.last = steps.issue.tolist(), steps.first.tolist(), steps.last.tolist()
        self.words = steps.words[steps.last].tolist()
        self.array_busy = int(steps.stream.sum())
        self.issued: list[int] = []  # last issue cycle
        self.summed: list[int] = []  # cycle in which post sees the token, per output tile
        self.emptied: list[int] = []  # cycle in which compute sees the accumulator half free
        self.posted: list[int] = []  # cycle in which store sees the token
        self.stored: list[int] = []  # cycle of the last accepted beat
        self.begin = self.compute_free = self.post_free = self.bus_free = begin
        self.wait_load = self.wait_acc = 0
        self.last_loaded = 0  # cycle in which the marker of the last load passes

    def finish(self) -> Schedule:
        """Run to the end."""
        tile = -1
        for i, first in enumerate(self.first):
            self._load(i)
            if first:
                tile += 1
                if tile >= STORE_LAG:
                    self._store(tile - STORE_LAG)
                if tile >= 2:
                    self._post(tile - 2)
            self._compute(i, tile)
        for o in range(len(self.stored), tile + 1):
            if o == len(self.posted):
                self._post(o)
            self._store(o)
        return Schedule(
            cycles=self.stored[-1] + 1, array_busy=self.array_busy, wait_load=self.wait_load, wait_accumulator=self.wait_acc,
            post_busy=sum(self.words) * self.groups, bus_busy=self.bus.beats * self.bus.interval, steps=len(self.loads),
        )  # fmt: skip

    def _load(self, i: int) -> None:
        """Read what step `i` brings; its buffer halves come free when step i - 2 has issued its last read."""
        at = max(self.bus_free, self.issued[i - 2] + 1 if i >= 2 else self.begin) + 1
        arrived = 0
        for beats in self.loads[i]:
            if beats:
                last = self.bus.burst(at + 1, beats)
                arrived = last + self.latency
                at = last + 1
            else:
                at += 1
        # END at cycle `at`; its marker is seen one later, behind the data and the marker before.
        self.last_loaded = max(at + 1, arrived + 1, self.last_loaded + 1)
        self.bus_free = at + 1

    def _compute(self, i: int, tile: int) -> None:
        """Take step `i` when it is loaded and, if it begins an output tile, the tile's accumulator half is free."""
        start = max(self.compute_free, self.last_loaded + 1)
        taken = max(start, self.emptied[tile - 2]) if self.first[i] and tile >= 2 else start
        self.wait_load += start - self.compute_free
        self.wait_acc += taken - start
        done = taken + 1 + self.issue[i]  # SETUP, then one cycle each
        self.issued.append(done)
        self.compute_free = done + 1
        if self.last[i]:
            self.summed.append(done + self.drain + 1)

    def _post(self, o: int) -> None:
        """Requantise output tile `o` into the output half that tile o - 2 has left."""
        taken = max(self.post_free, self.summed[o], self.stored[o - 2] + 1 if o >= 2 else 0)
        done = taken + self.words[o] * self.groups
        self.emptied.append(done + 1)
        self.posted.append(done + POST_LATENCY + 1)
        self.post_free = done + 1

    def _store(self, o: int) -> None:
        """Write output tile `o` to memory."""
        granted = max(self.bus_free, self.posted[o])
        last = self.bus.burst(granted + 3, self.words[o] * self.out_beats)  # FIRST, SECOND fill the word pipeline
        self.stored.append(last)
        self.bus_free = last + 1
