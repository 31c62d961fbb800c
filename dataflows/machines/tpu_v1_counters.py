"""The model that explains the hardware counters of TPU v1 (Jouppi et al., ISCA 2017; dense reference, 6.3 and 15.6).

Weights come in tiles of 256 x 256 bytes over 34 GB/s, which takes 1,349 cycles at 700 MHz. A tile works for as many cycles as
rows stream past it. Where these are fewer, the matrix unit shifts the next tile in for 256 cycles and waits for the rest. With
one operand of 16 bits it runs at half speed, with two at a quarter (6.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from dataflows.errors import SpecError
from dataflows.machines.result import MachineCost
from dataflows.nest.scalesim import gemm_of
from dataflows.workload import Layer

MODE = "tpu_v1_counters"
SIDE = 256
CLOCK_MHZ, MEMORY_GBPS = 700.0, 34.0
NARROW, WIDEST = 8, 16
ACCUMULATOR_ROWS = 2048
"""Half of the accumulators; the other half drains."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Shares of the cycles.

    Attributes
    ----------
    active : float
        The matrix unit works.
    shift : float
        It takes its next weights.
    stall : float
        It waits for weights.
    non_matrix : float
        It has nothing to do.
    """

    active: float
    shift: float
    stall: float
    non_matrix: float


def tile_cycles(gbps: float = MEMORY_GBPS, mhz: float = CLOCK_MHZ) -> float:
    """Return the cycles in which memory delivers a tile."""
    return SIDE * SIDE / (gbps * 1e3) * mhz


def tile(rows: float, fetch: float) -> tuple[float, float, float]:
    """Return the cycles that one tile is active, shifts and stalls, when rows stream past each for `rows` cycles."""
    idle = max(rows, fetch, SIDE) - rows
    shift = min(SIDE, idle)
    return rows, shift, idle - shift


def cycles_per_row(input_bits: int, weight_bits: int) -> int:
    """Return 1, 2 or 4: how many operands are wider than 8 bits decides.

    Raises
    ------
    SpecError
        For operands wider than 16 bits.
    """
    for name, bits in (("input_bits", input_bits), ("weight_bits", weight_bits)):
        if bits > WIDEST:
            raise SpecError(f"{MODE}: {name}", bits, f"up to {WIDEST}", "narrow the operand")
    return (1 + (input_bits > NARROW)) * (1 + (weight_bits > NARROW))


def counters(rows: float, non_matrix: float = 0.0, fetch: float | None = None, input_bits: int = NARROW) -> Counters:
    """Return the shares for an application whose tiles all see `rows` rows; `non_matrix` is measured, not modelled."""
    working = rows * cycles_per_row(input_bits, NARROW)
    active, shift, stall = tile(working, tile_cycles() if fetch is None else fetch)
    scale = (1 - non_matrix) / (active + shift + stall)
    return Counters(active * scale, shift * scale, stall * scale, non_matrix)


def mixed(rows: float, non_matrix: float, shift: float) -> Counters:
    """Return the shares where one part of the time is bound by memory with `rows` rows a tile and the rest is all active.

    How much of the time is known from the measured share of `shift`.
    """
    bound = counters(rows)
    part = shift / bound.shift
    return Counters(1 - non_matrix - part * (1 - bound.active), shift, part * bound.stall, non_matrix)


def cost(layer: Layer, non_matrix: float = 0.0, gbps: float = MEMORY_GBPS, mhz: float = CLOCK_MHZ) -> MachineCost:
    """Cost a layer as the rows of its GEMM past every tile of its weights.

    More rows than half of the accumulators hold are cut into equal parts, each of which fetches the weights again.

    Raises
    ------
    SpecError
        For a share outside 0 to below 1, rates that are not positive, or operands wider than 16 bits.
    """
    if not 0 <= non_matrix < 1 or min(gbps, mhz) <= 0:
        raise SpecError(MODE, (non_matrix, gbps, mhz), "a share from 0 to below 1 and positive rates", "correct the parameters")
    m, n, k = gemm_of(layer)
    parts = ceil(m / ACCUMULATOR_ROWS)
    tiles = layer.G * parts * ceil(k / SIDE) * ceil(n / SIDE)
    rows, bytes_each = m / parts, 1 + (layer.weight_bits > NARROW)
    slower = cycles_per_row(layer.input_bits, layer.weight_bits)
    active, shift, stall = (tiles * each for each in tile(rows * slower, bytes_each * tile_cycles(gbps, mhz)))
    cycles = (active + shift + stall) / (1 - non_matrix)
    useful = slower * layer.macs / SIDE**2
    limits = {"active": active, "shift": shift, "stall": stall, "non_matrix": cycles * non_matrix}
    figures = {
        "tiles": tiles, "rows_per_tile": rows, "array_active": active / cycles, "useful_macs": useful / cycles,
        "unused_macs": (active - useful) / cycles, "weight_stall": stall / cycles, "weight_shift": shift / cycles,
        "non_matrix": non_matrix, "tops": 2 * layer.macs / cycles * mhz / 1e6,
    }  # fmt: skip
    weights: dict[str, float] = {"reads": tiles * SIDE * SIDE, "writes": 0}
    return MachineCost.of(
        layer, MODE, cycles, SIDE * SIDE, limits=limits, levels={"weight_memory": {"weights": weights}}, figures=figures,
        rules={"non_matrix": non_matrix, "gbps": gbps, "mhz": mhz},
    )  # fmt: skip
