"""Writing a network down layer by layer: the tensor that flows on gives each layer its input size."""

from __future__ import annotations

from typing import Any, Literal

from dataflows.traffic import TrafficLayer, pooled
from dataflows.transposed import split_phases
from dataflows.workload import Activation, Layer, Network

Shape = tuple[int, int, int]
Padding = int | tuple[int, int, int, int] | Literal["same"] | None


class Builder:
    """A network under construction.

    Parameters
    ----------
    name : str
        Of the network.
    shape : tuple of int
        (channels, rows, columns) of its input.
    batch : int
        Images.

    Attributes
    ----------
    shape : tuple of int
        Of the current tensor; set it to go back to the start of a branch or to a joined tensor.
    """

    def __init__(self, name: str, shape: Shape, batch: int = 1) -> None:
        self.name = name
        self.shape: Shape = shape
        self.batch = batch
        self._layers: list[Layer] = []
        self._traffic: list[TrafficLayer] = []
        self._parameters = 0

    def conv(
        self, name: str, K: int, R: int, stride: int = 1, *, padding: Padding = None, G: int = 1, activation: Activation = "relu"
    ) -> None:
        """Append a convolution with an R x R filter.

        `padding` is R // 2 on every side unless given; ``same`` puts only what the last window needs, the odd pixel at the
        end, as TensorFlow does.
        """
        channels, rows, cols = self.shape
        if padding == "same":
            before, after = zip(*(_same(size, R, stride) for size in (rows, cols)), strict=True)
            pad: int | tuple[int, int, int, int] = (*before, *after)
        else:
            pad = R // 2 if padding is None else padding
        layer = Layer.conv(
            name, N=self.batch, K=K, C=channels, H=rows, W=cols, R=R, S=R, stride=stride, padding=pad, G=G, activation=activation
        )
        self._append(layer, layer.parameters)
        self.shape = (K, layer.P, layer.Q)

    def depthwise(self, name: str, R: int, stride: int = 1, *, padding: Padding = None, activation: Activation = "relu6") -> None:
        """Append a depthwise convolution."""
        channels = self.shape[0]
        self.conv(name, channels, R, stride, padding=padding, G=channels, activation=activation)

    def transposed(self, name: str, K: int, R: int, stride: int) -> None:
        """Append an unpadded transposed convolution as its phases."""
        channels, rows, cols = self.shape
        split = split_phases(name, N=self.batch, K=K, C=channels, H=rows, W=cols, R=R, S=R, stride=stride)
        for layer in split.layers:
            self._append(layer, layer.parameters)
        self.shape = (K, split.P, split.Q)

    def fc(self, name: str, K: int, *, activation: Activation = "none") -> None:
        """Append a fully connected layer over the whole current tensor."""
        channels, rows, cols = self.shape
        self.gemm(name, M=self.batch, N=K, K=channels * rows * cols, activation=activation)
        self.shape = (K, 1, 1)

    def gemm(self, name: str, *, M: int, N: int, K: int, **rest: Any) -> None:
        """Append a matrix product with stored weights (K x N)."""
        layer = Layer.gemm(name, M=M, N=N, K=K, **rest)
        self._append(layer, layer.parameters)

    def product(self, layer: Layer) -> None:
        """Append a layer whose operands are both made by the network."""
        self._append(layer, 0)

    def join(self, channels: int) -> None:
        """Make the current tensor one of `channels` channels: it is concatenated with others of its size."""
        self.shape = (channels, self.shape[1], self.shape[2])

    def pool(self, name: str, op: str, R: int, stride: int, *, padding: int = 0, ceil: bool = False) -> None:
        """Append a pooling."""
        channels, rows, cols = self.shape
        sizes = {"N": self.batch, "C": channels, "H": rows, "W": cols, "R": R, "S": R, "stride": stride, "padding": padding}
        self._traffic.append(TrafficLayer.pool(name, op, **sizes, ceil=ceil, after=self.last))
        self.shape = (channels, pooled(rows, R, stride, padding, ceil), pooled(cols, R, stride, padding, ceil))

    def global_pool(self, name: str = "pool") -> None:
        """Append an average over each channel."""
        channels, rows, cols = self.shape
        words = self.batch * channels
        self._traffic.append(TrafficLayer(name, "avgpool", words * rows * cols, words, after=self.last))
        self.shape = (channels, 1, 1)

    def elementwise(self, name: str, op: str, words: int | None = None, *, operands: int = 1) -> None:
        """Append an element-wise operation on the current tensor, or on `words` elements."""
        channels, rows, cols = self.shape
        count = self.batch * channels * rows * cols if words is None else words
        self._traffic.append(TrafficLayer.elementwise(name, op, count, operands=operands, after=self.last))

    def traffic(self, entry: TrafficLayer) -> None:
        """Append an operation that moves data only."""
        self._traffic.append(entry)

    @property
    def last(self) -> str:
        """Name of the latest layer; empty at the start."""
        return self._layers[-1].name if self._layers else ""

    def network(self, source: str) -> Network:
        """Return the network."""
        return Network(self.name, tuple(self._layers), self._parameters, source, tuple(self._traffic))

    def _append(self, layer: Layer, parameters: int) -> None:
        self._layers.append(layer)
        self._parameters += parameters


def _same(size: int, taps: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + taps - size, 0)
    return total // 2, total - total // 2
