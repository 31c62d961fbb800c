"""The accelerator of Zhang et al., FPGA 2015: no local reuse, Tm x Tn floating-point lanes (dense reference, 8.2 and 15.7).

Tn input channels meet Tm filters in Tm adder trees every cycle; loops over taps and pixels are pipelined, all buffers are
double. A trip is one pair of a filter tile and a channel tile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dataflows.errors import SpecError
from dataflows.machines.result import MachineCost
from dataflows.workload import Layer

MODE = "zhang15"
DEPTH = 20
"""Cycles of pipeline that every trip pays; a layer of a single trip is printed without."""
LANES = 480
"""Fewest lanes for which all five printed per-layer optima are optima: five DSP slices each, 2,400 of the device's 2,800."""


def trips(layer: Layer, tm: int, tn: int) -> int:
    """Return the pairs of tiles of one group and image."""
    return -(-layer.K // tm) * -(-layer.C // tn)


def group_cycles(layer: Layer, tm: int, tn: int) -> int:
    """Return the cycles of one group of one image."""
    number = trips(layer, tm, tn)
    return number * (layer.P * layer.Q * layer.R * layer.S + (DEPTH if number > 1 else 0))


def best(layer: Layer, lanes: int = LANES) -> tuple[int, int, int]:
    """Return the unrolling of one layer with the fewest cycles, and those: (Tm, Tn, cycles of a group)."""
    sizes = ((tm, min(layer.C, lanes // tm)) for tm in range(1, min(layer.K, lanes) + 1))
    return min(
        ((tm, tn, group_cycles(layer, tm, tn)) for tm, tn in sizes), key=lambda each: (each[2], each[0] * each[1], each[0])
    )


def uniform(layers: Iterable[Layer], lanes: int = LANES) -> tuple[int, int, int]:
    """Return the one unrolling for all layers with the fewest cycles, and those, one group of each layer."""
    given = tuple(layers)
    sizes = ((tm, tn) for tm in range(1, lanes + 1) for tn in range(1, lanes // tm + 1))
    return min(
        ((tm, tn, sum(group_cycles(layer, tm, tn) for layer in given)) for tm, tn in sizes),
        key=lambda each: (each[2], each[0] * each[1]),
    )


def words(layer: Layer, tm: int, tn: int, tr: int, tc: int) -> dict[str, int]:
    """Return words over the memory port of one group and image, in tiles of Tr x Tc pixels (dense reference, 8.2).

    Input and weight tiles come in for every trip, whole even at the edges; outputs leave once, sums stay on the chip.
    """
    pixels, loads = -(-layer.P // tr) * -(-layer.Q // tc), trips(layer, tm, tn)
    (sy, sx) = layer.stride
    window = (sy * tr + layer.R - sy) * (sx * tc + layer.S - sx)
    taps = layer.R * layer.S
    return {
        "inputs": pixels * loads * tn * window,
        "weights": pixels * loads * tm * tn * taps,
        "outputs": pixels * -(-layer.K // tm) * tm * tr * tc,
    }


def cost(layer: Layer, tm: int = 64, tn: int = 7, tr: int = 13, tc: int = 13, halves: int = 1, mhz: float = 100.0) -> MachineCost:
    """Cost a layer; `halves` = 2 runs the filters of ungrouped layers as two halves, as the paper lists AlexNet's.

    Raises
    ------
    SpecError
        For sizes that are not positive, dilated filters, or filters that do not fall into halves.
    """
    if min(tm, tn, tr, tc, halves) < 1 or mhz <= 0:
        raise SpecError(MODE, (tm, tn, tr, tc, halves, mhz), "positive sizes and a positive clock", "correct the parameters")
    if layer.dilation != (1, 1):
        raise SpecError(
            f"{layer.name}.dilation", layer.dilation, "(1, 1): the accelerator has no dilation", "leave the layer out"
        )
    parts = halves if layer.G == 1 and layer.K % halves == 0 else 1
    part = replace(layer, K=layer.K // parts)
    each, number = group_cycles(part, tm, tn), layer.N * layer.G * parts
    moved = words(part, tm, tn, min(tr, layer.P), min(tc, layer.Q))
    memory: dict[str, dict[str, float]] = {
        tensor: {"reads": 0, "writes": number * count} if tensor == "outputs" else {"reads": number * count, "writes": 0}
        for tensor, count in moved.items()
    }
    figures = {"trips": trips(part, tm, tn), "cycles_per_group": each, "groups": number, "ms": number * each / mhz / 1e3}
    figures["gflops"] = 2 * layer.macs / figures["ms"] / 1e6
    work = trips(part, tm, tn) * part.P * part.Q * part.R * part.S
    return MachineCost.of(
        layer, MODE, number * each, tm * tn, limits={"compute": number * work, "pipeline": number * (each - work)},
        levels={"dram": memory}, figures=figures,
        rules={"tm": tm, "tn": tn, "tr": tr, "tc": tc, "halves": halves, "mhz": mhz},
    )  # fmt: skip
