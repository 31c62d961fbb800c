"""From the optimiser's variables to a hardware point, so that near variables give near designs.

Sizes are log scaled between the smallest and the largest legal value (codesign reference, 1.2: decode into the legal range;
order and formulas are ours). Every vector decodes to a legal point: nothing is thrown away or repaired afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.arch import Accelerator
from dse.space import BUFFERS, Space

GENES = ("rows", "cols", *BUFFERS)
"""Continuous variables, each in [0, 1]."""

TILE_BLOCKS = (1, 2, 4, 8, 16, 32, 64)
LEAST_FILL = 4
"""Columns range from 1/4 of what fits beside the rows to all of it: a smaller array never saves cycles."""


@dataclass(frozen=True, slots=True)
class Genotype:
    """What the optimiser draws.

    Attributes
    ----------
    genes : tuple of float
        In the order of `GENES`.
    lanes, tile_blocks : int
        Wished requantiser lanes and blocks per tile.
    dataflow : str
        One of the space's dataflows.
    """

    genes: tuple[float, ...]
    lanes: int
    tile_blocks: int
    dataflow: str


def lane_choices(space: Space) -> tuple[int, ...]:
    """Return the numbers of requantiser lanes to choose from: powers of two up to the budget's, and that itself."""
    most = space.budget.lanes
    return tuple(sorted({*(1 << i for i in range(most.bit_length())), most}))


def decode(space: Space, drawn: Genotype) -> Accelerator:
    """Return the accelerator that `drawn` stands for."""
    gene = dict(zip(GENES, (min(1.0, max(0.0, value)) for value in drawn.genes), strict=True))
    rows = max(space.least_rows, round(space.most_rows(drawn.dataflow) ** gene["rows"]))
    most = space.most_cols(drawn.dataflow, rows)
    cols = max(space.least_cols, round(most * float(LEAST_FILL) ** (gene["cols"] - 1)))
    least, room = space.least_words(drawn.dataflow, rows, cols), space.room(drawn.dataflow, rows, cols)
    want = {name: least[name] * (room[name] / least[name]) ** gene[name] for name in BUFFERS}
    return space.build(drawn.dataflow, rows, cols, lanes=drawn.lanes, tile_blocks=drawn.tile_blocks, want=want)
