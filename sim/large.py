"""Layers as large as the smallest array can take: every counter and every address of the control as far as it goes.

A random layer of a verification is over in a thousand cycles, and leaves the upper half of most registers at 0. These take
tens of thousands of cycles each, with few operations in each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dataflows.arch import Accelerator
from dataflows.tiling import Blocking, Tiling, violations
from dataflows.workload import Layer
from sim.cases import LayerCase, finished
from sim.tensors import random_tensors
from sim.ties import at_ties

__all__ = ["large_cases", "with_large_buffers"]

SIDE, LINE, TAPS, TILES = 181, 32768, 255, (0x1555, 0x0AAA)
"""Rows and columns of a plane that fills an accumulator; a line of its words; the longest filter; tiles of a loop.

A power of two has one bit and lasts an even number of cycles, in which a register that flips all the time is right in the
end: where it matters there is one word less, too.
"""


def with_large_buffers(acc: Accelerator) -> Accelerator:
    """Return the design with the largest buffers there are, so that its registers are as wide as the largest layer needs."""
    return replace(acc, input_words=1 << 16, weight_words=1 << 16, acc_words=1 << 15, tile_blocks=256)


def large_cases(acc: Accelerator, seed: int) -> list[LayerCase]:
    """Return the cases that fit a design; all of them fit one `with_large_buffers`."""
    rng = np.random.default_rng(seed)
    bits = {"input_bits": acc.array.input_bits, "weight_bits": acc.array.weight_bits}
    found = []
    for name, layer, tiling in _layers(acc, bits):
        if not violations(layer, acc, tiling):
            tensors = finished(random_tensors(layer, rng, acc_bits=acc.array.acc_bits), acc, rng)
            if layer.N == layer.P == layer.Q == 1:
                tensors = at_ties(layer, tensors, rng, acc_bits=acc.array.acc_bits)
            found.append(LayerCase(name, layer, tiling, tensors))
    return found


def _layers(acc: Accelerator, bits: dict[str, Any]) -> Iterator[tuple[str, Layer, Tiling]]:
    rows, cols = acc.array.rows, acc.array.cols

    def conv(name: str, tiling: Tiling | None = None, **sizes: Any) -> tuple[str, Layer, Tiling]:
        layer = Layer.conv(name, **{"K": cols, "C": rows, "H": 1, "W": 1, "R": 1, "S": 1, **sizes}, **bits)
        blocks = Blocking.of(layer, acc)
        return name, layer, tiling or Tiling(blocks.walked, blocks.c_blocks, layer.P, layer.Q)

    yield conv("long filter", W=3, S=TAPS, padding=(0, 200, 0, 54))
    yield conv("tall filter", H=3, R=TAPS, padding=(200, 0, 54, 0))
    yield conv("far columns", W=511, S=2, dilation=TAPS, stride=TAPS)
    yield conv("far rows", H=1021, R=3, dilation=TAPS, stride=TAPS)
    # The first row is as far above the image, in words, as an address can be.
    yield conv("far above", W=514, R=2, dilation=(TAPS, 1), padding=(TAPS, 1, 0, 0))
    # The last tiles lie in the padding alone.
    yield conv("behind a row", Tiling(1, 1, 1, 51), W=65280, padding=(0, 0, 0, TAPS))
    yield conv("behind a column", Tiling(1, 1, 51, 1), H=65280, padding=(0, 0, TAPS, 0))
    yield conv("many filters", K=256 * cols, W=2)
    yield conv("many filters less one block", K=255 * cols)
    yield conv("many groups", G=256, K=256, C=256, W=3)
    yield conv("many channels", C=16383 * rows)
    yield conv("two planes", C=2 * rows, H=SIDE, W=SIDE)
    yield conv("three planes out", Tiling(1, 1, SIDE, SIDE), K=3 * cols, H=SIDE, W=SIDE)
    yield conv("three planes of a tile out", Tiling(3, 1, 86, 127), K=3 * cols, H=86, W=127)
    for line in (LINE, LINE - 1):
        yield conv(f"two planes of {line} rows", C=2 * rows, H=line)
        yield conv(f"two planes of {line} columns", C=2 * rows, W=line)
    yield conv("long line", Tiling(1, 1, 1, LINE), W=65534, S=2, padding=(0, 1, 0, 0))
    yield conv("tall line", Tiling(1, 1, LINE, 1), H=65534, R=2, padding=(1, 0, 0, 0))
    yield conv("edges", H=90, W=90, R=3, S=3, padding=1)
    yield from _channel_by_channel(acc, bits)
    # The default order has every loop at a place of its own.
    for tiles in TILES:
        few = tiles // 4  # each of them takes longer
        for dim, sizes in {
            "N": {"N": tiles}, "G": {"G": few, "K": few * (cols + 1), "C": few * (rows + 1)}, "K": {"K": tiles * cols},
            "P": {"H": tiles}, "Q": {"W": tiles}, "C": {"C": tiles * rows},
        }.items():  # fmt: skip
            yield conv(f"{tiles} tiles along {dim}", Tiling(1, 1, 1, 1), **sizes)


def _channel_by_channel(acc: Accelerator, bits: dict[str, Any]) -> Iterator[tuple[str, Layer, Tiling]]:
    cols = acc.array.cols
    plain = Layer("plane", K=1, C=1, P=SIDE, Q=SIDE, G=cols, H=SIDE, W=SIDE, **bits)
    whole = Tiling(1, 1, SIDE, SIDE)
    yield "pool of a plane", replace(plain, name="pool", op="max"), whole
    edges = replace(plain, name="pool at edges", op="max", R=3, S=3, H=90, W=90, P=90, Q=90, padding=(1, 1, 1, 1))
    yield "pool at edges", edges, whole
    yield "sum of planes", replace(plain, name="add", op="add", C=2), whole
    yield "mean of a plane", replace(plain, name="mean", op="average", P=1, Q=1, R=SIDE, S=SIDE), Tiling(1, 1, 1, 1)
    many = replace(plain, name="scaled", op="multiply", G=256 * cols, P=1, Q=1, H=1, W=1)
    yield "many channels scaled", many, Tiling(256, 1, 1, 1)
