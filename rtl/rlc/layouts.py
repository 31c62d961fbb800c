"""Words and memory words of a run-length code."""

from __future__ import annotations

from amaranth.hdl import Shape, unsigned
from amaranth.lib import data

from dataflows.compression import Format
from dataflows.errors import SpecError

__all__ = ["beat", "closed_beat", "closed_memory_word", "flagged", "length", "memory_word", "word"]

MOST_WORDS = 1024
"""Words of a beat: the widest bus, 128 bytes, of single bits."""


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


def beat(word_bits: int, words: int) -> data.ArrayLayout:
    """Return the layout of a beat of `words` words, the first in the low bits, or raise `SpecError`."""
    if not 1 <= words <= MOST_WORDS:
        raise SpecError("words", words, f"1 to {MOST_WORDS}", "correct the words of a beat")
    return data.ArrayLayout(unsigned(word_bits), words)


def closed_beat(word_bits: int, words: int) -> data.StructLayout:
    """Return the layout of a beat on its way to an encoder; `last` closes the row."""
    return data.StructLayout({"words": beat(word_bits, words), "last": 1})


def closed_memory_word(form: Format, word_bits: int) -> data.StructLayout:
    """Return the layout of a memory word whose `last`, its flag, can be read without knowing the format."""
    return data.StructLayout({"word": flagged(form, word_bits), "last": 1})


def flagged(form: Format, word_bits: int) -> data.StructLayout:
    """Return `memory_word`, or raise `SpecError` if it has no flag: rows of beats end with one."""
    if form.kind == "rlc" and not form.flag_bits:
        raise SpecError("format.flag_bits", 0, "1 or more", "give the memory word a flag: the end of a row is found by it")
    return memory_word(form, word_bits)


def length(length_bits: int) -> Shape:
    """Return the shape of the words of a tensor less one, or raise `SpecError`."""
    if not 1 <= length_bits <= 48:
        raise SpecError("length_bits", length_bits, "1 to 48", "correct the width")
    return unsigned(length_bits)
