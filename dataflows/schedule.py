"""Exact cycles of a layer: a max-plus recurrence over tiles under the memory profile (latency, interval).

Every constant below is a number of register stages or states of the hardware in `rtl/accelerator`; the comments name
them. The result equals simulation cycle for cycle, from the cycle start is taken to the cycle done rises.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from dataflows.arch import Accelerator
from dataflows.ports import NativePort, Port
from dataflows.program import program_beats
from dataflows.steps import Steps, walk
from dataflows.tiling import Tiling
from dataflows.workload import Layer

POST_LATENCY = 6
"""Accumulator read of a word's last group to the write of the word: memory, requantiser (4), gather register."""

LANE_LATENCY = 3
"""Read of an input word to its sums on the path past the array: memory, operands and coefficients, product."""

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


def schedule(layer: Layer, acc: Accelerator, tiling: Tiling, table: bool = False) -> Schedule:
    """Return the exact schedule of `layer` under `tiling`, which must be feasible; `table`: it has an activation table.

    The memory port serves its transactions in an order that the tile loops alone fix: loads in step order, and output
    tile t - 3 is stored directly after the first step of output tile t was loaded; the last three follow the last load.
    Every time below is therefore a maximum of sums of durations, and none falls when a duration grows
    (docs/hardware.md, "Order of the memory port").
    """
    steps = walk(layer, acc, tiling)
    beats = ([n or None for n in each.tolist()] for each in (steps.scale_beats, steps.weight_beats, steps.input_beats))
    port = NativePort(
        latency=acc.memory.latency, interval=acc.memory.interval,
        programs=[program_beats(acc), acc.table_beats] if table else [program_beats(acc)],
        loads=list(zip(*beats, strict=True)),
        stores=(steps.words[steps.last] * acc.beats(acc.output_word_bits)).tolist(),
    )  # fmt: skip
    found = run_port(layer, acc, steps, port)
    return replace(found, bus_busy=port.beats * port.interval)


def run_port(layer: Layer, acc: Accelerator, steps: Steps, port: Port[Any]) -> Schedule:
    """Return the schedule of a layer's steps on a memory port, `bus_busy` left 0."""
    fetched = -1
    for request in port.programs:  # IDLE, FETCH, then the burst; for a table complete, next base, FETCH
        fetched = port.fetch(request, fetched + 3)
    # Complete, CONFIGURE; one lane per cycle; done, BEGIN; CLIP, FORM, PUSH, queue.
    configured = fetched + 2 + max(acc.array.rows, acc.array.cols)
    return _Run(acc, steps, port, begin=configured + 2 + 4, channelwise=layer.op != "mac").finish()


class _Run:
    """The recurrence: one call per transaction, step and output tile, each after everything it waits for."""

    def __init__(self, acc: Accelerator, steps: Steps, port: Port[Any], begin: int, *, channelwise: bool) -> None:
        self.port, self.groups = port, acc.post_groups
        rows, cols = acc.array.rows, acc.array.cols
        # Last issue cycle to tile_done: array and bank control; stationary outputs drain `rows` cycles longer.
        through = rows + cols + (3 if acc.array.outputs_stay else 1) + acc.array.pe_stages
        self.drain = LANE_LATENCY if channelwise else through
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

    def finish(self) -> Schedule:
        """Run to the end; steps are computed one late, because who reads next may decide when data come."""
        tile = before = -1
        for i, first in enumerate(self.first):
            self._load(i)
            if first:
                tile += 1
                if tile >= STORE_LAG:
                    self._store(tile - STORE_LAG)
                if tile >= 2:
                    self._post(tile - 2)
            if i:
                self._compute(i - 1, before)
            before = tile
        self._compute(len(self.first) - 1, tile)
        for o in range(len(self.stored), tile + 1):
            if o == len(self.posted):
                self._post(o)
            self._store(o)
        return Schedule(
            cycles=self.stored[-1] + 1, array_busy=self.array_busy, wait_load=self.wait_load, wait_accumulator=self.wait_acc,
            post_busy=sum(self.words) * self.groups, bus_busy=0, steps=len(self.first),
        )  # fmt: skip

    def _load(self, i: int) -> None:
        """Read what step `i` brings; its buffer halves come free when step i - 2 has issued its last read."""
        at = self.port.may_load(max(self.bus_free, self.issued[i - 2] + 1 if i >= 2 else self.begin)) + 1
        for request in self.port.loads[i]:
            at = at + 1 if request is None else self.port.read(request, at + 1) + 1
        self.port.end(at)
        self.bus_free = at + 1

    def _compute(self, i: int, tile: int) -> None:
        """Take step `i` when it is loaded and, if it begins an output tile, the tile's accumulator half is free."""
        start = max(self.compute_free, self.port.loaded() + 1)
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
        last = self.port.write(self.port.stores[o], granted + 3)  # FIRST, SECOND fill the word pipeline
        self.stored.append(last)
        self.bus_free = last + 1
