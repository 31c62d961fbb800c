"""A spatial array with stream ports: PEs, the network between them, the sequencer."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, product
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.errors import SpecError
from dataflows.spatial.array import SpatialArray, SpatialAxis
from dataflows.spatial.schedule import latency
from rtl.delay import delay, skewed
from rtl.library import Modules, place
from rtl.spatial import layouts
from rtl.spatial.block import SpatialBlock, block_ports, block_sizes, levels_in_block
from rtl.spatial.line import SpatialLine, lane, line_ports
from rtl.spatial.pe import chained
from rtl.spatial.sequencer import OPERANDS, Sequencer
from rtl.spatial.sums import SpatialSum, add_up
from rtl.stream import Queue

__all__ = ["SpatialCore", "check_ports"]

Place = tuple[int, ...]
MOST_BITS = (1 << 16) - 1
"""Bits that Amaranth can lead into a module, or out of it."""


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
        check_ports(array, gated)
        super().__init__(_ports(array, gated))

    def elaborate(self, platform: Any) -> Module:
        """Place the PEs and wire what the axes say."""
        m = Module()
        array = self.array
        modules = self.modules
        sequencer = place(modules, m, "sequencer", "spatial_sequencer", Sequencer, array=array)
        m.d.comb += [sequencer.start.eq(self.start), sequencer.prog.eq(self.prog)]
        self._trail(m, sequencer.busy)
        lines = self._lines(m)
        self._tags(m, list(lines.values()))
        heard = Signal(layouts.heard(array))
        m.d.comb += heard.ctl.eq(sequencer.ctl)
        self._spread(m, lines, "heard", list(array.axes), {(): heard})
        for tensor in OPERANDS:
            wiring.connect(m, wiring.flipped(getattr(self, tensor)), getattr(sequencer, tensor))
            m.d.comb += heard[tensor].eq(getattr(sequencer, f"{tensor}_packet"))
            self._spread(m, lines, f"{tensor}_words", array.shared(tensor), self._words(m, tensor))
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

    def _lines(self, m: Module) -> dict[Place, Any]:
        """Place the lines; where there are many, blocks of them, which look like lines."""
        every = {"array": self.array, "modules": self.modules}
        if blocks := block_sizes(self.array):
            return {
                (n,): place(self.modules, m, f"block_{n}", f"spatial_block_{lines}", SpatialBlock, lines=lines, **every)
                for n, lines in enumerate(blocks)
            }
        return {
            at: place(self.modules, m, "_".join(("line", *map(str, at))), "spatial_line", SpatialLine, **every)
            for at in product(*(range(axis.size) for axis in self.array.axes[:-1]))
        }

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

    def _words(self, m: Module, tensor: str) -> dict[Place, Value]:
        """Return what enters at the ports of every line, later by the port's skew: what goes with it takes that long to come."""
        axes, bits = self.array.ported(tensor), layouts.operand_bits(self.array, tensor)
        words = Value.cast(getattr(self, tensor).payload.words)
        places = list(product(*(range(axis.size) for axis in axes)))
        cycles = [sum(at * axis.delay for at, axis in zip(index, axes, strict=True)) for index in places]
        outside = [axis for axis in axes if axis != self.array.axes[-1]]
        blocks = block_sizes(self.array) if self.array.axes[0] in outside else []
        block_of = [block for block, lines in enumerate(blocks) for _ in range(lines)]
        lines = Counter((block_of[index[0]],) if blocks else index[: len(outside)] for index in places)
        if any(cycles):
            words = Cat(skewed(self.modules, m, [lane(words, n, bits) for n in range(len(places))], cycles, f"{tensor}_skewed"))
        ends = [ports * bits for ports in accumulate(lines.values())]
        return {at: words[end - ports * bits : end] for (at, ports), end in zip(lines.items(), ends, strict=True)}

    def _spread(self, m: Module, lines: dict[Place, Any], name: str, axes: list[SpatialAxis], sources: dict[Place, Any]) -> None:
        """Lead `sources` to all lines along `axes`, from neighbour to neighbour or on one wire.

        Where the PEs of a line have ports of their own, what goes from line to line is all of theirs.
        """
        outside = self.array.axes[:-1]
        entering: dict[Place, Any] = {}
        for at, line in lines.items():
            on = [n for n, axis in enumerate(outside) if axis in axes and at[n]]
            if not on:
                entering[at] = sources[tuple(at[n] for n, axis in enumerate(outside) if axis not in axes)]
            else:
                before = (*at[: on[-1]], at[on[-1]] - 1, *at[on[-1] + 1 :])
                entering[at] = getattr(lines[before], f"{name}_o") if outside[on[-1]].delay else entering[before]
            m.d.comb += getattr(line, name).eq(entering[at])

    def _neighbours(self, m: Module, lines: dict[Place, Any], tensor: str) -> None:
        """Give every line what the next one along each linked axis took; the last ones have none, and are told so."""
        linked = self.array.linked(tensor)  # blocks count as lines here, too
        for n, axis in enumerate(self.array.axes[:-1]):
            for at, line in lines.items() if axis in linked else ():
                after = lines.get((*at[:n], at[n] + 1, *at[n + 1 :]))
                took: Any = getattr(after, f"{tensor}_past_{axis.name}") if after is not None else 0
                m.d.comb += getattr(line, f"{tensor}_next_{axis.name}").eq(took)

    def _sums(self, m: Module, lines: dict[Place, Any]) -> list[Value]:
        """Add up along the axes whose PEs share a port; return the sums of all ports in order."""
        axes, shared, bits = self.array.axes, self.array.shared("outputs"), self.array.acc_bits
        if not chained(self.array):
            rows = {at: line.own for at, line in lines.items()}
        elif shared and shared[0] == axes[-1]:
            rows, shared = {at: line.sums_o for at, line in lines.items()}, []
        else:
            rows, shared = self._chains(m, lines, axes.index(shared[0]) if shared else None), shared[1:]
        for axis in shared:
            rows = self._along(m, rows, axis)
        # A shared axis has one place left, so what remains is in the order of the ports.
        return [lane(rows[at], n, bits) for at in sorted(rows) for n in range(len(rows[at]) // bits)]

    def _chains(self, m: Module, lines: dict[Place, Any], along: int | None) -> dict[Place, Any]:
        """Chain lines along one axis, PE by PE; return where the chains end. None: every sum leaves by itself."""
        ends: dict[Place, Any] = {}
        last = max(at[along] for at in lines) if along is not None else 0
        for at, line in lines.items():
            if along is not None and at[along]:
                m.d.comb += line.sums_i.eq(lines[(*at[:along], at[along] - 1, *at[along + 1 :])].sums_o)
            if along is None or at[along] == last:
                ends[at] = line.sums_o
        return ends

    def _along(self, m: Module, rows: dict[Place, Any], axis: SpatialAxis) -> dict[Place, Any]:
        """Add up rows along one axis, lane by lane, or the lanes of every row."""
        axes, bits, modules = self.array.axes, self.array.acc_bits, self.modules
        how: dict[str, Any] = {"chain": bool(axis.delay), "hops": self.array.hops(axis), "every": self.array.tree_levels}
        found: dict[Place, Any] = {}
        if axis == axes[-1]:
            for at, row in rows.items():
                name, kind, size = (
                    "_".join(("sum", *map(str, at))),
                    f"spatial_sum_{axis.name}",
                    {"count": axis.size, "bits": bits},
                )
                part = place(modules, m, name, kind, SpatialSum, **size, **how, modules=modules)
                m.d.comb += part.terms.eq(row)
                found[at] = part.total
            return found
        n, terms = axes.index(axis), dict[Place, list[Value]]()
        for at in sorted(rows):
            terms.setdefault((*at[:n], 0, *at[n + 1 :]), []).append(rows[at])
        for at, vectors in terms.items():
            name = "_".join(("sum", axis.name, *map(str, at)))
            found[at] = add_up(modules, m, vectors, bits, **how, name=name, level=levels_in_block(self.array))
        return found

    def _results(self, m: Module, sequencer: Any, sums: list[Value]) -> None:
        """Bring all ports into step, and queue what they hold as long as there is room."""
        axes = self.array.ported("outputs")
        cycles = latency(self.array) - 1  # the queue takes the last one
        shape = layouts.result(self.array)
        depth = 2 if self.gated else cycles + 4  # whoever gates takes every result at once
        queue = place(self.modules, m, "queue", "spatial_queue", Queue, shape=shape, depth=depth)
        places = product(*(range(axis.size) for axis in axes))
        late = [sum((axis.size - 1 - at) * axis.delay for at, axis in zip(index, axes, strict=True)) for index in places]
        aligned = skewed(self.modules, m, sums, late, "results_skewed")
        marks = Signal(3)
        m.d.comb += marks.eq(Cat(sequencer.ctl.drain, sequencer.first, sequencer.complete))
        arrived = delay(m, marks, cycles, "marks", reset=True)
        m.d.comb += [queue.i.valid.eq(arrived[0]), queue.i.payload.first.eq(arrived[1]), queue.i.payload.final.eq(arrived[2])]
        m.d.comb += Value.cast(queue.i.payload.sums).eq(Cat(aligned))
        called = Signal(range(cycles + 5))
        begun = (sequencer.ctl.slot != 0) | (sequencer.ctl.drain_output != 0)
        m.d.comb += sequencer.room.eq((called < cycles + 4) & ((begun | self.may_drain) if self.gated else 1))
        m.d.sync += called.eq(called + sequencer.ctl.drain - (queue.o.valid & queue.o.ready))
        wiring.connect(m, queue.o, wiring.flipped(self.results))


def _ports(array: SpatialArray, gated: bool) -> dict[str, Any]:
    ports: dict[str, Any] = {"start": In(1), "busy": Out(1), "prog": In(layouts.program(array))}
    ports |= {"tag_shift": In(1), "tag": In(layouts.tag(array))}
    ports |= {tensor: In(stream.Signature(layouts.beat(array, tensor))) for tensor in OPERANDS}
    if gated:
        ports |= {"may_drain": In(1), **{name: Out(1) for name in ("drained", "stepping", "waits_operand", "waits_bank")}}
    return ports | {"results": Out(stream.Signature(layouts.result(array)))}


def check_ports(array: SpatialArray, gated: bool = False) -> None:
    """Raise `SpecError` if the array, or a part of it, has more bits at its ports than a module can have."""
    parts = {"the array": _ports(array, gated), "a line of PEs": line_ports(array)}
    parts |= {f"{lines} lines of PEs": block_ports(array, lines) for lines in block_sizes(array)[:1]}
    for where, members in parts.items():
        signature = wiring.Signature(members)
        ports = [(member.flow, Value.cast(value)) for _, member, value in signature.flatten(signature.create())]
        for flow, direction in ((In, "into"), (Out, "out of")):
            if (bits := sum(len(value) for at, value in ports if at == flow)) > MOST_BITS:
                found, allowed = f"{bits:,} bits a cycle {direction} {where}", f"at most {MOST_BITS:,}"
                raise SpecError("array.ports", found, allowed, "make the last axis shorter, or let more PEs share a port")
