"""On-chip memories with one write and one read port."""

from __future__ import annotations

from amaranth import ClockSignal, Instance, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.library import Modules

__all__ = ["Sram"]


class Sram(wiring.Component):
    """Synchronous memory: read data appear one cycle after `read` and stay until the next read; old data on a clash.

    Parameters
    ----------
    depth, width : int
        Words and bits per word.
    modules : Modules or None
        None: an Amaranth memory, for its simulator. Otherwise an instance of ``sram_1r1w`` (rtl/verilog), which keeps
        the Verilog small and can be replaced by a macro.
    """

    def __init__(self, *, depth: int, width: int, modules: Modules | None) -> None:
        self.depth, self.width, self.modules = depth, width, modules
        self.addr_bits = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "write": In(1), "write_addr": In(self.addr_bits), "write_data": In(width),
                "read": In(1), "read_addr": In(self.addr_bits), "read_data": Out(width),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        if self.modules is not None:
            m.submodules.cells = Instance(
                "sram_1r1w", p_DEPTH=self.depth, p_WIDTH=self.width, p_AW=self.addr_bits, i_clk=ClockSignal(),
                i_we=self.write, i_waddr=self.write_addr, i_wdata=self.write_data,
                i_re=self.read, i_raddr=self.read_addr, o_rdata=self.read_data,
            )  # fmt: skip
            return m
        m.submodules.cells = cells = memory.Memory(shape=self.width, depth=self.depth, init=[])
        write, read = cells.write_port(), cells.read_port()
        m.d.comb += [
            write.en.eq(self.write), write.addr.eq(self.write_addr), write.data.eq(self.write_data),
            read.en.eq(self.read), read.addr.eq(self.read_addr), self.read_data.eq(read.data),
        ]  # fmt: skip
        return m


def delay(m: Module, value: Signal, cycles: int, name: str, *, reset: bool = False) -> Signal:
    """Return `value` as it was `cycles` cycles ago; valid bits want `reset`, data do not."""
    for stage in range(cycles):
        later = Signal.like(value, name=f"{name}_{stage + 1}", reset_less=not reset)
        m.d.sync += later.eq(value)
        value = later
    return value
