"""Run-length coded rows of feature maps in memory: parameters and layout.

Inputs and outputs may lie in memory as rows that are coded one by one (dense reference, 3.7). A row is what one image has at
one height in a block of its channels: all pixels, channels innermost. Every row has a place of its own, long enough for
whatever it holds, so that tiles find their rows; a table in front of them says how many beats each one has.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.errors import SpecError

LENGTH_BITS = 16
"""Of a row's length in the table."""
MOST_ROWS = 1 << 14
MOST_QUEUE = 256
MOST_RUN_BITS = 8


@dataclass(frozen=True, slots=True)
class Coding:
    """What a system with coders has.

    Attributes
    ----------
    run_bits : int
        Width of a run of zeros.
    rows : int
        Rows of a tensor whose lengths fit on chip.
    queue : int
        Beats of coded inputs that may be asked for before they are decoded.
    """

    run_bits: int = 5
    rows: int = 1024
    queue: int = 16

    def __post_init__(self) -> None:
        for name, low, high in (("run_bits", 1, MOST_RUN_BITS), ("rows", 1, MOST_ROWS), ("queue", 2, MOST_QUEUE)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise SpecError(f"system.rlc.{name}", value, f"an integer from {low} to {high}", "correct the value")

    @property
    def group(self) -> int:
        """Beats of a row that are asked for one after the other, once there is room for all of them."""
        return self.queue // 2

    def to_dict(self) -> dict[str, int]:
        """Return the YAML form."""
        return {"run_bits": self.run_bits, "rows": self.rows, "queue": self.queue}


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where the coded rows of a tensor lie.

    Attributes
    ----------
    images, high : int
        Of the tensor; there is a row for each, and for each block of channels.
    block, blocks : int
        Beats of a pixel's channels in a block, the last of which may have fewer; blocks.
    slot : int
        Beats from one row to the next: those of a row without zeros.
    table_beats : int
        Beats of the table of lengths.
    """

    images: int
    high: int
    block: int
    blocks: int
    slot: int
    table_beats: int

    @property
    def rows(self) -> int:
        """All rows."""
        return self.images * self.high * self.blocks

    @property
    def beats(self) -> int:
        """Beats of table and rows."""
        return self.table_beats + self.rows * self.slot

    def number(self, image: int, row: int, beat: int) -> int:
        """Return the number of a row; `beat` is the first of its block within a pixel."""
        return (image * self.high + row) * self.blocks + beat // self.block
