"""One-write, one-read memories: the hand-written `verilog/sram_1r1w.v` in Verilog, Amaranth's memory in simulation."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.library import Modules

__all__ = ["SramSignature", "place_sram"]


class SramSignature(wiring.Signature):
    """Ports of a memory, seen by its user (so inputs of the memory are ``Out`` here).

    Parameters
    ----------
    depth, width : int
        Words and bits per word.

    Members
    -------
    we, waddr, wdata : Out
        Write `wdata` to `waddr` at the end of a cycle with `we`.
    re, raddr : Out
        Read `raddr`: `rdata` shows the word from the next cycle on, until the next read. Reading the address that is
        being written gives the old word.
    rdata : In
        Undefined before the first read.
    """

    def __init__(self, depth: int, width: int) -> None:
        self.depth, self.width = depth, width
        self.address_bits = max(1, (depth - 1).bit_length())
        super().__init__({
            "we": Out(1), "waddr": Out(self.address_bits), "wdata": Out(width),
            "re": Out(1), "raddr": Out(self.address_bits), "rdata": In(width),
        })  # fmt: skip


def place_sram(modules: Modules | None, m: Module, instance: str, *, depth: int, width: int) -> Any:
    """Place a memory of `depth` words of `width` bits in `m`; return its `SramSignature` interface.

    With `modules`, the design must be emitted together with `rtl.emit.SRAM_1R1W`.
    """
    signature = SramSignature(depth, width)
    port = signature.create(path=(instance,))
    if modules is not None:
        wires: dict[str, Any] = {
            f"{'i' if member.flow == wiring.Out else 'o'}_{path[0]}": Value.cast(value)
            for path, member, value in signature.flatten(port)
        }
        m.submodules[instance] = Instance(
            "sram_1r1w", p_DEPTH=depth, p_WIDTH=width, p_AW=signature.address_bits, i_clk=ClockSignal(), **wires
        )
        return port
    memory = Memory(shape=width, depth=depth, init=[])
    m.submodules[instance] = memory
    write, read = memory.write_port(), memory.read_port()
    m.d.comb += [
        write.en.eq(port.we), write.addr.eq(port.waddr), write.data.eq(port.wdata),
        read.en.eq(port.re), read.addr.eq(port.raddr), port.rdata.eq(read.data),
    ]  # fmt: skip
    return port
