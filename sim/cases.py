"""Random layers and tilings for verification: small, awkward, and different every seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.rounding import ROUNDINGS
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling, violations
from dataflows.workload import Layer, Op
from sim.golden.activations import ACTIVATIONS, activation_table
from sim.tensors import LayerTensors, random_tensors
from sim.ties import at_ties

TRIES = 200
MOST_MACS = 150_000


@dataclass(frozen=True, slots=True, eq=False)
class LayerCase:
    """A layer to run: shape, tiling and tensors."""

    name: str
    layer: Layer
    tiling: Tiling
    tensors: LayerTensors

    @property
    def table(self) -> bool:
        """Whether the layer's outputs are looked up in a table."""
        return self.tensors.table is not None


def random_cases(acc: Accelerator, number: int, seed: int) -> list[LayerCase]:
    """Return `number` cases: GEMMs, convolutions and, where the design has the path, operations channel by channel in turn."""
    rng = np.random.default_rng(seed)
    cases = []
    kinds = KINDS if acc.channelwise else ARRAY_KINDS
    for index in range(number):
        kind = kinds[index % len(kinds)]
        layer, tiling = _draw(acc, kind, rng)
        tensors = random_tensors(layer, rng, acc_bits=acc.array.acc_bits)
        tensors = finished(tensors, acc, np.random.default_rng((seed, index)))
        if kind == "gemv":  # an output per channel, so each can lie on an edge
            tensors = at_ties(layer, tensors, np.random.default_rng((seed, index)), acc_bits=acc.array.acc_bits)
        cases.append(LayerCase(f"{index}_{kind}", layer, tiling, tensors))
    return cases


def finished(tensors: LayerTensors, acc: Accelerator, rng: np.random.Generator) -> LayerTensors:
    """Draw how a layer rounds and, where the design has tables, what its outputs are looked up in.

    That is nothing, an activation function, or the stored values in any order.
    """
    table, entries = None, acc.table_entries
    kind = rng.choice(("none", *ACTIVATIONS, "permutation", "none", "none"))
    if entries and kind == "permutation":
        table = rng.permutation(entries) - entries // 2
    elif entries and kind != "none":
        zeros = rng.integers(-entries // 2, entries // 2, 2)
        scales = 8 / entries * rng.uniform(0.5, 2, 2)
        table = activation_table(kind, acc.array.input_bits, scales[0], zeros[0], scales[1], zeros[1])
    rounding = ROUNDINGS[rng.integers(len(ROUNDINGS))]
    # Compilers scale multipliers up to full width; without that all bits of a product can decide how it rounds.
    down = np.where(rng.random(tensors.shift.shape) < 0.25, rng.integers(0, np.maximum(tensors.shift, 1)), 0)
    scaled = {"multiplier": tensors.multiplier >> down, "shift": tensors.shift - down}
    return replace(tensors, table=table, rounding=rounding, **scaled)


ARRAY_KINDS = ("gemm", "conv3x3", "conv1x1", "strided", "depthwise", "dilated", "grouped", "wide_padding", "gemv", "batch")
CHANNEL_KINDS: dict[str, Op] = {
    "add": "add", "multiply": "multiply", "maxpool": "max", "avgpool": "average", "global_pool": "average",
}  # fmt: skip
KINDS = (*ARRAY_KINDS, *CHANNEL_KINDS)


def _draw(acc: Accelerator, kind: str, rng: np.random.Generator) -> tuple[Layer, Tiling]:
    """Draw until layer and tiling fit the buffers; the sizes shrink with the tries, so that a fit is found."""
    for attempt in range(TRIES):
        layer = random_layer(acc, kind, rng, shrink=attempt / TRIES)
        if layer.macs > MOST_MACS:
            continue
        tiling = random_tiling(layer, acc, rng)
        if not violations(layer, acc, tiling):
            return layer, tiling
    layer = Layer.gemm("tiny", M=1, N=1, K=1, **_bits(acc))
    return layer, Tiling(1, 1, 1, 1)


def _bits(acc: Accelerator) -> dict[str, int]:
    return {"input_bits": acc.array.input_bits, "weight_bits": acc.array.weight_bits}


def random_layer(acc: Accelerator, kind: str, rng: np.random.Generator, shrink: float = 0.0) -> Layer:
    """Draw a layer of one kind, with channel counts round the array's edges."""

    def size(most: float) -> int:
        return int(rng.integers(1, max(2, round(most * (1 - shrink)) + 1)))

    rows, cols = acc.array.rows, acc.array.cols
    if kind in CHANNEL_KINDS:
        return _channelwise_layer(kind, size(2.5 * min(rows, cols)), size, rng, _bits(acc))
    channels, filters = size(2.5 * rows), size(2.5 * cols)
    bits = _bits(acc)
    if kind in ("gemm", "gemv"):
        return Layer.gemm(kind, M=1 if kind == "gemv" else size(40), N=filters, K=channels, **bits)
    top, left, bottom, right = (int(x) for x in rng.integers(0, 5 if kind == "wide_padding" else 2, 4))
    pads = (top, left, bottom, right)
    taps_y, taps_x = (1, 1) if kind == "conv1x1" else (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4))) if kind in ("strided", "wide_padding") else (1, 1)
    dilation = (int(rng.integers(1, 4)), int(rng.integers(1, 4))) if kind == "dilated" else (1, 1)
    groups = 1
    if kind == "depthwise":
        groups = size(2.5 * max(rows, cols))
        channels = filters = groups
    elif kind == "grouped":
        groups = int(rng.integers(2, 5))
        channels, filters = groups * size(1.2 * rows), groups * size(1.2 * cols)
    low_y, low_x = (taps_y - 1) * dilation[0] + 1, (taps_x - 1) * dilation[1] + 1
    height = max(size(12), low_y - pads[0] - pads[2], 1)
    width = max(size(12), low_x - pads[1] - pads[3], 1)
    return Layer.conv(
        kind, K=filters, C=channels, H=height, W=width, R=taps_y, S=taps_x, stride=stride, padding=pads, dilation=dilation,
        G=groups, N=int(rng.integers(2, 4)) if kind == "batch" else 1, **bits,
    )  # fmt: skip


def _channelwise_layer(
    kind: str, channels: int, size: Callable[[float], int], rng: np.random.Generator, bits: dict[str, Any]
) -> Layer:
    """Draw an operation channel by channel: pools of any window, stride, dilation and padding."""
    op, images = CHANNEL_KINDS[kind], int(rng.integers(1, 4))
    height, width = size(12), size(12)
    two = 2 if op == "add" else 1
    if op in ("add", "multiply"):
        return Layer(kind, N=images, G=channels, K=1, C=two, P=height, Q=width, op=op, **bits)
    if kind == "global_pool":
        return Layer(kind, N=images, G=channels, K=1, C=1, P=1, Q=1, R=height, S=width, op=op, **bits)
    taps_y, taps_x, stride_y, stride_x = (int(x) for x in rng.integers(1, 4, 4))
    down, right = (int(x) for x in rng.integers(1, 3, 2))
    top, left, bottom, right_pad = (int(x) for x in rng.integers(0, 3, 4))
    height = max(height, (taps_y - 1) * down + 1 - top - bottom, 1)
    width = max(width, (taps_x - 1) * right + 1 - left - right_pad, 1)
    return Layer.conv(
        kind, K=channels, C=channels, G=channels, H=height, W=width, R=taps_y, S=taps_x, stride=(stride_y, stride_x),
        dilation=(down, right), padding=(top, left, bottom, right_pad), N=images, op=op, **bits,
    )  # fmt: skip


def random_tiling(layer: Layer, acc: Accelerator, rng: np.random.Generator) -> Tiling:
    """Draw tile sizes, shorter last tiles included, and a tile order."""
    blocking = Blocking.of(layer, acc)

    def tile(extent: int, most: int) -> int:
        return int(rng.integers(1, max(2, min(extent, most) + 1)))

    return Tiling(
        blocks=tile(blocking.walked, acc.tile_blocks), c_blocks=tile(blocking.c_blocks, 1 << 16),
        p=tile(layer.P, 1 << 16), q=tile(layer.Q, 1 << 16), order=tuple(str(d) for d in rng.permutation(OUTER_DIMS)),
    )  # fmt: skip
