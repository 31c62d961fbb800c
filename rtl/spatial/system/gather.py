"""What comes out of the array, added up in the buffer of sums; when the array may begin to hand a tile in."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.system.spec import SpatialSystem
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.spatial import layouts as arrays
from rtl.spatial.system import layouts
from rtl.spatial.system.banks import SumBanks, reading
from rtl.spatial.system.nest import Nest
from rtl.spatial.system.walk import plus

__all__ = ["Gather"]

ADD_CYCLES = 2
"""From a sum's arrival to the cycle in which it is written."""


class Gather(wiring.Component):
    """Put every sum in its place.

    Members
    -------
    start, prog : In
        Begin a layer; its program.
    results : In, stream
        From the array; always taken.
    drained, may_drain : In, Out
        The array has handed in a bank; it may begin with the next one.
    summed, freed : Out, In
        A tile's last sum is being written; a tile was read for the last time.
    adding, updating : Out
        A sum of every port is taken; it is added to one that is there.
    read, read_half, read_at, found : In, Out
        See `SumBanks`.
    """

    def __init__(self, *, system: SpatialSystem, modules: Modules | None = None) -> None:
        self.system, self.modules = system, modules
        super().__init__({
            "start": In(1), "prog": In(layouts.program(system)), "results": In(stream.Signature(arrays.result(system.array))),
            "drained": In(1), "may_drain": Out(1), "summed": Out(1), "freed": In(1), "adding": Out(1), "updating": Out(1),
            **reading(system),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Walk the places in the order of the results."""
        m = Module()
        system, prog = self.system, self.prog
        nest = place(self.modules, m, "nest", "results_nest", Nest, sums=layouts.result_sums(system))
        banks = place(self.modules, m, "banks", "sum_banks", SumBanks, system=system, modules=self.modules)
        half, taken = Signal(), Signal()
        m.d.comb += [
            self.results.ready.eq(1), taken.eq(self.results.valid), nest.step.eq(taken), nest.start.eq(self.start),
            nest.prog.eq(prog.results), banks.add.eq(taken), banks.first.eq(self.results.payload.first), banks.half.eq(half),
            self.adding.eq(taken), self.updating.eq(taken & ~self.results.payload.first),
            *(nest.lasts[n].eq(loop.last) for n, loop in enumerate(prog.array.outer)),
        ]  # fmt: skip
        where = Signal(layouts.place(system, "outputs"))
        m.d.comb += [where.row.eq(nest.here.address), where.bank.eq(nest.here.address_bank)]
        for n, lane in enumerate(prog.output_lanes):
            at = plus(m, where, lane.at, system.banks("outputs"), f"place_{n}")
            m.d.comb += [
                banks.lanes[n].at.eq(at), banks.lanes[n].used.eq(lane.used), banks.sums[n].eq(self.results.payload.sums[n]),
            ]  # fmt: skip
        done = Signal()
        m.d.comb += [done.eq(taken & nest.tile_last), self.summed.eq(delay(m, done, ADD_CYCLES, "summed", reset=True))]
        with m.If(done):
            m.d.sync += half.eq(~half)
        for name in ("read", "read_half", "read_at"):
            m.d.comb += getattr(banks, name).eq(getattr(self, name))
        m.d.comb += self.found.eq(banks.found)
        self._gate(m)
        with m.If(self.start):
            m.d.sync += half.eq(0)
        return m

    def _gate(self, m: Module) -> None:
        """Let the array hand in the first bank of a tile only when a half is free."""
        free, drain = Signal(range(3), init=2), Signal(24)
        begins = drain == 0
        m.d.comb += self.may_drain.eq(~begins | free.any())
        with m.If(self.drained):
            m.d.sync += drain.eq(drain + 1)
            with m.If(drain + 1 == self.prog.drains):
                m.d.sync += drain.eq(0)
        m.d.sync += free.eq(free + self.freed - (self.drained & begins))
        with m.If(self.start):
            m.d.sync += [free.eq(2), drain.eq(0)]
