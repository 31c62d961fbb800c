"""Exact cycles of a layer on a system: the array's recurrence, and in front of and behind it tiles that come and go.

Every constant is a number of registers or states of the hardware in `rtl/spatial/system`. Within a delivery the array never
waits for a feeder, and a bank that it has begun to hand in goes on, so that only their beginnings depend on memory.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dataflows.nest.rules import TENSORS
from dataflows.spatial.schedule import ArrayRun, Gates, check_iterations, latency
from dataflows.spatial.system.deliveries import delivery_length
from dataflows.spatial.system.program import SystemProgram, inputs_nest, results_nest, weights_nest
from dataflows.spatial.system.tiles import input_tiles, output_tiles

FEED_LATENCY = {"weights": 2, "inputs": 3}
"""From the cycle in which a feeder goes on to the one in which the array sees the beat."""
STORE_LATENCY = 6
"""From the read of a beat's last sums to the write request: buffer, requantiser (4), queue."""
LOADS = 4
"""Read transactions that may wait for their data behind the one whose data arrive."""
ARRIVAL = 2
"""From a tile's last beat to the cycle in which the feeder sees that it is there: register, token."""
HALVES = 2
SUMMED = 3
"""From a tile's last sum on the ports to the cycle in which tile control sees it: read, add, token."""


@dataclass(frozen=True, slots=True)
class SystemSchedule:
    """When things happen.

    Attributes
    ----------
    cycles : int
        From the cycle start is taken to the cycle done rises.
    array_busy, wait_load, wait_accumulator : int
        Cycles in which the PEs compute, wait for a delivery, wait for a bank of sums.
    post_busy : int
        Cycles in which sums are read to be requantised.
    dummies : int
        Beats read for input tiles that lie outside the image altogether.
    """

    cycles: int
    array_busy: int
    wait_load: int
    wait_accumulator: int
    post_busy: int
    dummies: int


def schedule(program: SystemProgram, program_beats: int) -> SystemSchedule:
    """Return the exact schedule; `program_beats` are those of the program and its tags.

    Raises
    ------
    SpecError
        For more iterations of the outer loops than it is ready to walk.
    """
    check_iterations(program.array)
    tiles = _Tiles(program, program_beats)
    lengths = [delivery_length(program.array, tensor) for tensor in TENSORS[:2]]
    drain = program.array.output_words * program.array.slots
    run = ArrayRun(program.array, lengths, drain, begin=tiles.begin, gates=tiles)
    run.finish()
    cycles = tiles.flush()
    busy = program.array.iterations * program.array.steps
    return SystemSchedule(cycles, busy, run.wait_delivery, run.wait_bank, tiles.post_busy, tiles.dummies)


class _Bus:
    """The memory port: requests are accepted at least `interval` cycles apart."""

    def __init__(self, interval: int) -> None:
        self.interval, self.free = interval, 0

    def burst(self, ready: int, beats: int) -> int:
        """Accept `beats` requests waiting from cycle `ready` on; return the cycle of the last one."""
        last = max(ready, self.free) + (beats - 1) * self.interval
        self.free = last + self.interval
        return last

    def spaced(self, ready: int, beats: int, apart: int) -> int:
        """Accept requests that become ready `apart` cycles after one another, the first in cycle `ready`."""
        first = max(ready, self.free)
        last = max(first + (beats - 1) * self.interval, ready + (beats - 1) * apart)
        self.free = last + self.interval
        return last


class _Tiles(Gates):
    """Tile control, driven by the array's iterations: a step's reads and writes come before its first iteration.

    `at` is the cycle in which tile control is in its next state.
    """

    def __init__(self, program: SystemProgram, program_beats: int) -> None:
        self.program, self.system = program, program.system
        memory = self.system.memory
        self.bus, self.latency = _Bus(memory.interval), memory.latency
        self.begin = self.bus.burst(1, program_beats) + self.latency + 2  # counted, FETCH
        self.at = self.begin + 1
        self.steps = 0
        self.arrived = 0  # last beat of the transaction before
        self.taken: deque[int] = deque(maxlen=LOADS)  # cycles in which waiting transactions were taken up
        self.loaded: tuple[list[int], list[int]] = ([], [])  # cycles in which a feeder sees a tile
        self.released: tuple[list[int], list[int]] = ([], [])  # cycles in which the array takes a tile's last beat
        self.summed: list[int] = []  # cycles in which tile control sees that a tile is summed
        self.freed: list[int] = []  # cycles in which the array's gate sees that a tile's half is free
        self.scaled = self.post_busy = self.dummies = self.output_tiles = 0
        self.inputs, self.outputs = input_tiles(program), output_tiles(program)
        self.changes = tuple(program.tile_change(tensor) for tensor in TENSORS)
        passes = (weights_nest(program), inputs_nest(program), results_nest(program))
        self.passes = [nest.tile_passes for nest in passes]
        self.count = [0, 0, 0]  # deliveries and drains so far
        self.way_out = latency(program.array.array) + SUMMED

    def iteration(self, advanced: int | None) -> None:
        """Take a step of the loops over memory when one of them has advanced."""
        if advanced is None or advanced >= self.program.depth:
            self._step([advanced is None or advanced >= change for change in self.changes])

    def may_deliver(self, at: int) -> int:
        """Return when the first beat of a tile can be there; later ones follow without a gap."""
        tile, within = divmod(self.count[at], self.passes[at])
        return 0 if within else self.loaded[at][tile] + FEED_LATENCY[TENSORS[at]]

    def delivered(self, at: int, end: int) -> None:
        """Note the end of a delivery, and of a tile."""
        self.count[at] += 1
        if self.count[at] % self.passes[at] == 0:
            self.released[at].append(end)

    def may_drain(self) -> int:
        """Return when the half of a new output tile is free."""
        tile, within = divmod(self.count[2], self.passes[2])
        return 0 if within or tile < 2 else self.freed[tile - 2]

    def drained(self, end: int) -> None:
        """Note the end of a drain, and of a tile."""
        self.count[2] += 1
        if self.count[2] % self.passes[2] == 0:
            self.summed.append(end + self.way_out)

    def flush(self) -> int:
        """Write the output tiles that are left; return the cycle of `done`."""
        for tile in range(len(self.freed), self.output_tiles):
            self._store(tile)
            self.at += 1  # DROP
        return self.at + 1

    def _step(self, new: list[bool]) -> None:
        """Read what is new in a step, and write the output tile before last."""
        if new[0]:
            self._load(0, self.program.weight_beats)
        else:
            self.at += 1
        self.at += 1  # INPUTS
        if new[1]:
            tile = next(self.inputs)
            self.at += tile.skipped + 2  # SKIP, CLIP
            self.dummies += tile.beats == 0
            self._load(1, max(1, tile.beats))
        if self.steps:
            self.at += 1  # SCALES
        else:
            self._ask(self.at, self.program.scale_beats)
            self.scaled = self.arrived + ARRIVAL
        self.at += 1  # STORE
        if new[2]:
            if self.output_tiles >= HALVES:
                self._store(self.output_tiles - HALVES)
                self.at += 1  # KEEP
            self.output_tiles += 1
        self.at += 1  # NEXT
        self.steps += 1

    def _load(self, at: int, beats: int) -> None:
        """Read a tile when a half is free; its feeder sees it when it is there."""
        number = len(self.loaded[at])
        self._ask(max(self.at, self.released[at][number - HALVES] + 1) if number >= HALVES else self.at, beats)
        self.loaded[at].append(self.arrived + ARRIVAL)

    def _ask(self, at: int, beats: int) -> None:
        """Read `beats` when there is room for one more transaction; the next state comes behind the last request."""
        if len(self.taken) == LOADS:
            at = max(at, self.taken[0] + 1)
        last = self.bus.burst(at + 1, beats)
        self.taken.append(max(at + 1, self.arrived))
        self.arrived = last + self.latency
        self.at = last + 1

    def _store(self, tile: int) -> None:
        """Write an output tile; nothing is written of one outside the layer."""
        last = max(self.at, self.summed[tile], self.scaled)
        beats, groups = next(self.outputs), self.system.post_groups
        if beats:
            last = self.bus.spaced(last + STORE_LATENCY + groups, beats, groups)
            self.post_busy += beats * groups
        self.freed.append(last + 1)
        self.at = last + 1
