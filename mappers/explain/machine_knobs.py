"""Steps by which buffers and the memory port of our own accelerators grow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dataflows.arch import MOST_ACC_WORDS, MOST_INPUT_WORDS, MOST_TILE_BLOCKS, MOST_WEIGHT_WORDS, WIDEST_BUS, Accelerator
from mappers.explain.nest_knobs import KB, above

__all__ = ["Step", "steps"]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of an accelerator.

    Attributes
    ----------
    field : str
        What is changed.
    text : str
        By how much, in words.
    before, after : int
        Old and new value.
    unit : str
        Unit of both.
    changed : Accelerator
        The accelerator after it.
    """

    field: str
    text: str
    before: int
    after: int
    unit: str
    changed: Accelerator


def steps(acc: Accelerator) -> list[Step]:
    """Return 1 KB more and the next power of two of every buffer, and a wider or faster port, as far as there are any."""
    sizes = (
        ("input_words", acc.input_word_bits, MOST_INPUT_WORDS),
        ("weight_words", acc.weight_word_bits, MOST_WEIGHT_WORDS),
        ("acc_words", acc.acc_word_bits + acc.output_word_bits, MOST_ACC_WORDS),
    )
    found = []
    for field, bits, most in sizes:
        before = getattr(acc, field)
        more = before + max(1, KB // (2 * bits))  # two halves
        afters = dict.fromkeys(sorted({more, above(before)}), "next power of two")
        afters[more] = "1 KB more" if 2 * bits <= KB else "1 word more"
        found += [
            Step(field, text, before, after, "words", replace(acc, **{field: after}))
            for after, text in afters.items()
            if after <= most
        ]
    if (blocks := above(acc.tile_blocks)) <= MOST_TILE_BLOCKS:
        changed = replace(acc, tile_blocks=blocks)
        found.append(Step("tile_blocks", "next power of two", acc.tile_blocks, blocks, "blocks", changed))
    memory = acc.memory
    if (wide := 2 * memory.bus_bytes) <= WIDEST_BUS:
        changed = replace(acc, memory=replace(memory, bus_bytes=wide))
        found.append(Step("memory.bus_bytes", "doubled", memory.bus_bytes, wide, "bytes", changed))
    if memory.interval > 1:
        changed = replace(acc, memory=replace(memory, interval=memory.interval - 1))
        found.append(Step("memory.interval", "1 cycle less", memory.interval, memory.interval - 1, "cycles", changed))
    return found
