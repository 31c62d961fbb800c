"""The accelerator as a chip takes it: AXI4-Lite registers, AXI4 memory, interrupt."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, ClockDomain, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from dataflows.axi import AxiOptions
from dataflows.counters import Design
from dataflows.registers import ALL_COUNTERS, control_registers, parameter_registers
from dataflows.spatial.system.spec import SpatialSystem
from rtl.accelerator.top import AcceleratorTop
from rtl.library import Modules, place
from rtl.shell.counters import CounterBanks
from rtl.shell.layers import LayerQueue
from rtl.shell.lite import LiteSlave
from rtl.shell.master import AxiMaster
from rtl.shell.ports import lite_slave, master_read, master_write
from rtl.shell.registers import RegisterFile
from rtl.spatial.system.top import SystemTop


def axi_members(acc: Design, axi: AxiOptions) -> dict[str, Member]:
    """Return the ports of the top module."""
    return {
        "aclk": In(1), "aresetn": In(1), "irq": Out(1), **lite_slave("s_axil"),
        **master_read("m_axi", axi, acc.beat_bits), **master_write("m_axi", axi, acc.beat_bits),
    }  # fmt: skip


class AxiAccelerator(wiring.Component):
    """An accelerator behind AXI.

    Parameters
    ----------
    acc : Accelerator or SpatialSystem
        The design; its bus width is the width of the AXI data.
    axi : AxiOptions
        Bus and queue parameters.

    Members
    -------
    aclk, aresetn : In(1)
        The one clock, and the synchronous reset, active low.
    s_axil_* :
        Registers (docs/axi.md).
    m_axi_* :
        Memory.
    irq : Out(1)
        Level interrupt.
    """

    def __init__(self, *, acc: Design, axi: AxiOptions, modules: Modules | None) -> None:
        self.acc, self.axi, self.modules = acc, axi, modules
        super().__init__(axi_members(acc, axi))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = clock = ClockDomain()
        m.d.comb += [clock.clk.eq(self.aclk), clock.rst.eq(~self.aresetn)]
        registers = (*control_registers(self.axi), *parameter_registers(self.acc, self.axi))
        lite = self._part(m, "axi_lite", LiteSlave)
        regs = self._part(m, "axi_registers", RegisterFile, registers=registers, counters=len(ALL_COUNTERS))
        layers = self._part(m, "layer_queue", LayerQueue, depth=self.axi.queue_depth)
        banks = self._part(m, "counter_banks", CounterBanks, modules=self.modules)
        master = self._part(m, "axi_master", AxiMaster, axi=self.axi, bus_bytes=self.acc.memory.bus_bytes, modules=self.modules)
        core = self._engine(m, layers.abort)
        self._connect_bus(m, lite, regs, master, banks)
        self._connect_registers(m, regs, layers, banks)
        m.d.comb += [
            core.start.eq(layers.start), core.program_addr.eq(layers.program_addr), layers.done.eq(core.done),
            layers.error.eq(core.error), core.counter_index.eq(banks.index), banks.value.eq(core.counter_value),
            master.req_valid.eq(core.mem_req_valid & ~layers.abort), core.mem_req_ready.eq(master.req_ready & ~layers.abort),
            master.req_write.eq(core.mem_req_write), master.req_addr.eq(core.mem_req_addr),
            master.req_data.eq(core.mem_req_data), core.mem_rsp_valid.eq(master.rsp_valid),
            core.mem_rsp_data.eq(master.rsp_data), master.base.eq(Cat(regs.base_low, *self._base_high(regs))),
            master.clear.eq(layers.start), layers.bus_idle.eq(master.idle), layers.bus_error.eq(master.error),
            banks.restart.eq(layers.start), banks.capture.eq(layers.capture), layers.captured.eq(banks.captured),
            banks.reset.eq(layers.clear), regs.error_response.eq(master.response),
        ]  # fmt: skip
        m.d.comb += banks.events.eq(Cat(layers.running, master.read_waits, master.write_waits))
        return m

    def _engine(self, m: Module, reset: Value) -> Any:
        """Place what runs the layers."""
        if isinstance(self.acc, SpatialSystem):
            kind, given = SystemTop, {"system": self.acc}
        else:
            kind, given = AcceleratorTop, {"acc": self.acc}
        return place(self.modules, m, "accelerator", "accelerator", kind, reset=reset, modules=self.modules, **given)

    def _part(self, m: Module, name: str, kind: type[wiring.Component], **parameters: Any) -> Any:
        return place(self.modules, m, name, name, kind, **parameters)

    def _base_high(self, regs: Any) -> list[Any]:
        return [regs.base_high] if self.axi.address_bits > 32 else []

    def _connect_bus(self, m: Module, lite: Any, regs: Any, master: Any, banks: Any) -> None:
        """Connect the chip's ports and the register accesses."""
        for name, member in self.signature.members.items():
            part = lite if name.startswith("s_axil") else master
            if "_axi" in name:
                source, sink = (self, part) if member.flow == In else (part, self)
                m.d.comb += getattr(sink, name).eq(getattr(source, name))
        for name in ("write", "write_word", "write_data", "write_strobe", "read", "read_word"):
            m.d.comb += getattr(regs, name).eq(getattr(lite, name))
        m.d.comb += [
            lite.write_ok.eq(regs.write_ok), lite.read_data.eq(regs.read_data), lite.read_ok.eq(regs.read_ok),
            lite.read_hold.eq(banks.busy), banks.read.eq(regs.counter_read), banks.addr.eq(regs.counter_addr),
            regs.counter_data.eq(banks.data),
        ]  # fmt: skip

    def _connect_registers(self, m: Module, regs: Any, layers: Any, banks: Any) -> None:
        """Give the registers their meaning."""
        start = regs.control_write & regs.control_start
        m.d.comb += [
            regs.control_refuse.eq(regs.control_start & layers.full), regs.queue_refuse.eq(layers.full),
            layers.put.eq((start | regs.queue_write) & ~layers.full),
            layers.put_addr.eq(regs.program), layers.soft_reset.eq(regs.control_write & regs.control_soft_reset),
            banks.clear_totals.eq(regs.control_write & regs.control_clear_totals),
            regs.status_busy.eq(layers.busy), regs.status_done_set.eq(layers.completed_one),
            regs.status_empty_set.eq(layers.emptied), regs.status_error_set.eq(layers.failed),
            layers.halted.eq(regs.status_error), regs.clear.eq(layers.clear),
            regs.error_code.eq(layers.failed_code), regs.error_index.eq(layers.failed_index),
            regs.completed.eq(layers.completed), regs.queue_free.eq(layers.free),
        ]  # fmt: skip
        with m.If(regs.queue_write):
            m.d.comb += layers.put_addr.eq(regs.queue)
        enabled = [
            getattr(regs, f"status_{name}") & getattr(regs, f"interrupt_enable_{name}") for name in ("done", "empty", "error")
        ]
        m.d.sync += self.irq.eq(Cat(enabled).any())
