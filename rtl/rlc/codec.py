"""Both directions side by side, as they sit between a memory and a buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflows.compression import Format
from rtl.library import Modules, place
from rtl.rlc import layouts
from rtl.rlc.decoder import RlcDecoder
from rtl.rlc.encoder import RlcEncoder

__all__ = ["RlcCodec"]


class RlcCodec(wiring.Component):
    """An encoder and a decoder that share nothing.

    Parameters
    ----------
    form, word_bits, length_bits :
        See `RlcDecoder`.
    modules : Modules or None
        See `rtl.library.place`.

    Members
    -------
    store, stored : In, Out, streams
        The encoder's words and memory words.
    load, lengths, loaded : In, In, Out, streams
        The decoder's memory words, lengths and words.
    fault : Out
        The decoder's.
    """

    def __init__(self, *, form: Format, word_bits: int, length_bits: int, modules: Modules | None = None) -> None:
        self.form, self.word_bits, self.length_bits, self.modules = form, word_bits, length_bits, modules
        shapes = (layouts.word(word_bits), layouts.memory_word(form, word_bits), layouts.length(length_bits))
        word, packed, length = (stream.Signature(shape) for shape in shapes)
        super().__init__({
            "store": In(word), "stored": Out(packed), "load": In(packed), "lengths": In(length), "loaded": Out(word),
            "fault": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        """Place both."""
        m = Module()
        shape: dict[str, Any] = {"form": self.form, "word_bits": self.word_bits}
        encoder = place(self.modules, m, "encoder", "rlc_encoder", RlcEncoder, **shape)
        decoder = place(self.modules, m, "decoder", "rlc_decoder", RlcDecoder, length_bits=self.length_bits, **shape)
        for outer, inner in ((self.store, encoder.i), (self.load, decoder.i), (self.lengths, decoder.lengths)):
            wiring.connect(m, wiring.flipped(outer), inner)
        wiring.connect(m, encoder.o, wiring.flipped(self.stored))
        wiring.connect(m, decoder.o, wiring.flipped(self.loaded))
        m.d.comb += self.fault.eq(decoder.fault)
        return m
