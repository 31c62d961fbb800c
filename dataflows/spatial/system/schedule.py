"""Exact cycles of a layer on a system: the array's recurrence, and in front of and behind it tiles that come and go.

Every constant is a number of registers or states of the hardware in `rtl/spatial/system`. Within a delivery the array never
waits for a feeder, and a bank that it has begun to hand in goes on, so that only their beginnings depend on memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dataflows.axi import AxiOptions
from dataflows.errors import SpecError
from dataflows.nest.rules import TENSORS
from dataflows.spatial.schedule import ArrayRun, Gates, check_iterations, latency
from dataflows.spatial.system.coded import CODED, CodedTile, Codes, coded_input_tiles, coded_output_tiles, row_layout
from dataflows.spatial.system.coders import CodedReads, CodedWrites, Rows
from dataflows.spatial.system.deliveries import delivery_length
from dataflows.spatial.system.placement import Placement
from dataflows.spatial.system.ports import NativePort, Request, ShellPort, SystemPort, adjacent
from dataflows.spatial.system.program import SystemProgram, inputs_nest, results_nest, weights_nest
from dataflows.spatial.system.tiles import Tile, input_tiles, output_tiles, weight_tiles

HALVES = 2
FEED_LATENCY = {"weights": 2, "inputs": 3}
"""From the cycle in which a feeder goes on to the one in which the array sees the beat."""
LOADS = 4
"""Read transactions that may wait for their data behind the one whose data arrive."""
ARRIVAL = 2
"""From a tile's last beat to the cycle in which the feeder sees that it is there: register, token."""
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
    coded : tuple of int
        Beats read of coded inputs, and beats written of coded outputs, tables included; 0 for what is not coded.
    """

    cycles: int
    array_busy: int
    wait_load: int
    wait_accumulator: int
    post_busy: int
    dummies: int
    coded: tuple[int, int] = (0, 0)


def schedule(program: SystemProgram, where: Placement, codes: Codes | None = None) -> SystemSchedule:
    """Return the exact schedule on the native port.

    Parameters
    ----------
    program : SystemProgram
    where : Placement
        Where everything lies; on this port only the length of the program matters.
    codes : Codes, optional
        What the coders do with the rows of coded tensors: cycles depend on the data there.

    Raises
    ------
    SpecError
        For more iterations of the outer loops than it is ready to walk, or coded tensors without codes.
    """
    return run_port(program, where, NativePort(program.system.memory), codes)


def run_port(program: SystemProgram, where: Placement, port: SystemPort, codes: Codes | None = None) -> SystemSchedule:
    """Return the schedule on a memory port."""
    check_iterations(program.array)
    if any(program.coded) and codes is None:
        raise SpecError("codes", None, "the rows of coded tensors", "give them: cycles depend on the data")
    tiles = _Tiles(program, port, where, codes or Codes())
    lengths = [delivery_length(program.array, tensor) for tensor in TENSORS[:2]]
    drain = program.array.output_words * program.array.slots
    run = ArrayRun(program.array, lengths, drain, begin=tiles.begin, gates=tiles)
    run.finish()
    cycles = tiles.flush()
    busy = program.array.iterations * program.array.steps
    return SystemSchedule(cycles, busy, run.wait_delivery, run.wait_bank, tiles.post_busy, tiles.dummies, tiles.coded_beats())


@dataclass(frozen=True, slots=True)
class ShellSchedule:
    """When things happen behind the AXI shell.

    Attributes
    ----------
    inside : SystemSchedule
        Of the system in the shell.
    axi_cycles : int
        From the cycle the layer is started to the cycle after its last write response, or after `done`, if that is later.
    axi_read_wait, axi_write_wait : int
        Cycles in which a request or a burst waits for the bus.
    """

    inside: SystemSchedule
    axi_cycles: int
    axi_read_wait: int
    axi_write_wait: int


def axi_schedule(program: SystemProgram, where: Placement, axi: AxiOptions, codes: Codes | None = None) -> ShellSchedule:
    """Return the exact schedule behind the AXI shell, with a memory that takes a beat in every cycle and never pauses."""
    port = ShellPort(axi, program.system.memory)
    inside = run_port(program, where, port, codes)
    # Coded rows may come after the last write response; `done` waits for them.
    return ShellSchedule(inside, max(port.port.confirmed(), inside.cycles + 1), *port.port.waits())


class _Tiles(Gates):
    """Tile control; it is a step ahead of the array's iterations, because who reads next may decide when data come.

    `at` is the cycle in which tile control is in its next state.
    """

    def __init__(self, program: SystemProgram, port: SystemPort, where: Placement, codes: Codes) -> None:
        self.program, self.system, self.port, self.where = program, program.system, port, where
        self.begin = port.fetch(adjacent(where.program, where.scales - where.program), 1) + 2  # counted, FETCH
        self.at = self.begin + 1
        self.reads = 0  # read transactions so far
        self.taken: list[int] = []  # cycles in which they were taken up by the arrivals
        self.pushed: list[int] = []  # cycles in which they were asked for
        self.loaded: tuple[list[int], list[int]] = ([], [])  # their numbers
        self.released: tuple[list[int], list[int]] = ([], [])  # cycles in which the array takes a tile's last beat
        self.summed: list[int] = []  # cycles in which tile control sees that a tile is summed
        self.freed: list[int] = []  # cycles in which the array's gate sees that a tile's half is free
        self.scales = self.post_busy = self.dummies = self.output_tiles = 0
        self.inputs, self.outputs, self.weights = input_tiles(program), output_tiles(program), weight_tiles(program)
        self.coders = self._coders(codes)
        self.changes = tuple(program.tile_change(tensor) for tensor in TENSORS)
        passes = (weights_nest(program), inputs_nest(program), results_nest(program))
        self.passes = [nest.tile_passes for nest in passes]
        self.count = [0, 0, 0]  # deliveries and drains so far
        self.way_out = latency(program.array.array) + SUMMED
        self.steps, self.made = self._news(), 0
        self.table = -1  # the transaction that brings the lengths of coded inputs
        if isinstance(self.coders[0], CodedReads):
            self.table = self.reads
            self._ask(self.at, adjacent(where.inputs, row_layout(program, "inputs").table_beats))
        self._step(next(self.steps))

    def _coders(self, codes: Codes) -> tuple[CodedReads | None, CodedWrites | None]:
        """Return the coders of the tensors that are coded, and walk their tiles as rows."""
        program, first = self.program, (self.where.inputs, self.where.outputs)
        rows = []
        for tensor, coded, begin in zip(CODED, program.coded, first, strict=True):
            layout = row_layout(program, tensor) if coded else None
            rows.append(Rows(layout, begin + layout.table_beats, codes) if layout else None)
        if rows[0]:
            self.inputs = coded_input_tiles(program)
        if rows[1]:
            self.outputs = coded_output_tiles(program)
        coding = self.system.coding
        reads = CodedReads(coding, self.port, rows[0]) if rows[0] and coding else None
        return reads, CodedWrites(self.port, rows[1], self.where.outputs) if rows[1] else None

    def _news(self) -> Iterator[list[bool]]:
        """Yield, per step of the loops over memory, which tensors' tiles are new."""
        depth, loops = self.program.depth, self.program.tile_loops
        counters = [0] * len(loops)
        yield [True, True, True]
        while (at := next((n for n, loop in enumerate(loops) if counters[n] < loop.extent - 1), None)) is not None:
            counters[:at] = [0] * at
            counters[at] += 1
            yield [depth + at >= change for change in self.changes]

    def iteration(self, advanced: int | None) -> None:
        """Take the step after the one that begins."""
        if advanced is None or advanced >= self.program.depth:
            new = next(self.steps, None)
            if new is not None:
                self._step(new)

    def may_deliver(self, at: int) -> int:
        """Return when the first beat of a tile can be there; later ones follow without a gap."""
        tile, within = divmod(self.count[at], self.passes[at])
        if within:
            return 0
        coder = self.coders[0] if at else None
        there = coder.given(tile) if coder else self.port.arrived(self.loaded[at][tile])
        return there + ARRIVAL + FEED_LATENCY[TENSORS[at]]

    def delivered(self, at: int, end: int) -> None:
        """Note the end of a delivery, and of a tile."""
        self.count[at] += 1
        if self.count[at] % self.passes[at] == 0:
            self.released[at].append(end)

    def may_drain(self) -> int:
        """Return when the half of a new output tile is free."""
        tile, within = divmod(self.count[2], self.passes[2])
        return 0 if within or tile < HALVES else self.freed[tile - HALVES]

    def drained(self, end: int) -> None:
        """Note the end of a drain, and of a tile."""
        self.count[2] += 1
        if self.count[2] % self.passes[2] == 0:
            self.summed.append(end + self.way_out)

    def looks_on(self, loop: int) -> bool:
        """Whether a loop runs inside the tiles: its first and last pass may begin and end one, those between do not."""
        return loop < self.program.depth

    def skipped(self, times: tuple[int, int, int]) -> None:
        """Count deliveries and drains that were not walked."""
        self.count = [number + more for number, more in zip(self.count, times, strict=True)]

    def flush(self) -> int:
        """Write the output tiles that are left; return the cycle of `done`."""
        for tile in range(len(self.freed), self.output_tiles):
            self._store(tile)
            self.at += 1  # DROP
        if self.coders[0]:  # beats that no tile wants come as well
            self.at = max(self.at, self.coders[0].emptied() + 1)
        if self.coders[1]:
            self.at = self.coders[1].finish(self.at + 1) + 1  # FLUSH goes on to the table
        return self.at + 1

    def coded_beats(self) -> tuple[int, int]:
        """Return the beats of coded tensors that went over the port."""
        reads, writes = self.coders
        table = row_layout(self.program, "inputs").table_beats if reads else 0
        return (reads.asked + table if reads else 0), (writes.written if writes else 0)

    def _step(self, new: list[bool]) -> None:
        """Read what is new in a step, and write the output tile before last."""
        if new[0]:
            self._load(0, next(self.weights), self.where.weights)
        else:
            self.at += 1
        self.at += 1  # INPUTS
        if new[1]:
            self._inputs(next(self.inputs))
        if self.made:
            self.at += 1  # SCALES
        else:
            self.scales = self.reads
            self._ask(self.at, adjacent(self.where.scales, self.program.scale_beats))
        self.at += 1  # STORE
        if new[2]:
            if self.output_tiles >= HALVES:
                self._store(self.output_tiles - HALVES)
                self.at += 1  # KEEP
            self.output_tiles += 1
        self.at += 1  # NEXT
        self.made += 1

    def _inputs(self, tile: Tile | CodedTile) -> None:
        """Read a tile of inputs; one outside the image reads a beat or a coded row, so that its arrival has an order."""
        self.at += tile.skipped + 2  # SKIP, CLIP
        if isinstance(tile, CodedTile):
            self._ask(max(self._free(1), self.port.arrived(self.table) + ARRIVAL), tile)
            return
        self.dummies += tile.request is None
        self._load(1, tile.request or adjacent(self.where.scales - self.where.inputs, 1), self.where.inputs)

    def _load(self, at: int, request: Request, base: int) -> None:
        """Read a tile when a half is free."""
        self._ask(self._free(at), replace(request, address=base + request.address))

    def _free(self, at: int) -> int:
        """Return when a half is free for a new tile; the next transaction brings it."""
        number = len(self.loaded[at])
        self.loaded[at].append(self.reads)
        return max(self.at, self.released[at][number - HALVES] + 1) if number >= HALVES else self.at

    def _ask(self, at: int, request: Request | CodedTile) -> None:
        """Read when there is room for one more transaction; the next state comes behind the last request."""
        if self.reads >= LOADS:
            at = max(at, self._taken(self.reads - LOADS) + 1)
        self.pushed.append(at)
        if isinstance(request, CodedTile):
            assert self.coders[0] is not None
            self.at = self.coders[0].read(request, at + 1) + 1
        else:
            self.at = self.port.read(request, at + 1) + 1
        self.reads += 1

    def _taken(self, number: int) -> int:
        """Return the cycle in which a transaction is taken up: the one before has ended."""
        while len(self.taken) <= number:
            at = len(self.taken)
            self.taken.append(max(self.pushed[at] + 1, self.port.arrived(at - 1) if at else 0))
        return self.taken[number]

    def _store(self, tile: int) -> None:
        """Write an output tile; nothing is written of one outside the layer."""
        last = max(self.at, self.summed[tile], self.port.arrived(self.scales) + ARRIVAL)
        found, groups = next(self.outputs), self.system.post_groups
        if isinstance(found, CodedTile):
            if found.rows and self.coders[1]:
                last = self.coders[1].write(found, last + 1, groups)
                self.post_busy += len(found.rows) * found.beats * groups
        elif request := found.request:
            last = self.port.write(replace(request, address=self.where.outputs + request.address), last + 1, groups)
            self.post_busy += request.count * groups
        self.freed.append(last + 1)
        self.at = last + 1
