"""When coded rows come in and go out: the cycles of the coders between memory port and buffers.

Every constant is a register or a state of `rtl/spatial/system/coded_reads.py`, `expand.py` and `shrink.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.spatial.system.coded import CodedTile, Codes
from dataflows.spatial.system.coding import Coding, RowLayout
from dataflows.spatial.system.ports import STORE_DEPTH, STORE_LATENCY, SystemPort

LOOK_UP = 2
"""States in front of a row: read its length, take it."""
TO_DECODER = 3
"""From a coded beat's arrival to the cycle in which the decoder sees it: register, queue (2)."""
TABLE_BEAT = 2
"""States for a beat of the table of outputs: read it, write it; counted without waiting for memory."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A tensor of coded rows: layout, address of the first row, and what the coders do."""

    layout: RowLayout
    first: int
    codes: Codes


class CodedReads:
    """Reading of coded rows, and the decoder that takes them in."""

    def __init__(self, coding: Coding, port: SystemPort, rows: Rows) -> None:
        self.coding, self.port, self.rows = coding, port, rows
        self.asked = 0  # beats
        self.held: list[int] = []  # steps of the decoder for every beat
        self.used: list[int] = []  # cycles in which the decoder has used a beat up
        self.lasts: list[tuple[int, int]] = []  # of every tile: beat that gives its last one, steps after the first on that beat

    def read(self, tile: CodedTile, at: int) -> int:
        """Read a tile's rows, looking up the first in cycle `at`; return the cycle in which the last beat is accepted."""
        last = at - 1
        for number in tile.rows:
            code = self.rows.codes.inputs[number]
            held, gives = code.cut(tile.beats)
            address, left, at = self.rows.first + number * self.rows.layout.slot, code.beats, last + 1 + LOOK_UP
            self._note(held, gives)
            while left:
                need = min(left, self.coding.group)
                full = self.asked + need - self.coding.queue
                if full > 0:
                    at = max(at, self._used(full - 1) + 1)
                last = self.port.ask(address, need, at)
                self.asked, left, address, at = self.asked + need, left - need, address + need, last + 1
        self.port.close()
        self.lasts.append(self.gives)
        return last

    def _note(self, held: tuple[int, ...], gives: int) -> None:
        """Remember what the decoder does with a row's beats."""
        first = len(self.held)
        self.held += held
        for at, steps in enumerate(held):
            if gives < steps:
                self.gives = (first + at, gives)
                return
            gives -= steps

    def given(self, tile: int) -> int:
        """Return the cycle in which the decoder gives the last beat of tile number `tile`."""
        beat, steps = self.lasts[tile]
        return self._used(beat) - self.held[beat] + 1 + steps

    def emptied(self) -> int:
        """Return the cycle in which the decoder has used up every beat."""
        return self._used(self.asked - 1)

    def _used(self, beat: int) -> int:
        """Return the cycle in which the decoder has used up a beat."""
        while len(self.used) <= beat:
            number = len(self.used)
            begin = max(self.port.came(number) + TO_DECODER, self.used[-1] + 1 if self.used else 0)
            self.used.append(begin + self.held[number] - 1)
        return self.used[beat]


class CodedWrites:
    """The encoder and the writing of coded rows."""

    def __init__(self, port: SystemPort, rows: Rows, table: int) -> None:
        self.port, self.rows, self.table = port, rows, table
        self.written = 0

    def write(self, tile: CodedTile, at: int, apart: int) -> int:
        """Write a tile, as `SystemPort.write`; beats leave the queue in front of the encoder when it has done with them."""
        begin, popped = at - apart, []
        step, free = at, 0  # next step of the encoder; first cycle in which its output can be taken over
        for number in tile.rows:
            code, first = self.rows.codes.outputs[number], self.rows.first + number * self.rows.layout.slot
            steps = made = 0  # of the row
            for taken in code.taken:
                begin += apart
                if len(popped) >= STORE_DEPTH:
                    begin = max(begin, popped[len(popped) - STORE_DEPTH] + 1)
                step = max(step, begin + apart - 1 + STORE_LATENCY)
                while steps <= taken:
                    step = max(step, free)
                    if made < code.beats and code.made[made] == steps:
                        free = self.port.put(first + made, step + 1)
                        made += 1
                    step, steps = step + 1, steps + 1
                popped.append(step - 1)
            self.written += code.beats
        return free

    def finish(self, at: int) -> int:
        """Write the table of lengths, whose first beat is read in cycle `at`; return the cycle in which its last is accepted."""
        for beat in range(self.rows.layout.table_beats):
            at = self.port.put(self.table + beat, at + TABLE_BEAT - 1) + 1
            self.written += 1
        return at - 1
