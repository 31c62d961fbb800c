"""Memories of a design for simulators with unknown values."""

from __future__ import annotations

from dataflows.errors import CheckFailed
from rtl.emit import SRAM_1R1W

CELLS = "reg [WIDTH-1:0] cells [0:DEPTH-1];"
FILLED = f"""{CELLS}

    integer filled;
    initial for (filled = 0; filled < DEPTH; filled = filled + 1)
        cells[filled] = {{((WIDTH + 31) / 32){{$random}}}};"""


def arbitrary_cells(verilog: str) -> str:
    """Return a design whose memories begin with arbitrary words, as those of a chip do, not with unknown ones.

    Loops past the last channel read words that were never written and multiply them by 0. That is 0 for any word, and in
    hardware; but the product of a simulator with four states is unknown. Words that count although they were never written
    still show, as wrong sums.

    Raises
    ------
    CheckFailed
        If the design does not have the memory of `rtl.emit.SRAM_1R1W`.
    """
    if CELLS not in verilog:
        raise CheckFailed(f"the design has no cells as in {SRAM_1R1W.name}")
    return verilog.replace(CELLS, FILLED)
