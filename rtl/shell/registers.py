"""The register file: storage, write rules and read multiplexer of any map in `dataflows.registers`' form."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflows.registers import LAST_OFFSET, MOST_COUNTERS, Field, Register
from rtl.shell.lite import WORD_BITS

COUNTER_ADDRESS_BITS = 1 + (MOST_COUNTERS - 1).bit_length()
"""Bank (0 last layer, 1 total) and number."""


def port(register: Register, field: Field) -> str:
    """Return the name of a field's port."""
    return register.name if field.name == "value" else f"{register.name}_{field.name}"


class RegisterFile(wiring.Component):
    """Registers between bus and shell logic.

    Parameters
    ----------
    registers : tuple of Register
        The map, constants included.
    counters : int
        Number of 64-bit counters per bank.

    Members
    -------
    <field> :
        ``ro`` In: the value (constants have no port). ``rw`` Out: the value kept. ``w1c`` Out: the flag, and
        ``<field>_set`` In: set it, which wins over clearing. ``wo`` Out: what is written, in the cycle of ``<register>_write``.
    <register>_write, <register>_refuse : Out(1), In(1)
        Of registers with ``wo`` fields: all of it is being written; the answer is SLVERR. A write that does not strobe
        every byte with a field of the register counts as refused.
    clear : In(1)
        Clear all ``w1c`` flags.
    write, write_word, write_data, write_strobe, write_ok, read, read_word, read_data, read_ok :
        See `LiteSlave`.
    counter_read, counter_addr, counter_data : Out(1), Out, In(64)
        Counter memory; data come in the next cycle.
    """

    def __init__(self, *, registers: tuple[Register, ...], counters: int) -> None:
        self.registers, self.counters = registers, counters
        members = {
            "clear": In(1), "write": In(1), "write_word": In(WORD_BITS), "write_data": In(32), "write_strobe": In(4),
            "write_ok": Out(1), "read": In(1), "read_word": In(WORD_BITS), "read_data": Out(32), "read_ok": Out(1),
            "counter_read": Out(1), "counter_addr": Out(COUNTER_ADDRESS_BITS), "counter_data": In(64),
        }  # fmt: skip
        for register in registers:
            for field in register.fields:
                name = port(register, field)
                if field.access == "ro" and field.constant is None:
                    members[name] = In(field.width)
                elif field.access != "ro":
                    members[name] = Out(field.width)
                if field.access == "w1c":
                    members[f"{name}_set"] = In(1)
            if _action(register):
                members |= {f"{register.name}_write": Out(1), f"{register.name}_refuse": In(1)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        is_counter = Signal()
        counter_words = 2 * MOST_COUNTERS
        first = LAST_OFFSET // 4
        m.d.comb += [
            # Two banks of equal size from a multiple of their size on: the address needs no arithmetic.
            is_counter.eq((self.read_word[WORD_BITS - 3 :] == first // counter_words // 2)
                          & (self.read_word[1:COUNTER_ADDRESS_BITS] < self.counters)),
            self.counter_addr.eq(self.read_word[1:]), self.counter_read.eq(self.read & ~self.read_word[0]),
        ]  # fmt: skip
        self._reads(m, is_counter)
        with m.Switch(self.write_word):
            for register in self.registers:
                if register.writable or not register.fields:
                    with m.Case(register.offset // 4):
                        self._write(m, register)
        for register in self.registers:
            for field in register.fields:
                if field.access == "w1c":
                    flag = getattr(self, port(register, field))
                    with m.If(getattr(self, f"{port(register, field)}_set")):
                        m.d.sync += flag.eq(1)
                    with m.Elif(self.clear):
                        m.d.sync += flag.eq(0)
        return m

    def _reads(self, m: Module, is_counter: Signal) -> None:
        """Counters come from memory; the high word is kept when the low word is read, so that the two belong together."""
        high, low_now = Signal(32, reset_less=True), Signal()
        m.d.sync += low_now.eq(self.counter_read & is_counter)
        with m.If(low_now):
            m.d.sync += high.eq(self.counter_data[32:])
        with m.Switch(self.read_word):
            for register in self.registers:
                with m.Case(register.offset // 4):
                    m.d.comb += [self.read_data.eq(self._value(register)), self.read_ok.eq(1)]
            with m.Default(), m.If(is_counter):
                m.d.comb += [self.read_data.eq(Mux(self.read_word[0], high, self.counter_data[:32])), self.read_ok.eq(1)]

    def _value(self, register: Register) -> Value:
        """Return what reading `register` gives."""
        parts: list[Value] = []
        at = 0
        for field in sorted(register.fields, key=lambda field: field.low):
            parts.append(Const(0, field.low - at))
            if field.access == "wo":
                parts.append(Const(0, field.width))
            elif field.constant is not None:
                parts.append(Const(field.constant, field.width))
            else:
                parts.append(getattr(self, port(register, field)))
            at = field.low + field.width
        return Cat(*parts)

    def _write(self, m: Module, register: Register) -> None:
        """Write one register, byte by byte where it has a memory."""
        if _action(register):
            used = {bit // 8 for f in register.fields for bit in range(f.low, f.low + f.width)}
            whole = Cat(self.write_strobe[lane] for lane in sorted(used)).all()
            refuse = getattr(self, f"{register.name}_refuse")
            m.d.comb += [getattr(self, f"{register.name}_write").eq(self.write & whole), self.write_ok.eq(whole & ~refuse)]
        else:
            m.d.comb += self.write_ok.eq(1)
        for field in register.fields:
            target = getattr(self, port(register, field), None)
            if field.access == "wo":
                m.d.comb += target.eq(self.write_data[field.low : field.low + field.width])
            elif field.access in ("rw", "w1c"):
                self._store(m, field, target)

    def _store(self, m: Module, field: Field, target: Signal) -> None:
        """Change the bits of a field whose bytes are strobed."""
        end = field.low + field.width
        for lane in range(field.low // 8, (end + 7) // 8):
            low, high = max(field.low, 8 * lane), min(end, 8 * lane + 8)
            here, data = target[low - field.low : high - field.low], self.write_data[low:high]
            with m.If(self.write & self.write_strobe[lane]):
                m.d.sync += here.eq(data if field.access == "rw" else here & ~data)


def _action(register: Register) -> bool:
    return any(field.access == "wo" for field in register.fields)
