"""Eyeriss v1 in closed form: passes, traffic and processing latency of a layer (dense reference, 3.4, 3.5 and 15.2).

A pass is p t filters, q r channels, n images and e output rows. In it every input word leaves the global buffer once and every
sum enters and leaves it once, each over a network of its own: 4 filter words, 4 sum words each way and 1 input word a cycle.
A pass streams for as long as the slowest of multipliers, sums and inputs takes. Before it, the filters of the pass and the
first windows of its input rows are loaded, while no PE runs full; sums are needed later and hide behind the first windows.
All networks' widths are the paper's; nothing is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.compression import Format
from dataflows.errors import SpecError
from dataflows.feasible import InfeasibleError
from dataflows.machines.eyeriss_mapping import COLS, ROWS, WORD_BYTES, RowStationary, Shape, candidates, published, violations
from dataflows.machines.result import MachineCost
from dataflows.workload import Layer

MODE = "eyeriss_v1"
PES = ROWS * COLS
FILTERS_PER_CYCLE, SUMS_PER_CYCLE, INPUTS_PER_CYCLE = 4, 4, 1
RUN_LENGTHS = Format("rlc", run_bits=5, pack=3, flag_bits=1)
PARTS: tuple[str, ...] = ("load", "window", "mac", "sums", "inputs")
LETTERS = "mnepqrt"
DRAM_MACS, BUFFER_MACS, ARRAY_MACS = 200, 6, 2
"""Energies of ISCA 2016, by which a mapping is chosen where none is published."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Words of one layer: DRAM by tensor without compression, and the global buffer's inputs and sums.

    The read of the finished sums stands for the read that the first channel round does not need. Filters pass a buffer of
    their own that the paper's figure does not count.
    """

    weights: int
    inputs: int
    outputs: int
    buffer_inputs: int
    buffer_sums: int

    @property
    def dram_bytes(self) -> int:
        """Bytes over the memory port."""
        return WORD_BYTES * (self.weights + self.inputs + self.outputs)

    @property
    def buffer_bytes(self) -> int:
        """Bytes of the global buffer's traffic."""
        return WORD_BYTES * (self.buffer_inputs + self.buffer_sums)


def rounds(layer: Layer, by: RowStationary) -> tuple[int, int, int, int]:
    """Return how many rounds of filters, of channels, of images and of buffer blocks a group takes."""
    return -(-layer.K // (by.p * by.t)), -(-layer.C // (by.q * by.r)), -(-layer.N // by.n), -(-layer.K // by.m)


def passes(layer: Layer, by: RowStationary) -> int:
    """Return the processing passes of a layer."""
    filters, channels, images, _ = rounds(layer, by)
    return layer.G * filters * channels * images * -(-layer.P // by.e)


def mac_cycles(layer: Layer, by: RowStationary) -> int:
    """Return the cycles in which a PE of a pass multiplies."""
    return by.n * by.p * by.q * layer.S * layer.Q


def traffic(layer: Layer, by: RowStationary) -> Traffic:
    """Return the words of a layer; filters come in again for every group of images and strip, inputs for every block of m."""
    shape = Shape(layer)
    filters, channels, images, blocks = rounds(layer, by)
    strips = shape.strips(by.e)
    plane = sum(number * shape.height(rows) for rows, number in strips) * shape.width
    inputs = layer.N * layer.G * layer.C * plane
    return Traffic(
        weights=layer.parameters * images * sum(number for _, number in strips),
        inputs=inputs * blocks,
        outputs=layer.output_words,
        buffer_inputs=filters * inputs,
        buffer_sums=2 * channels * layer.output_words,
    )


def pass_cycles(layer: Layer, by: RowStationary, rows: int) -> dict[str, int]:
    """Return the cycles of a pass of `rows` output rows: ``load``, ``window``, and what streams, side by side."""
    shape = Shape(layer)
    height, channels = shape.height(rows), by.q * by.r
    return {
        "load": -(-by.p * by.t * channels * layer.R * layer.S // FILTERS_PER_CYCLE),
        "window": height * channels * layer.S // INPUTS_PER_CYCLE,
        "mac": mac_cycles(layer, by),
        "sums": -(-by.n * by.p * by.t * rows * layer.Q // SUMS_PER_CYCLE),
        "inputs": by.n * channels * height * shape.width // INPUTS_PER_CYCLE,
    }


def cycles_by_part(layer: Layer, by: RowStationary) -> dict[str, int]:
    """Return the cycles of all passes: loads, first windows, and streams by what holds them up."""
    filters, channels, images, _ = rounds(layer, by)
    found: dict[str, int] = dict.fromkeys(PARTS, 0)
    for rows, number in Shape(layer).strips(by.e):
        count = layer.G * filters * channels * images * number
        parts = pass_cycles(layer, by, rows)
        slowest = max(PARTS[2:], key=parts.__getitem__)
        for name in ("load", "window", slowest):
            found[name] += count * parts[name]
    return found


def chosen(layer: Layer) -> RowStationary:
    """Return the published mapping of a layer, or the one with the least energy x delay that fits.

    Raises
    ------
    InfeasibleError
        When nothing fits.
    """
    if (known := published(layer)) is not None:
        return known
    best = min(
        candidates(Shape(layer)), key=lambda by: _energy(layer, by) * sum(cycles_by_part(layer, by).values()), default=None
    )
    if best is None:
        least = RowStationary(1, 1, 1, 1, 1, 1, 1)
        raise InfeasibleError(violations(Shape(layer), least))
    return best


def cost(layer: Layer, mapping: str = "") -> MachineCost:
    """Cost a layer.

    Parameters
    ----------
    mapping : str
        ``m/n/e/p/q/r/t``, or nothing for `chosen`.

    Raises
    ------
    SpecError
        For a mapping that is not seven positive integers, or dilated filters.
    InfeasibleError
        When it does not fit.
    """
    by = read(mapping) if mapping else chosen(layer)
    if lacks := violations(Shape(layer), by):
        raise InfeasibleError(lacks)
    moved, parts = traffic(layer, by), cycles_by_part(layer, by)
    return MachineCost.of(
        layer, MODE, sum(parts.values()), PES, limits={**parts},
        levels=_levels(moved), figures=_figures(layer, by, moved, sum(parts.values())),
        rules={"mapping": "/".join(str(getattr(by, letter)) for letter in LETTERS)},
    )  # fmt: skip


def read(text: str) -> RowStationary:
    """Read ``m/n/e/p/q/r/t``.

    Raises
    ------
    SpecError
        For anything but seven positive integers.
    """
    parts = text.split("/")
    if len(parts) != len(LETTERS) or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SpecError(f"{MODE}: mapping", text, "seven positive integers m/n/e/p/q/r/t", "write for example 64/1/27/16/2/1/1")
    return RowStationary(*(int(part) for part in parts))


def compressed_bytes(layer: Layer, by: RowStationary, output_density: float) -> float:
    """Return the bytes over the memory port when feature maps are run-length coded, zeros independent of each other.

    The density of the inputs is the layer's; the border is stored like everything else. Weights are not coded.
    """
    moved = traffic(layer, by)
    ratios = [RUN_LENGTHS.ratio(density, 8 * WORD_BYTES) for density in (layer.input_density, output_density)]
    return WORD_BYTES * (moved.weights + moved.inputs * ratios[0] + moved.outputs * ratios[1])


def _figures(layer: Layer, by: RowStationary, moved: Traffic, cycles: int) -> dict[str, Any]:
    full = min(by.e, layer.P)
    return {
        "active_pes": layer.R * full * by.r * by.t, "average_pes": layer.macs / (passes(layer, by) * mac_cycles(layer, by)),
        "passes": passes(layer, by), "mac_cycles_per_pass": mac_cycles(layer, by), "ms_at_200_mhz": cycles / 200e3,
        "glb_mb": moved.buffer_bytes / 1e6, "dram_mb": moved.dram_bytes / 1e6,
    }  # fmt: skip


def _levels(moved: Traffic) -> dict[str, dict[str, dict[str, float]]]:
    half = moved.buffer_sums // 2
    return {
        "dram": {
            "weights": {"reads": moved.weights, "writes": 0}, "inputs": {"reads": moved.inputs, "writes": 0},
            "outputs": {"reads": 0, "writes": moved.outputs},
        },
        "glb": {"inputs": {"reads": moved.buffer_inputs, "writes": 0}, "outputs": {"reads": half, "writes": half}},
    }  # fmt: skip


def _energy(layer: Layer, by: RowStationary) -> float:
    """Energy of what a mapping can change, in multiply-accumulates."""
    moved = traffic(layer, by)
    hops = layer.macs / (by.q * layer.S)  # every sum of a PE's own terms goes up to the next PE
    buffer = moved.weights + moved.buffer_inputs + moved.buffer_sums
    return DRAM_MACS * (moved.dram_bytes / WORD_BYTES) + BUFFER_MACS * buffer + ARRAY_MACS * hops
