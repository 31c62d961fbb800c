"""A spatial array with stream ports: PEs, the network between them, the sequencer."""

from __future__ import annotations

from itertools import product
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.spatial.array import SpatialArray, SpatialAxis
from dataflows.spatial.schedule import latency
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.spatial import layouts
from rtl.spatial.line import SpatialLine
from rtl.spatial.pe import chained
from rtl.spatial.sequencer import OPERANDS, Sequencer
from rtl.stream import Queue

__all__ = ["SpatialCore"]

Place = tuple[int, ...]


class SpatialCore(wiring.Component):
    """PEs along the axes of an array, fed and emptied by streams.

    Parameters
    ----------
    array : SpatialArray
    modules : Modules or None
        See `rtl.library.place`.
    gated : bool
        For a system round it, which takes every result at once, says when a bank may be handed in, and counts: has the
        members of the last lines below.

    Members
    -------
    start, busy : In, Out
        See `Sequencer`; `busy` falls when every PE has handed in its last sum, `results` may hold some still. Program and tags
        must stay until then.
    prog : In
        See `rtl.spatial.layouts.program`.
    tag_shift, tag : In
        Brings the tags before `start`, that of the last PE first.
    weights, inputs : In, streams
        One word per port and cycle, the ports in the order of the places along their axes.
    results : Out, stream
        Sums, in the order of `dataflows.spatial.streams.results`.
    may_drain, drained : In, Out
        The first sum of a bank may be called for; the last one is.
    stepping, waits_operand, waits_bank : Out
        PEs compute; they wait for a delivery; for a bank.
    """

    def __init__(self, *, array: SpatialArray, modules: Modules | None = None, gated: bool = False) -> None:
        self.array, self.modules, self.gated = array, modules, gated
        ports: dict[str, Any] = {"start": In(1), "busy": Out(1), "prog": In(layouts.program(array))}
        ports |= {"tag_shift": In(1), "tag": In(layouts.tag(array))}
        ports |= {tensor: In(stream.Signature(layouts.beat(array, tensor))) for tensor in OPERANDS}
        if gated:
            ports |= {"may_drain": In(1), **{name: Out(1) for name in ("drained", "stepping", "waits_operand", "waits_bank")}}
        super().__init__({**ports, "results": Out(stream.Signature(layouts.result(array)))})

    def elaborate(self, platform: Any) -> Module:
        """Place the PEs and wire what the axes say."""
        m = Module()
        array = self.array
        modules = self.modules
        sequencer = place(modules, m, "sequencer", "spatial_sequencer", Sequencer, array=array)
        m.d.comb += [sequencer.start.eq(self.start), sequencer.prog.eq(self.prog)]
        self._trail(m, sequencer.busy)
        lines = {
            at: place(modules, m, "_".join(("line", *map(str, at))), "spatial_line", SpatialLine, array=array, modules=modules)
            for at in product(*(range(axis.size) for axis in array.axes[:-1]))
        }
        self._tags(m, list(lines.values()))
        self._spread(m, lines, "ctl", list(array.axes), {(): sequencer.ctl})
        for tensor in OPERANDS:
            wiring.connect(m, wiring.flipped(getattr(self, tensor)), getattr(sequencer, tensor))
            lanes = self._lanes(m, tensor, getattr(sequencer, f"{tensor}_packet"))
            self._spread(m, lines, tensor, array.shared(tensor), lanes)
            for line in lines.values() if array.fields(tensor) else ():
                m.d.comb += getattr(line, f"{tensor}_extents").eq(self.prog[f"{tensor}_extents"])
            self._neighbours(m, lines, tensor)
        self._results(m, sequencer, self._sums(m, lines))
        if self.gated:
            m.d.comb += [
                self.drained.eq(sequencer.drained), self.stepping.eq(sequencer.ctl.step),
                self.waits_operand.eq(sequencer.waits_operand), self.waits_bank.eq(sequencer.waits_bank),
            ]  # fmt: skip
        return m

    def _trail(self, m: Module, busy: Any) -> None:
        """Stay busy until the last PE has seen what the first one has: only then may program and tags change."""
        skew = sum((axis.size - 1) * axis.delay for axis in self.array.axes) + self.array.pe_stages
        left = Signal(range(skew + 1), name="trail")
        m.d.sync += left.eq(Mux(busy, skew, left - left.any()))
        m.d.comb += self.busy.eq(busy | left.any())

    def _tags(self, m: Module, lines: list[Any]) -> None:
        coming: Any = self.tag
        for line in lines:
            m.d.comb += [line.tag_shift.eq(self.tag_shift), line.tag_i.eq(coming)]
            coming = line.tag_o

    def _lanes(self, m: Module, tensor: str, packet: data.View) -> dict[Place, Any]:
        """Return the packet that enters at every port, later by the port's skew."""
        axes, words = self.array.ported(tensor), getattr(self, tensor).payload.words
        lanes = {}
        for number, index in enumerate(product(*(range(axis.size) for axis in axes))):
            lane = Signal(packet.shape(), name=f"{tensor}_lane_{number}")
            m.d.comb += [lane.eq(packet), lane.word.eq(words[number])]
            skew = sum(at * axis.delay for at, axis in zip(index, axes, strict=True))
            lanes[index] = delay(m, lane, skew, f"{tensor}_lane_{number}", reset=True)
        return lanes

    def _spread(self, m: Module, lines: dict[Place, Any], name: str, axes: list[SpatialAxis], sources: dict[Place, Any]) -> None:
        """Lead `sources`, one per port, to all lines along `axes`: from neighbour to neighbour, or on one wire.

        Where the PEs of a line have ports of their own, what goes from line to line is one packet for each.
        """
        *outside, inside = self.array.axes
        entering: dict[Place, Any] = {}
        for at, line in lines.items():
            on = [n for n, axis in enumerate(outside) if axis in axes and at[n]]
            port = getattr(line, name)
            if not on:
                lane = tuple(at[n] for n, axis in enumerate(outside) if axis not in axes)
                entering[at] = sources[lane] if inside in axes else [sources[*lane, n] for n in range(inside.size)]
            else:
                before = (*at[: on[-1]], at[on[-1]] - 1, *at[on[-1] + 1 :])
                entering[at] = getattr(lines[before], f"{name}_o") if outside[on[-1]].delay else entering[before]
            if isinstance(entering[at], list):
                m.d.comb += [port[n].eq(packet) for n, packet in enumerate(entering[at])]
            else:
                m.d.comb += port.eq(entering[at])

    def _neighbours(self, m: Module, lines: dict[Place, Any], tensor: str) -> None:
        """Give every line what the next one along each linked axis took; the last ones have none, and are told so."""
        linked = self.array.linked(tensor)
        for n, axis in enumerate(self.array.axes[:-1]):
            for at, line in lines.items() if axis in linked else ():
                after = lines.get((*at[:n], at[n] + 1, *at[n + 1 :]))
                for pe in range(self.array.axes[-1].size):
                    word: Any = getattr(after, f"{tensor}_past")[pe][axis.name] if after is not None else 0
                    m.d.comb += getattr(line, f"{tensor}_next")[pe][axis.name].eq(word)

    def _sums(self, m: Module, lines: dict[Place, Any]) -> dict[Place, Value]:
        """Add up along the axes whose PEs share a port; return the sum of every port."""
        axes, shared = self.array.axes, self.array.shared("outputs")
        last = axes[-1].size
        if not chained(self.array):
            nodes = {(*at, n): line.own[n] for at, line in lines.items() for n in range(last)}
        elif shared and shared[0] == axes[-1]:
            nodes = {(*at, last - 1): line.sums_o[0] for at, line in lines.items()}
            shared = shared[1:]
        else:
            nodes = self._chains(m, lines, axes.index(shared[0]) if shared else None)
            shared = shared[1:]
        for axis in shared:
            nodes = self._along(m, nodes, axes.index(axis), axis)
        ported = [n for n, axis in enumerate(axes) if axis not in self.array.shared("outputs")]
        return {tuple(at[n] for n in ported): node for at, node in nodes.items()}

    def _chains(self, m: Module, lines: dict[Place, Any], along: int | None) -> dict[Place, Any]:
        """Chain lines along one axis, PE by PE; return where the chains end. None: every sum leaves by itself."""
        ends: dict[Place, Any] = {}
        for at, line in lines.items():
            if along is not None and at[along]:
                m.d.comb += line.sums_i.eq(lines[(*at[:along], at[along] - 1, *at[along + 1 :])].sums_o)
            if along is None or at[along] == self.array.axes[along].size - 1:
                ends |= {(*at, n): line.sums_o[n] for n in range(self.array.axes[-1].size)}
        return ends

    def _along(self, m: Module, nodes: dict[Place, Any], n: int, axis: SpatialAxis) -> dict[Place, Any]:
        """Add nodes along one axis: a chain with a register per hop, or a tree with registers in it."""
        lines: dict[Place, list[Any]] = {}
        for at in sorted(nodes):
            lines.setdefault((*at[:n], 0, *at[n + 1 :]), []).append(nodes[at])
        found = {}
        for at, line in lines.items():
            name = f"{axis.name}_" + "_".join(map(str, at))
            if axis.delay:
                total: Any = 0
                for hop, node in enumerate(line):
                    total = self._register(m, total + node, f"{name}_{hop}")
            else:
                total = self._tree(m, line, self.array.hops(axis), name)
            found[at] = total
        return found

    def _tree(self, m: Module, values: list[Any], hops: int, name: str) -> Any:
        """Add values pairwise, with a register behind every few levels and one at the end, `hops` in all."""
        every = self.array.tree_levels
        left, level = hops, 0
        while len(values) > 1:
            sums = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
            values = sums + ([values[-1]] if len(values) % 2 else [])
            level += 1
            if every and level % every == 0 and left > 1:
                values = [self._register(m, value, f"{name}_{level}_{n}") for n, value in enumerate(values)]
                left -= 1
        return self._register(m, values[0], name)

    def _register(self, m: Module, value: Any, name: str) -> Signal:
        held = Signal(signed(self.array.acc_bits), name=f"sum_{name}", reset_less=True)
        m.d.sync += held.eq(value)
        return held

    def _results(self, m: Module, sequencer: Any, sums: dict[Place, Any]) -> None:
        """Bring all ports into step, and queue what they hold as long as there is room."""
        axes = self.array.ported("outputs")
        cycles = latency(self.array) - 1  # the queue takes the last one
        shape = layouts.result(self.array)
        depth = 2 if self.gated else cycles + 4  # whoever gates takes every result at once
        queue = place(self.modules, m, "queue", "spatial_queue", Queue, shape=shape, depth=depth)
        aligned = []
        for number, index in enumerate(sorted(sums)):
            late = sum((axis.size - 1 - at) * axis.delay for at, axis in zip(index, axes, strict=True))
            value = Signal(signed(self.array.acc_bits), name=f"result_{number}")
            m.d.comb += value.eq(sums[index])
            aligned.append(delay(m, value, late, f"result_{number}"))
        marks = Signal(3)
        m.d.comb += marks.eq(Cat(sequencer.ctl.drain, sequencer.first, sequencer.complete))
        arrived = delay(m, marks, cycles, "marks", reset=True)
        m.d.comb += [queue.i.valid.eq(arrived[0]), queue.i.payload.first.eq(arrived[1]), queue.i.payload.final.eq(arrived[2])]
        m.d.comb += [queue.i.payload.sums[n].eq(value) for n, value in enumerate(aligned)]
        called = Signal(range(cycles + 5))
        begun = (sequencer.ctl.slot != 0) | (sequencer.ctl.drain_output != 0)
        m.d.comb += sequencer.room.eq((called < cycles + 4) & ((begun | self.may_drain) if self.gated else 1))
        m.d.sync += called.eq(called + sequencer.ctl.drain - (queue.o.valid & queue.o.ready))
        wiring.connect(m, queue.o, wiring.flipped(self.results))
