"""A small network with every kind of operation, and integers for it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.workload import Layer
from sim.golden.network import OpTensors
from sim.golden.requantize import quantize_multiplier

HALF = 128
DESIGN = "ws:rows=4,cols=4,bus_bytes=8,latency=9,input_words=512,weight_words=256,acc_words=64,post_lanes=2,tile_blocks=3"
"""A design that runs it; tests that simulate share one build."""


class Builder:
    """Collects operations; every method returns the name of the tensor that its operation makes."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tensors: dict[str, GraphTensor] = {}
        self.ops: list[GraphOp] = []
        self.stored: dict[str, OpTensors] = {}

    def tensor(self, name: str, channels: int, height: int, width: int) -> str:
        """Add a tensor with a scale and a zero point of its own."""
        scale, zero = float(np.float32(self.rng.uniform(0.01, 0.1))), int(self.rng.integers(-100, 100))
        self.tensors[name] = GraphTensor(name, 1, channels, height, width, scale, zero)
        return name

    def op(self, layer: Layer, inputs: tuple[str, ...], deviation: float, *, table: bool = False, relu: bool = False) -> str:
        """Add an operation whose sums have about this standard deviation."""
        channels = layer.G * layer.K
        made = self.tensor(f"{layer.name}_out", channels, layer.P, layer.Q)
        zero = self.tensors[made].zero_point
        coefficients = (int(self.rng.integers(-300, 300)), int(self.rng.integers(-300, 300))) if layer.op == "add" else (1, 1)
        if layer.op == "add":
            deviation *= math.hypot(*coefficients) + 1
        pairs = [quantize_multiplier(float(self.rng.uniform(0.3, 1)) * HALF / deviation) for _ in range(channels)]
        weights = None
        if layer.op == "mac":
            weights = self.rng.integers(-HALF, HALF, (channels, layer.C, layer.R, layer.S)).astype(np.int8)
        self.stored[layer.name] = OpTensors(
            weights, None if layer.op != "mac" else self.rng.normal(0, deviation, channels).astype(np.int64),
            np.array([q for q, _ in pairs], np.int64), np.array([t for _, t in pairs], np.int64),
            self.rng.integers(-HALF, HALF, 2 * HALF) if table else None,
        )  # fmt: skip
        self.ops.append(
            GraphOp(layer, inputs, made, max(-HALF, zero) if relu else -HALF, HALF - 1, table, coefficients, zero if table else 0)
        )
        return made

    def conv(self, name: str, source: str, filters: int, side: int = 1, *, groups: int = 1, relu: bool = False,
             table: bool = False, stride: int = 1) -> str:  # fmt: skip
        """Add a convolution that keeps the plane, or divides it by the stride."""
        x = self.tensors[source]
        layer = Layer.conv(name, K=filters, C=x.C, H=x.H, W=x.W, R=side, S=side, stride=stride, padding=side // 2, G=groups)
        deviation = 100 * 74 * math.sqrt(layer.C * side * side)
        return self.op(layer, (source,), deviation, relu=relu, table=table)

    def channelwise(self, name: str, op: str, sources: tuple[str, ...], side: tuple[int, int] = (1, 1), padding: int = 0,
                    table: bool = False) -> str:  # fmt: skip
        """Add an operation channel by channel; pools move by their size unless padded."""
        x = self.tensors[sources[0]]
        conv = Layer.conv(
            name, K=x.C, C=x.C, G=x.C, H=x.H, W=x.W, R=side[0], S=side[1], stride=1 if padding else side, padding=padding
        )
        layer = replace(conv, op=op, C=2 if op == "add" else 1)
        deviation = {"add": 75, "multiply": 75 * 100, "max": 75, "average": 75 * math.prod(side)}[op]
        return self.op(layer, sources, deviation, table=table)


def small_network(
    rng: np.random.Generator, *, channels: int = 10, height: int = 7, width: int = 9, macs_only: bool = False
) -> tuple[Graph, dict[str, OpTensors]]:
    """Return a residual block with squeeze and excite, pools and a classifier on top, and its integers.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of all integers.
    channels, height, width : int
        Of the map in the middle.
    macs_only : bool
        Without tables and operations channel by channel.
    """
    b = Builder(rng)
    image = b.tensor("image", 3, 2 * height - 1, 2 * width - 1)
    x = b.conv("stem", image, channels, 3, stride=2, table=not macs_only)
    y = b.conv("depthwise", x, channels, 3, groups=channels, relu=True)
    y = b.conv("grouped", y, channels, 3, groups=2)
    if not macs_only:
        pooled = b.channelwise("squeeze", "average", (y,), (height, width))
        inner = b.conv("reduce", pooled, 3, relu=True)
        gate = b.conv("expand", inner, channels, table=True)
        y = b.channelwise("excite", "multiply", (y, gate))
        y = b.channelwise("residual", "add", (x, y), table=True)
        y = b.channelwise("overlapping", "max", (y,), (3, 3), 1)
        y = b.channelwise("top", "max", (y,), (2, 3))
    last = b.tensors[y]
    head = Layer.conv("head", K=5, C=last.C, H=last.H, W=last.W, R=last.H, S=last.W)
    scores = b.op(head, (y,), 100 * 74 * math.sqrt(last.C * last.H * last.W))
    graph = Graph("small", tuple(b.tensors.values()), tuple(b.ops), (image,), (scores,))
    return graph, b.stored


def random_inputs(graph: Graph, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Return stored values for the graph's inputs."""
    shapes = {name: graph.tensor(name) for name in graph.inputs}
    return {name: rng.integers(-HALF, HALF, (t.N, t.C, t.H, t.W)) for name, t in shapes.items()}
