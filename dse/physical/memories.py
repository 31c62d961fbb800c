"""Memories in synthesis: small ones become flip-flops, the others black boxes whose area comes from the technology table."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataflows.cost import SRAM_PORTS
from dataflows.tech import Technology

REGISTER_FILE_BITS = 512
"""A memory of at most this many bits is made of flip-flops: no SRAM generator makes one that small."""

_INSTANCE = re.compile(
    r"^  cell \\sram_1r1w (\\\S+)\n    parameter \\DEPTH (\d+)\n    parameter \\WIDTH (\d+)\n    parameter \\AW \d+\n",
    re.MULTILINE,
)
_SIZED = "sram_1r1w_{words}x{bits}"


@dataclass(frozen=True, slots=True, order=True)
class MemorySize:
    """A memory with one write and one read port.

    Attributes
    ----------
    words, word_bits : int
        Its size.
    """

    words: int
    word_bits: int

    @property
    def module(self) -> str:
        """Name of the module that stands for it."""
        return _SIZED.format(words=self.words, bits=self.word_bits)

    @property
    def size_bits(self) -> int:
        """Capacity in bits."""
        return self.words * self.word_bits

    @property
    def flip_flops(self) -> bool:
        """Whether it is made of flip-flops."""
        return self.size_bits <= REGISTER_FILE_BITS

    def area_um2(self, tech: Technology) -> float:
        """Area of an SRAM of this size in the technology table."""
        return tech.sram_area_um2(self.words, self.word_bits, SRAM_PORTS)


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The SRAMs of one size in a design.

    Attributes
    ----------
    words, word_bits, instances : int
        Size, and how many there are.
    names : tuple of str
        What the instances are called.
    area_um2 : float
        Of one, from the technology table.
    """

    words: int
    word_bits: int
    instances: int
    names: tuple[str, ...]
    area_um2: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "names": list(self.names)}


def name_by_size(rtlil: str) -> tuple[str, dict[MemorySize, set[str]]]:
    """Give every memory of `rtlil` a module name that tells its size; return the text, and instance names by size."""
    sizes: dict[MemorySize, set[str]] = {}

    def rename(found: re.Match[str]) -> str:
        size = MemorySize(int(found[2]), int(found[3]))
        sizes.setdefault(size, set()).add(found[1].removeprefix("\\"))
        return f"  cell \\{size.module} {found[1]}\n"

    return _INSTANCE.sub(rename, rtlil), sizes


def verilog_of(sizes: dict[MemorySize, set[str]], model: Path) -> str:
    """Return modules for `sizes`: black boxes, or the behaviour in file `model` where flip-flops are wanted."""
    texts = []
    for size in sorted(sizes):
        address = max(1, (size.words - 1).bit_length())
        if size.flip_flops:
            head = (f"DEPTH = {size.words}", f"WIDTH = {size.word_bits}", f"AW = {address}")
            text = model.read_text(encoding="utf-8").replace("module sram_1r1w ", f"module {size.module} ")
            for given in head:
                text = re.sub(rf"parameter {given.split()[0]} = \d+", f"parameter {given}", text)
            texts.append(text)
            continue
        word, where = f"[{size.word_bits - 1}:0]", f"[{address - 1}:0]"
        texts.append(
            f"(* blackbox *) module {size.module} (input clk, input we, input {where} waddr, input {word} wdata, "
            f"input re, input {where} raddr, output {word} rdata);\nendmodule\n"
        )
    return "".join(texts)
