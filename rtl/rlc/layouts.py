"""Words and memory words of a run-length code."""

from __future__ import annotations

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data

from dataflows.compression import Format
from dataflows.errors import SpecError

__all__ = ["length", "memory_word", "word"]


def word(word_bits: int) -> data.StructLayout:
    """Return the layout of a word of a tensor; `last` closes the tensor."""
    return data.StructLayout({"word": unsigned(word_bits), "last": 1})


def memory_word(form: Format, word_bits: int) -> data.StructLayout:
    """Return the layout of a memory word, bit 0 upwards as in `sim.formats.rlc`.

    Raises
    ------
    SpecError
        For a format that is no run-length code of whole tensors.
    """
    if form.kind != "rlc" or form.segment:
        raise SpecError("format", str(form), "rlc without segments", "code every segment as a tensor of its own")
    if not 1 <= word_bits <= 32:
        raise SpecError("word_bits", word_bits, "1 to 32", "correct the width")
    pair = data.StructLayout({"run": unsigned(form.run_bits), "level": unsigned(word_bits)})
    return data.StructLayout({"pairs": data.ArrayLayout(pair, form.pack), "flag": unsigned(form.flag_bits)})


def length(length_bits: int) -> Shape:
    """Return the shape of the words of a tensor less one, or raise `SpecError`."""
    if not 1 <= length_bits <= 48:
        raise SpecError("length_bits", length_bits, "1 to 48", "correct the width")
    return unsigned(length_bits)
