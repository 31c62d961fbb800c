"""Banked buffers: neighbouring words in neighbouring banks, so that a beat, or a word for every port, moves in one cycle.

The compiler chooses the places of words so that ports meet in different banks (`dataflows.spatial.system.geometry`).
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.spec import SpatialSystem
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.spatial.system import layouts
from rtl.sram import place_sram

__all__ = ["InputBanks", "SumBanks", "reading", "rotate"]


def rotate(m: Module, words: list[Any], by: Any, name: str, *, back: bool = False) -> list[Any]:
    """Return words moved `by` places up, or `back` down, round the end: a stage for every bit of `by`."""
    count = len(words)
    for bit in range(len(by)):
        shift = (1 << bit) % count
        moved = [words[(at + shift if back else at - shift) % count] for at in range(count)]
        stage = [Signal.like(word, name=f"{name}_{bit}_{at}") for at, word in enumerate(words)]
        m.d.comb += [into.eq(Mux(by[bit], there, here)) for into, there, here in zip(stage, moved, words, strict=True)]
        words = stage
    return words


class InputBanks(wiring.Component):
    """Both halves of the input buffer: a beat is written, a word for every port is read in a cycle.

    Members
    -------
    write, write_half, write_at, write_data, write_count : In
        Write the first words of a beat, from a place on.
    read, read_half, lanes : In
        Read the places of all ports that are used.
    found : Out
        Their words, one cycle later.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        where, lanes = layouts.place(system, "inputs"), system.array.lanes("inputs")
        lane = data.StructLayout({"at": where, "used": 1})
        super().__init__({
            "write": In(1), "write_half": In(1), "write_at": In(where), "write_data": In(system.beat_bits),
            "write_count": In(range(system.beat_words("inputs") + 1)), "read": In(1), "read_half": In(1),
            "lanes": In(data.ArrayLayout(lane, lanes)), "found": Out(data.ArrayLayout(system.array.input_bits, lanes)),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place the banks, a rotator before them and a choice of banks for every port behind."""
        m = Module()
        system = self.system
        count, width, rows = system.banks("inputs"), system.array.input_bits, system.rows("inputs")
        beat = [self.write_data.word_select(n, width) for n in range(system.beat_words("inputs"))]
        words = [Signal(width + 1, name=f"entering_{n}") for n in range(count)]
        m.d.comb += [word.eq(Cat(value, n < self.write_count)) for n, (word, value) in enumerate(zip(words, beat, strict=False))]
        words = rotate(m, words, self.write_at.bank, "rotated")
        found = []
        for n in range(count):
            bank = place_sram(self.modules, m, f"bank_{n}", depth=2 * rows, width=width)
            mine = [lane.used & (lane.at.bank == n) for lane in self.lanes]
            row = Signal(layouts.bits_for(rows), name=f"row_{n}")
            m.d.comb += row.eq(_any_of(mine, [lane.at.row for lane in self.lanes]))
            m.d.comb += [
                bank.we.eq(self.write & words[n][width]), bank.wdata.eq(words[n][:width]),
                bank.waddr.eq(self.write_at.row + (self.write_at.bank > n) + Mux(self.write_half, rows, 0)),
                bank.re.eq(self.read & Cat(mine).any()), bank.raddr.eq(row + Mux(self.read_half, rows, 0)),
            ]  # fmt: skip
            found.append(bank.rdata)
        for n, lane in enumerate(self.lanes):
            from_bank = delay(m, _held(m, lane.at.bank, f"bank_of_{n}"), 1, f"from_bank_{n}")
            m.d.comb += self.found[n].eq(Cat(found).word_select(from_bank, width))
        return m


def reading(system: SpatialSystem) -> dict[str, wiring.Member]:
    """Return the port through which sums are read to be requantised, as the buffer has it."""
    where, sums = layouts.place(system, "outputs"), data.ArrayLayout(signed(system.array.acc_bits), system.post_lanes)
    return {"read": In(1), "read_half": In(1), "read_at": In(where), "found": Out(sums)}


class SumBanks(wiring.Component):
    """Both halves of the buffer of sums: one read-modify-write for every port, one group of words read to be requantised.

    Members
    -------
    add, first, half, sums, lanes : In
        Add sums at the places of all ports that are used, or put them there. The same place comes two cycles later at the
        earliest. They are there, to be read, three cycles later.
    read, read_half, read_at : In
        Read words from a place on, in the half that is not added to.
    found : Out
        They, one cycle later.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        lanes, bits = system.array.lanes("outputs"), system.array.acc_bits
        super().__init__({
            "add": In(1), "first": In(1), "half": In(1), "sums": In(data.ArrayLayout(signed(bits), lanes)),
            "lanes": In(data.ArrayLayout(layouts.output_lane(system), lanes)),
            **reading(system),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place the banks, a choice of ports before each, and a rotator behind all."""
        m = Module()
        system = self.system
        count, bits, rows = system.banks("outputs"), system.array.acc_bits, system.rows("outputs")
        add, first, half = (Signal(name=f"{name}_1", reset_less=name != "add") for name in ("add", "first", "half"))
        lanes = Signal(self.lanes.shape(), name="lanes_1", reset_less=True)
        sums = Signal(self.sums.shape(), name="sums_1", reset_less=True)
        m.d.sync += [add.eq(self.add), first.eq(self.first), half.eq(self.half), lanes.eq(self.lanes), sums.eq(self.sums)]
        read = []
        for n in range(count):
            mine = [lane.used & (lane.at.bank == n) for lane in lanes]
            bank = place(self.modules, m, f"bank_{n}", "sum_bank", SumBank, rows=rows, bits=bits, modules=self.modules)
            m.d.comb += [
                bank.add.eq(add & Cat(mine).any()), bank.first.eq(first), bank.half.eq(half),
                bank.row.eq(_any_of(mine, [lane.at.row for lane in lanes])), bank.value.eq(_any_of(mine, list(sums))),
                bank.read_half.eq(self.read_half),
            ]  # fmt: skip
            wanted, row = self._drained(n)
            m.d.comb += [bank.read.eq(self.read & wanted), bank.read_row.eq(row)]
            read.append(bank.found)
        from_bank = delay(m, _held(m, self.read_at.bank, "first_bank"), 1, "from_bank")
        words = rotate(m, read, from_bank, "straight", back=True)
        m.d.comb += [self.found[n].eq(words[n]) for n in range(system.post_lanes)]
        return m

    def _drained(self, n: int) -> tuple[Any, Any]:
        """Return whether bank `n` has one of the words that are read from a place on, and in which row."""
        first, row = self.read_at.bank, self.read_at.row
        count, words = self.system.banks("outputs"), self.system.post_lanes
        if n >= words - 1:  # too far from the beginning to be reached round the end
            return (first <= n) & (first + words > n), row
        return (first <= n) | (first > count + n - words), row + (first > n)


class SumBank(wiring.Component):
    """One bank of sums, two halves.

    Members
    -------
    add, first, half, row, value : In
        Add `value`, or put it there.
    read, read_half, read_row, found : In, Out
        The sum is there one cycle later.
    """

    def __init__(self, *, rows: int, bits: int, modules: Modules | None = None) -> None:
        self.rows, self.bits, self.modules = rows, bits, modules
        row = layouts.bits_for(rows)
        super().__init__({
            "add": In(1), "first": In(1), "half": In(1), "row": In(row), "value": In(bits),
            "read": In(1), "read_half": In(1), "read_row": In(row), "found": Out(bits),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Read in one cycle, add and write in the next."""
        m = Module()
        halves = [place_sram(self.modules, m, f"half_{n}", depth=self.rows, width=self.bits) for n in range(2)]
        names = ("add", "first", "half", "row", "value")
        add, first, half, row, value = (
            Signal.like(getattr(self, name), name=f"{name}_2", reset_less=name != "add") for name in names
        )
        m.d.sync += [held.eq(getattr(self, name)) for held, name in zip((add, first, half, row, value), names, strict=True)]
        m.d.sync += add.eq(self.add)
        read_half = Signal(reset_less=True)
        m.d.sync += read_half.eq(self.read_half)
        m.d.comb += self.found.eq(Mux(read_half, halves[1].rdata, halves[0].rdata))
        old = Mux(half, halves[1].rdata, halves[0].rdata)
        for n, memory in enumerate(halves):
            update, drain = self.add & (self.half == n), self.read & (self.read_half == n)
            m.d.comb += [
                memory.re.eq((update & ~self.first) | drain), memory.raddr.eq(Mux(update, self.row, self.read_row)),
                memory.we.eq(add & (half == n)), memory.waddr.eq(row), memory.wdata.eq(Mux(first, 0, old) + value),
            ]  # fmt: skip
        return m


def _any_of(chosen: list[Any], values: list[Any]) -> Any:
    """Return the value that is chosen; several chosen ones are equal."""
    found: Any = 0
    for choice, value in zip(chosen, values, strict=True):
        found |= Mux(choice, value.as_unsigned(), 0)
    return found


def _held(m: Module, value: Any, name: str) -> Signal:
    held = Signal.like(value, name=name)
    m.d.comb += held.eq(value)
    return held
