"""The four engines that drive a spatial array: two deliveries, compute, drain (`dataflows.spatial.schedule`)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import MOST_INNER, MOST_OUTER, SpatialArray
from rtl.spatial import layouts

__all__ = ["Sequencer"]

OPERANDS = TENSORS[:2]


class Sequencer(wiring.Component):
    """Walk the loops of a program, fill and release halves, call for sums.

    Parameters
    ----------
    array : SpatialArray
        Widths.

    Members
    -------
    start : In
        Begin with the next cycle; the program must stay until `busy` falls.
    busy : Out
        From the cycle after `start` until the last sum is called for.
    prog : In
        See `rtl.spatial.layouts.program`.
    weights, inputs : In, streams
        Beats, in the order of `dataflows.spatial.streams.beats`.
    weights_packet, inputs_packet : Out
        What goes to all PEs with the words of the ports.
    ctl : Out
        Control of the first PE.
    first, complete : Out
        Marks of the tile whose sum is called for.
    room : In
        Whether another sum may be called for.
    drained : Out
        The last sum of a bank is called for.
    waits_operand, waits_bank : Out
        Compute waits for a delivery; it has all and waits for a bank.
    """

    def __init__(self, *, array: SpatialArray) -> None:
        self.array = array
        ports: dict[str, Any] = {"start": In(1), "busy": Out(1), "prog": In(layouts.program(array))}
        for tensor in OPERANDS:
            ports[tensor] = In(stream.Signature(layouts.beat(array, tensor)))
            ports[f"{tensor}_packet"] = Out(layouts.packet(array, tensor))
        ports |= {"ctl": Out(layouts.control(array)), "first": Out(1), "complete": Out(1), "room": In(1)}
        ports |= {"drained": Out(1), "waits_operand": Out(1), "waits_bank": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        """Build the engines and the tokens between them."""
        m = Module()
        self.walking, self.draining = Signal(name="walking"), Signal(2, name="draining")
        self.issue, self.last_step = Signal(name="issue"), Signal(name="last_step")
        self.opening, self.new = Signal(name="opening", init=1), Signal(3, name="new", init=7)
        self.ends, self.take = Signal(3, name="ends"), Signal(3, name="take")
        m.d.comb += [
            self.busy.eq(self.walking | self.draining.any()),
            self.take.eq(self.new & (self.issue & self.opening).replicate(3)),
        ]
        ready = [self._deliver(m, at, tensor) for at, tensor in enumerate(OPERANDS)]
        banks = Signal(range(3))
        free = banks < 2
        can = Cat(*(r.any() for r in ready), free)
        m.d.comb += self.issue.eq(self.walking & (~self.opening | (can | ~self.new).all()))
        running = self._outer(m)
        self._inner(m)
        drained = self._drain(m)
        operands, bank = (can | ~self.new)[:2].all(), (can | ~self.new)[2]
        m.d.comb += [
            self.drained.eq(drained), self.waits_operand.eq(self.walking & self.opening & ~operands),
            self.waits_bank.eq(self.walking & self.opening & operands & ~bank),
        ]  # fmt: skip
        m.d.sync += banks.eq(banks + self.take[2] - drained)
        with m.If(self.issue):
            m.d.sync += self.opening.eq(self.last_step)
        with m.If(self.issue & self.last_step):
            m.d.sync += [self.new.eq(self.ends), self.walking.eq(running)]
        with m.If(self.start):
            m.d.sync += [self.walking.eq(1), self.opening.eq(1), self.new.eq(7)]
        return m

    def _released(self, at: int) -> Any:
        """Whether compute leaves its half of a tensor in this cycle."""
        return self.issue & self.last_step & self.ends[at]

    def _deliver(self, m: Module, at: int, tensor: str) -> Signal:
        """Pass beats on while a half is free; return the halves that compute may take."""
        beats, packet = getattr(self, tensor), getattr(self, f"{tensor}_packet")
        filled, ready = Signal(range(3), name=f"{tensor}_filled"), Signal(range(3), name=f"{tensor}_ready")
        begin, half = Signal(name=f"{tensor}_begin", init=1), Signal(name=f"{tensor}_half")
        over = Signal(name=f"{tensor}_over")  # what follows belongs to the next layer
        accept, done = Signal(name=f"{tensor}_accept"), Signal(name=f"{tensor}_done")
        m.d.comb += [
            beats.ready.eq(self.walking & (filled < 2) & ~over), accept.eq(beats.valid & beats.ready),
            done.eq(accept & beats.payload.last),
            packet.valid.eq(accept), packet.begin.eq(begin), packet.half.eq(half), packet.at.eq(beats.payload.at),
        ]  # fmt: skip
        m.d.sync += [filled.eq(filled + done - self._released(at)), ready.eq(ready + done - self.take[at])]
        with m.If(accept):
            m.d.sync += begin.eq(beats.payload.last)
        with m.If(done):
            m.d.sync += [half.eq(~half), over.eq(beats.payload.final)]
        if self.array.linked(tensor):
            self._links(m, tensor, done)
        taken = Signal(name=f"{tensor}_taken", init=1)
        now = self.ctl.weight_half if tensor == "weights" else self.ctl.input_half
        m.d.comb += now.eq(taken ^ self.take[at])
        m.d.sync += taken.eq(now)
        with m.If(self.start):
            m.d.sync += [filled.eq(0), ready.eq(0), begin.eq(1), half.eq(0), taken.eq(1), over.eq(0)]
        return ready

    def _links(self, m: Module, tensor: str, done: Any) -> None:
        """Say of every link whether it holds in this delivery, and where PEs remember this one and read an earlier one."""
        program, packet = self.prog[f"{tensor}_links"], getattr(self, f"{tensor}_packet").links
        here = Signal.like(packet.here, name=f"{tensor}_here")
        m.d.comb += packet.here.eq(here)
        m.d.sync += here.eq(here + done)
        with m.If(self.start):
            m.d.sync += here.eq(0)
        for axis in self.array.linked(tensor):
            link, told = program[axis.name], packet[axis.name]
            number = Signal.like(link.last, name=f"{tensor}_{axis.name}_number")  # of the delivery, within the link's period
            with m.If(self.start | (done & (number == link.last))):
                m.d.sync += number.eq(0)
            with m.Elif(done):
                m.d.sync += number.eq(number + 1)
            m.d.comb += [told.holds.eq((link.distance != 0) & (number >= link.distance)), told.back.eq(here - link.distance)]
            if "yields" in dict(link.shape()):
                m.d.comb += told.yields.eq(link.yields)

    def _outer(self, m: Module) -> Any:
        """Walk the loops above the PEs; return whether another iteration follows."""
        loops = self.prog.outer
        counters = [Signal.like(loops[n].last, name=f"outer_{n}") for n in range(MOST_OUTER)]
        advances = Signal(MOST_OUTER, name="outer_advances")
        m.d.comb += advances.eq(Cat(counter != loop.last for counter, loop in zip(counters, loops, strict=True)))
        for at, tensor in enumerate(TENSORS):
            change = self.prog[f"{tensor}_change"]
            m.d.comb += self.ends[at].eq(~Cat(advances[n] & (n < change) for n in range(MOST_OUTER)).any())
        with m.If(self.issue & self.last_step):
            _advance(m, counters, advances)
        with m.If(self.start):
            m.d.sync += [counter.eq(0) for counter in counters]
        self.is_first = Cat((counter == 0) | ~loop.reduces for counter, loop in zip(counters, loops, strict=True)).all()
        self.is_final = Cat(~advance | ~loop.reduces for advance, loop in zip(advances, loops, strict=True)).all()
        return advances.any()

    def _inner(self, m: Module) -> None:
        """Walk the loops in the PEs and the three addresses."""
        loops, ctl = self.prog.inner, self.ctl
        counters = [Signal.like(loops[n].last, name=f"inner_{n}") for n in range(MOST_INNER)]
        advances = Signal(MOST_INNER, name="inner_advances")
        untouched = Cat((counter == 0) | ~loop.reduces for counter, loop in zip(counters, loops, strict=True)).all()
        m.d.comb += [
            advances.eq(Cat(counter != loop.last for counter, loop in zip(counters, loops, strict=True))),
            self.last_step.eq(~advances.any()), ctl.step.eq(self.issue), ctl.init.eq(self.new[2] & untouched),
        ]  # fmt: skip
        for tensor, port in zip(TENSORS, (ctl.weight, ctl.input, ctl.output), strict=True):
            at = Signal.like(port, name=f"{tensor}_at")
            m.d.comb += port.eq(at)
            with m.If(self.issue):
                delta = _first(advances, [loop[f"{tensor}_delta"] for loop in loops])
                m.d.sync += at.eq(Mux(self.last_step, 0, at + delta))
            with m.If(self.start):
                m.d.sync += at.eq(0)
        with m.If(self.issue):
            _advance(m, counters, advances)
        with m.If(self.start):
            m.d.sync += [counter.eq(0) for counter in counters]

    def _drain(self, m: Module) -> Any:
        """Call for the sums of finished banks; return whether one is done with in this cycle."""
        ctl, prog = self.ctl, self.prog
        bank, out = Signal(init=1, name="bank"), Signal(name="out")
        output, slot = Signal.like(ctl.drain_output, name="output"), Signal.like(ctl.slot, name="slot")
        marks = Signal(data.ArrayLayout(2, 2))
        m.d.comb += ctl.bank.eq(bank ^ self.take[2])
        m.d.sync += bank.eq(ctl.bank)
        finished = self.issue & self.last_step & self.ends[2]
        with m.If(finished):
            m.d.sync += marks[ctl.bank].eq(Cat(self.is_first, self.is_final))
        done = Signal()
        last_output, last_slot = output == prog.last_output, slot == prog.last_slot
        m.d.comb += [
            ctl.drain.eq(self.draining.any() & self.room), ctl.drain_bank.eq(out), ctl.drain_output.eq(output), ctl.slot.eq(slot),
            done.eq(ctl.drain & last_output & last_slot), Cat(self.first, self.complete).eq(marks[out]),
        ]  # fmt: skip
        m.d.sync += self.draining.eq(self.draining + finished - done)
        with m.If(ctl.drain):
            m.d.sync += [output.eq(Mux(last_output, 0, output + 1)), out.eq(out ^ done)]
            with m.If(last_output):
                m.d.sync += slot.eq(Mux(last_slot, 0, slot + 1))
        with m.If(self.start):
            m.d.sync += [bank.eq(1), out.eq(0)]
        return done


def _first(choose: Signal, values: list[Any]) -> Any:
    """Return the value of the lowest bit that is set; the last one if none is."""
    found = values[-1]
    for bit, value in reversed(list(zip(choose, values, strict=True))[:-1]):
        found = Mux(bit, value, found)
    return found


def _advance(m: Module, counters: list[Signal], advances: Signal) -> None:
    """Count the lowest counter that can up, and set all below it back; all back if none can."""
    for at, counter in enumerate(counters):
        inside = ~advances[:at].any() if at else 1
        with m.If(inside & advances[at]):
            m.d.sync += counter.eq(counter + 1)
        with m.Elif(inside):
            m.d.sync += counter.eq(0)
