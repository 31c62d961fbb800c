"""A processing element with addressed storage, which takes what its tag matches."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from rtl.delay import delay
from rtl.library import Modules, place
from rtl.spatial import layouts

__all__ = ["SpatialPE", "a_cycle_later", "chained", "passes"]

MOST_REGISTERS = 8
"""Words that are built as registers; what is larger becomes a memory that is read in the same cycle."""


class Store(wiring.Component):
    """Words with one port to write and `readers` to read in the same cycle; a read sees what was there before a write.

    Parameters
    ----------
    words, bits, readers : int
        Size and ports.

    Members
    -------
    write : In
        Write `word` to `at` at the end of the cycle.
    at_0, found_0, ... : In, Out
        Every reader's address and what is there.
    """

    def __init__(self, *, words: int, bits: int, readers: int) -> None:
        self.words, self.bits, self.readers = words, bits, readers
        address = max(1, (words - 1).bit_length())
        reads = {f"at_{n}": In(address) for n in range(readers)} | {f"found_{n}": Out(bits) for n in range(readers)}
        super().__init__({"write": In(1), "at": In(address), "word": In(bits), **reads})

    def elaborate(self, platform: Any) -> Module:
        """Build registers, or a memory."""
        m = Module()
        reads = [(getattr(self, f"at_{n}"), getattr(self, f"found_{n}")) for n in range(self.readers)]
        if self.words <= MOST_REGISTERS:
            held = [Signal(self.bits, name=f"word_{n}", reset_less=True) for n in range(self.words)]
            for n, register in enumerate(held):
                with m.If(self.write & (self.at == n)):
                    m.d.sync += register.eq(self.word)
            padded = held + [held[-1]] * ((1 << len(self.at)) - len(held))
            for at, found in reads:
                m.d.comb += found.eq(_select(padded, at))
            return m
        m.submodules.memory = memory = Memory(shape=self.bits, depth=self.words, init=[])
        port = memory.write_port()
        m.d.comb += [port.en.eq(self.write), port.addr.eq(self.at), port.data.eq(self.word)]
        for at, found in reads:
            read = memory.read_port(domain="comb")
            m.d.comb += [read.addr.eq(at), found.eq(read.data)]
        return m


def _select(words: list[Any], at: Any) -> Any:
    """Multiplex a power-of-two number of words."""
    for bit in at:
        words = [Mux(bit, high, low) for low, high in zip(words[::2], words[1::2], strict=True)]
    return words[0]


class SpatialPE(wiring.Component):
    """Take the words inside the own box, multiply and add at the addresses that all PEs use, hand in sums when called.

    Parameters
    ----------
    array : SpatialArray
        Widths and sizes.
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    heard, heard_o : In, Out
        Control and what goes with the words, and the same a cycle later where the line of PEs is systolic.
    weights_word, inputs_word, weights_word_o, inputs_word_o : In, Out
        A word, and the same a cycle later where neighbours take it from here (see `passes`).
    tag_shift, tag_i, tag_o : In, In, Out
        A chain through all PEs that brings the tags.
    weights_extents, inputs_extents : In
        Extents of the boxes of all PEs; constant during a layer. Only where PEs of a port differ.
    weights_next, inputs_next, weights_past, inputs_past : In, Out
        What the neighbour along each linked axis took the link's distance ago, and what this PE took then. Only with links.
    own : Out, signed
        The sum that is called for, zero where it is not this PE's turn. Only where sums leave through trees.
    sum_i, sum_o : In, Out, signed
        Elsewhere: a chain that adds this sum on its way, one register per PE.
    """

    def __init__(self, *, array: SpatialArray, modules: Modules | None = None) -> None:
        self.array, self.modules = array, modules
        heard, tag, total = layouts.heard(array), layouts.tag(array), signed(array.acc_bits)
        ports: dict[str, Any] = {"heard": In(heard)} | ({"heard_o": Out(heard)} if array.axes[-1].delay else {})
        for tensor in TENSORS[:2]:
            word = signed(layouts.operand_bits(array, tensor))
            ports |= {f"{tensor}_word": In(word)} | ({f"{tensor}_word_o": Out(word)} if passes(array, tensor) else {})
            if array.fields(tensor):
                ports[f"{tensor}_extents"] = In(layouts.fields(array, tensor))
            if array.linked(tensor):
                words = layouts.neighbours(array, tensor)
                ports |= {f"{tensor}_next": In(words), f"{tensor}_past": Out(words)}
        ports |= {"tag_shift": In(1), "tag_i": In(tag), "tag_o": Out(tag)}
        super().__init__(ports | ({"sum_i": In(total), "sum_o": Out(total)} if chained(array) else {"own": Out(total)}))
        self.gated = Signal()
        """For probes: this PE would multiply by zero, and rests."""

    def elaborate(self, platform: Any) -> Module:
        """Build storage, the multiplier, and what goes on to the neighbours."""
        m = Module()
        if self.array.axes[-1].delay:
            m.d.comb += self.heard_o.eq(a_cycle_later(m, self.heard))
        for tensor in TENSORS[:2]:
            if passes(self.array, tensor):
                m.d.comb += getattr(self, f"{tensor}_word_o").eq(delay(m, getattr(self, f"{tensor}_word"), 1, f"{tensor}_word"))
        tag = Signal(layouts.tag(self.array), reset_less=True)
        with m.If(self.tag_shift):
            m.d.sync += tag.eq(self.tag_i)
        m.d.comb += self.tag_o.eq(tag)
        ctl = self.heard.ctl
        word = self._operand(m, "inputs", tag, self._index("inputs")(ctl.input, ctl.input_half))
        at = self._index("weights")(ctl.weight, ctl.weight_half)
        works: Any = None
        if self.array.zero_gating:
            works, word = self._gate(m, word, tag)
        single = self.array.l1_words[0] == 1
        if works is not None and not single:  # no read
            at = self._hold(m, at, works, "weight_at")
        weight = self._operand(m, "weights", tag, at)
        if works is not None and single and not self.array.pe_stages:  # a register that the next delivery may fill
            weight = self._hold(m, weight, works, "weight_kept")
        self._accumulate(m, weight, word, works, tag)
        return m

    def _gate(self, m: Module, stored: Any, tag: data.View) -> tuple[Any, Any]:
        """Return whether the PE has a product to make, and the input without its mark; it stays while there is none."""
        step, word, marked = self.heard.ctl.step, stored[:-1].as_signed(), stored[-1]
        works = Signal(name="works")
        m.d.comb += [works.eq(step & tag.active & marked), self.gated.eq(step & tag.active & ~marked)]
        return works, word if self.array.pe_stages else self._hold(m, word, works, "word_kept")

    def _hold(self, m: Module, value: Any, works: Any, name: str) -> Any:
        """Return `value`, or what it was when the PE last had a product to make."""
        kept = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        with m.If(works):
            m.d.sync += kept.eq(value)
        return Mux(works, value, kept)

    def _operand(self, m: Module, tensor: str, tag: data.View, at: Any) -> Any:
        """Fill one half with the words that match, read the other one at `at`; gated inputs end in a mark, 1 if not zero."""
        array, packet = self.array, self.heard[tensor]
        bits, address = layouts.operand_bits(array, tensor), layouts.address_bits(array, tensor)
        index, coming = self._index(tensor), getattr(self, f"{tensor}_word")
        near = self._neighbour(m, tensor, tag) if array.linked(tensor) else None
        if near is not None:
            coming = near.word
        if tensor == "inputs" and array.zero_gating:  # a bit beside the word, not a comparison behind it
            bits, coming = bits + 1, Cat(coming, coming != 0)
        store = self._store(m, tensor, bits, readers=1)
        match = tag.active & packet.valid
        for field in array.fields(tensor):
            ahead = Signal(array.tag_bits + 1, name=f"{tensor}_{field}_ahead")
            m.d.comb += ahead.eq(packet.at[field] - tag[tensor][field])  # negative ones are large
            match &= ahead < getattr(self, f"{tensor}_extents")[field]
        if near is not None:
            match = self._remember(m, tensor, tag, near, match)
        taken, place = Signal(address, name=f"{tensor}_taken", reset_less=True), Signal(address, name=f"{tensor}_place")
        m.d.comb += place.eq(Mux(packet.begin, 0, taken))
        with m.If(packet.valid):
            m.d.sync += taken.eq(place + match)
        m.d.comb += [
            store.write.eq(match), store.at.eq(index(place, packet.half)), store.word.eq(coming), store.at_0.eq(at),
        ]  # fmt: skip
        return store.found_0.as_signed()

    def _neighbour(self, m: Module, tensor: str, tag: data.View) -> SimpleNamespace:
        """Return whether a neighbour serves this PE in this delivery, and the word: its own, or that of the port.

        Of several neighbours that have the word, one does not yield to another.
        """
        links, axes = self.heard[tensor].links, [axis.name for axis in self.array.linked(tensor)]
        able = Signal(len(axes), name=f"{tensor}_able")
        m.d.comb += able.eq(Cat(links[name].holds & ~tag[f"{tensor}_edges"][name] for name in axes))
        served = Signal(name=f"{tensor}_served")
        word = Signal(signed(layouts.operand_bits(self.array, tensor)), name=f"{tensor}_new")
        m.d.comb += [served.eq(able.any()), word.eq(getattr(self, f"{tensor}_word"))]
        for at, name in enumerate(axes):
            chosen = able[at] & ~(able & links[name].yields).any() if len(axes) > 1 else able[at]
            with m.If(chosen):
                m.d.comb += word.eq(getattr(self, f"{tensor}_next")[name])
        return SimpleNamespace(served=served, word=word)

    def _remember(self, m: Module, tensor: str, tag: data.View, near: SimpleNamespace, match: Any) -> Signal:
        """Keep every word for the neighbours, and read what they want; return whether one is taken in this cycle.

        What a neighbour gives comes with the first beat, for all PEs at once: what they read may be written over in that cycle.
        """
        array, packet = self.array, self.heard[tensor]
        taken, axes = Signal(name=f"{tensor}_taken_here"), array.linked(tensor)
        m.d.comb += taken.eq(Mux(near.served, tag.active & packet.valid & packet.begin, match))
        size = {
            "words": 1 << layouts.history_bits(array, tensor), "bits": layouts.operand_bits(array, tensor), "readers": len(axes),
        }  # fmt: skip
        store = place(self.modules, m, f"{tensor}_history", "store_" + "x".join(map(str, size.values())), Store, **size)
        m.d.comb += [store.write.eq(taken), store.at.eq(packet.links.here), store.word.eq(near.word)]
        for number, axis in enumerate(axes):
            m.d.comb += getattr(store, f"at_{number}").eq(packet.links[axis.name].back)
            m.d.comb += getattr(self, f"{tensor}_past")[axis.name].eq(getattr(store, f"found_{number}"))
        return taken

    def _accumulate(self, m: Module, weight: Any, word: Any, works: Any, tag: data.View) -> None:
        """Add products into one bank, hand in sums of the other; both later by the stages of the multiplier."""
        array = self.array
        index = self._index("outputs")
        store = self._store(m, "outputs", array.acc_bits, readers=2)
        ctl = self._late_control(m)
        at = index(ctl.output, ctl.bank)
        product, adds = self._product(m, weight, word, works), ctl.step
        if array.zero_gating:
            late = delay(m, works, array.pe_stages, "works_late", reset=True)
            product, adds = Mux(late, product, 0), ctl.step & (late | ctl.init)
        m.d.comb += [
            store.write.eq(adds), store.at.eq(at), store.at_0.eq(at), store.at_1.eq(index(ctl.drain_output, ctl.drain_bank)),
            store.word.eq(Mux(ctl.init, 0, store.found_0.as_signed()) + product),
        ]  # fmt: skip
        turn = ctl.drain & tag.active & (ctl.slot == tag.slot)
        own = Mux(turn, store.found_1.as_signed(), 0)
        if chained(array):
            leaving = Signal(signed(array.acc_bits), reset_less=True)
            m.d.comb += self.sum_o.eq(leaving)
            m.d.sync += leaving.eq(self.sum_i + own)
        else:
            m.d.comb += self.own.eq(own)

    def _late_control(self, m: Module) -> SimpleNamespace:
        """Return the fields of the control that the accumulator wants, in step with the products."""
        resets = {"step": True, "drain": True}  # what makes the others count
        fields = (*resets, "init", "output", "bank", "drain_output", "drain_bank", "slot")
        stages = self.array.pe_stages
        late = {name: delay(m, self.heard.ctl[name], stages, f"{name}_late", reset=resets.get(name, False)) for name in fields}
        return SimpleNamespace(**late)

    def _product(self, m: Module, weight: Any, word: Any, works: Any) -> Any:
        """Multiply, behind a register of the operands and with one of the product, as many as there are stages."""
        if self.array.pe_stages == 0:
            return weight * word
        operands = [
            Signal(signed(len(value)), name=name, reset_less=True) for name, value in (("weight", weight), ("word", word))
        ]
        for register, value in zip(operands, (weight, word), strict=True):
            m.d.sync += register.eq(value if works is None else Mux(works, value, register))
        product = operands[0] * operands[1]
        return delay(m, product, self.array.pe_stages - 1, "product")

    def _store(self, m: Module, tensor: str, bits: int, readers: int) -> Any:
        """Place both halves; a half of several words is a power of two, so that addresses need no addition."""
        words = self.array.l1_words[TENSORS.index(tensor)]
        size = {"words": 2 if words == 1 else 2 << layouts.address_bits(self.array, tensor), "bits": bits, "readers": readers}
        return place(self.modules, m, f"{tensor}_store", "store_" + "x".join(map(str, size.values())), Store, **size)

    def _index(self, tensor: str) -> Callable[[Any, Any], Any]:
        """Return what makes an address of both halves out of one within a half."""
        single = self.array.l1_words[TENSORS.index(tensor)] == 1
        return lambda at, half: half if single else Cat(at, half)


def chained(array: SpatialArray) -> bool:
    """Whether sums leave the PEs through a register each, along a systolic axis or one by one."""
    shared = array.shared("outputs")
    return not shared or shared[0].delay == 1


def passes(array: SpatialArray, tensor: str) -> bool:
    """Whether PEs pass on the words of a tensor, along their line or, where each has its own there, to the next line."""
    *outside, inside = array.axes
    shared = array.shared(tensor)
    return bool(inside.delay) if inside in shared else any(axis.delay for axis in outside if axis in shared)


def a_cycle_later(m: Module, heard: data.View) -> data.View:
    """Return what PEs hear as it was a cycle ago; of all that, only the bits that make the others count are reset."""
    held, later = Signal(heard.shape(), name="held", reset_less=True), Signal(heard.shape(), name="later")
    live = Signal(4, name="live")
    m.d.sync += [held.eq(heard), live.eq(_live(heard))]
    m.d.comb += [later.eq(held), _live(later).eq(live)]
    return later


def _live(heard: data.View) -> Value:
    return Cat(heard.ctl.step, heard.ctl.drain, heard.weights.valid, heard.inputs.valid)
