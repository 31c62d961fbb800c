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
_MODULE = re.compile(r"^module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^  cell (\S+) ", re.MULTILINE)
_MEMORY = re.compile(r"^  memory width (\d+) size (\d+) ", re.MULTILINE)
_READ, _WRITE, _INITIAL = "$memrd_v2", "$memwr_v2", "$meminit_v2"


@dataclass(frozen=True, slots=True)
class MemoryModule:
    """A module that is a memory with one port to write.

    Attributes
    ----------
    module : str
        Its name.
    words, word_bits, readers : int
        Size, and ports to read.
    names : tuple of str
        What its instances are called, if it is an ``sram_1r1w``; empty if it is a module of the design.
    """

    module: str
    words: int
    word_bits: int
    readers: int = 1
    names: tuple[str, ...] = ()

    @property
    def flip_flops(self) -> bool:
        """Whether it is made of flip-flops."""
        return self.words * self.word_bits <= REGISTER_FILE_BITS

    def area_um2(self, tech: Technology) -> float:
        """Area in the technology table, which has no third port: a copy for every reader."""
        return self.readers * tech.sram_area_um2(self.words, self.word_bits, SRAM_PORTS)

    def verilog(self, model: Path) -> str:
        """Return a black box, or the behaviour in file `model` where flip-flops are wanted."""
        address = max(1, (self.words - 1).bit_length())
        if self.flip_flops:
            text = model.read_text(encoding="utf-8").replace("module sram_1r1w ", f"module {self.module} ")
            for name, value in (("DEPTH", self.words), ("WIDTH", self.word_bits), ("AW", address)):
                text = re.sub(rf"parameter {name} = \d+", f"parameter {name} = {value}", text)
            return text
        word, where = f"[{self.word_bits - 1}:0]", f"[{address - 1}:0]"
        return (
            f"(* blackbox *) module {self.module} (input clk, input we, input {where} waddr, input {word} wdata, "
            f"input re, input {where} raddr, output {word} rdata);\nendmodule\n"
        )


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The SRAMs of one size in a design.

    Attributes
    ----------
    words, word_bits, readers, instances : int
        Size, ports to read, and how many there are.
    names : tuple of str
        What the instances, or the modules, are called.
    area_um2 : float
        Of one, from the technology table.
    """

    words: int
    word_bits: int
    readers: int
    instances: int
    names: tuple[str, ...]
    area_um2: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "names": list(self.names)}


def buffers(rtlil: str) -> tuple[str, list[MemoryModule]]:
    """Give every ``sram_1r1w`` in `rtlil` a module of its size; return the text and the modules it now needs."""
    found: dict[tuple[int, int], set[str]] = {}

    def name(words: int, bits: int) -> str:
        return f"sram_1r1w_{words}x{bits}"

    def rename(cell: re.Match[str]) -> str:
        size = int(cell[2]), int(cell[3])
        found.setdefault(size, set()).add(cell[1].removeprefix("\\"))
        return f"  cell \\{name(*size)} {cell[1]}\n"

    text = _INSTANCE.sub(rename, rtlil)
    return text, [MemoryModule(name(*size), *size, names=tuple(sorted(found[size]))) for size in sorted(found)]


def stores(rtlil: str) -> list[MemoryModule]:
    """Return the modules of `rtlil` that are nothing but a memory, and too large for flip-flops."""
    found = []
    for module, body in _MODULE.findall(rtlil):
        memories, cells = _MEMORY.findall(body), _CELL.findall(body)
        if len(memories) == 1 and cells.count(_WRITE) == 1 and set(cells) <= {_READ, _WRITE, _INITIAL}:
            bits, words = map(int, memories[0])
            one = MemoryModule(module, words, bits, cells.count(_READ))
            if not one.flip_flops:
                found.append(one)
    return found
