"""Human designs scaled to a budget: the yardsticks a search has to beat.

Each keeps what its designers chose, the dataflow, an array near a square and the proportions of its memories, and gets the
budget's multipliers, bytes, bandwidth and requantiser lanes. The array is the rectangle that uses most multipliers with no
side over twice the other: more columns than rows where that is open, sides powers of two where the designers ask for it.
Where proportions would leave a buffer too small for a layer's smallest tile, the buffer gets that much. All are mapped by
the same mapper as the searched designs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dataflows.arch import Accelerator, Dataflow
from dse.space import BUFFERS, Space

TILE_BLOCKS = 16
"""As in the presets after these designs: enough that the scale buffer does not limit tiles."""


LONGEST_TO_SHORTEST = 2


@dataclass(frozen=True, slots=True)
class Baseline:
    """One design.

    Attributes
    ----------
    name : str
        As reports show it.
    accelerator : Accelerator
        Scaled to the budget.
    source : str
        Where the proportions come from.
    """

    name: str
    accelerator: Accelerator
    source: str


@dataclass(frozen=True, slots=True)
class _Recipe:
    name: str
    dataflow: Dataflow
    shares: tuple[float, float, float]  # bytes of inputs : weights : accumulators with outputs
    source: str
    power_of_two: bool = False


RECIPES = (
    _Recipe(
        "Gemmini-like WS", "ws", (128, 128, 80),
        "Gemmini's default 256 KiB scratchpad, split evenly, and 64 KiB accumulators (dense reference, 9.1)", True,
    ),
    _Recipe(
        "TPU-like WS", "ws", (24 * 1024, 256, 4 * 1024),
        "TPU v1: 24 MiB unified buffer, 4 weight tiles of 64 KiB, 4 MiB accumulators (Jouppi et al., ISCA 2017)",
    ),
    _Recipe(
        "ShiDianNao-like OS", "os", (64, 128, 64),
        "ShiDianNao: 64 KiB inputs, 128 KiB weights, 64 KiB outputs (Du et al., ISCA 2015)",
    ),
    _Recipe("WS even split", "ws", (1, 1, 1), "a third of the bytes for each operand"),
    _Recipe("OS even split", "os", (1, 1, 1), "a third of the bytes for each operand"),
)  # fmt: skip


def baselines(space: Space) -> list[Baseline]:
    """Return the baselines of the space's dataflows; of all dataflows that fit when it has none of theirs."""
    return [_scaled(space, recipe) for recipe in RECIPES if recipe.dataflow in space.dataflows]


def _scaled(space: Space, recipe: _Recipe) -> Baseline:
    rows, cols = _shape(space, recipe)
    shares: dict[str, float] = dict(zip(BUFFERS, recipe.shares, strict=True))
    acc = space.share(recipe.dataflow, rows, cols, shares, tile_blocks=TILE_BLOCKS)
    slug = recipe.name.lower().replace(" ", "-")
    return Baseline(f"{recipe.name} {rows}x{cols}", replace(acc, name=f"{slug}-{rows}x{cols}"), recipe.source)


def _shape(space: Space, recipe: _Recipe) -> tuple[int, int]:
    """Return rows and columns: most multipliers, then nearest to a square, then more columns."""
    shapes = [
        (rows, cols)
        for rows in range(space.least_rows, space.most_rows(recipe.dataflow) + 1)
        for cols in range(space.least_cols, space.most_cols(recipe.dataflow, rows) + 1)
    ]
    square = [(rows, cols) for rows, cols in shapes if max(rows, cols) <= LONGEST_TO_SHORTEST * min(rows, cols)]
    powers = [(rows, cols) for rows, cols in square if recipe.power_of_two and rows.bit_count() == cols.bit_count() == 1]
    # A wish that no shape meets is dropped.
    return max(powers or square or shapes, key=lambda shape: (shape[0] * shape[1], -abs(shape[0] - shape[1]), shape[1]))
