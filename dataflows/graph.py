"""Whole networks as the accelerator runs them: operations in order, and the tensors between them.

A `Network` lists layers and says nothing of who feeds whom; a `Graph` does, so that tensors get lifetimes and addresses. Its
integers (weights, biases, multipliers, tables) travel beside it, one `sim.golden.network.OpTensors` per operation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dataflows.errors import SpecError
from dataflows.workload import Layer

OPERANDS = {"mac": 1, "add": 2, "multiply": 2, "max": 1, "average": 1}
"""Tensors that an operation reads: `multiply` reads a map and a tensor of one value per channel."""


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """An activation tensor: N images of C channels, H rows and W columns, quantised.

    A value q stands for ``scale * (q - zero_point)``.
    """

    name: str
    N: int
    C: int
    H: int
    W: int
    scale: float
    zero_point: int
    bits: int = 8

    @property
    def words(self) -> int:
        """Elements."""
        return math.prod((self.N, self.C, self.H, self.W))


@dataclass(frozen=True, slots=True)
class GraphOp:
    """One operation: a layer, what it reads and what it makes.

    Attributes
    ----------
    layer : Layer
        Shape and kind (`Layer.op`); its name is the operation's.
    inputs : tuple of str
        Names of tensors: `OPERANDS` of them.
    output : str
        Name of the tensor it makes.
    low, high : int
        Clip bounds after requantisation (before a table).
    table : bool
        Whether outputs are looked up in a table of 2**bits entries after the clip (hard-swish, hard-sigmoid, ...).
    index_zero : int
        With a table: the zero point that requantisation adds. The clipped sums are the table's index and have a scale of their
        own; the zero point of the output tensor belongs to what the table returns.
    coefficients : tuple of int
        For ``add``: what the two operands, less their zero points, are multiplied by: signed 16 bits each.
    """

    layer: Layer
    inputs: tuple[str, ...]
    output: str
    low: int = -128
    high: int = 127
    table: bool = False
    coefficients: tuple[int, int] = (1, 1)
    index_zero: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in the order they run; `inputs` come from the host, `outputs` go back to it.

    Raises
    ------
    SpecError
        A tensor that is unknown, made twice or read before it is made; a wrong number of operands; shapes that disagree.
    """

    name: str
    tensors: tuple[GraphTensor, ...]
    ops: tuple[GraphOp, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    _index: dict[str, GraphTensor] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {tensor.name: tensor for tensor in self.tensors})
        made = set(self.inputs)
        for op in self.ops:
            self._check(op, made)
            made.add(op.output)
        for name in self.outputs:
            if name not in made:
                raise SpecError(f"{self.name}.outputs", name, "a tensor that an operation makes", "correct the name")

    def tensor(self, name: str) -> GraphTensor:
        """Return a tensor by name."""
        return self._index[name]

    def output_zero(self, op: GraphOp) -> int:
        """Return the zero point that requantisation adds, before a table."""
        return op.index_zero if op.table else self._index[op.output].zero_point

    def _check(self, op: GraphOp, made: set[str]) -> None:
        path, layer = f"{self.name}.{op.layer.name}", op.layer
        if len(op.inputs) != OPERANDS[layer.op]:
            raise SpecError(f"{path}.inputs", op.inputs, f"{OPERANDS[layer.op]} tensors", "name each operand once")
        for name in op.inputs:
            if name not in made:
                raise SpecError(f"{path}.inputs", name, "a tensor made before", "order the operations")
        if op.output in made or op.output not in self._index:
            raise SpecError(f"{path}.output", op.output, "a tensor listed once and made once", "give it a name of its own")
        operand = layer.C if layer.op == "mac" else 1
        whole = (layer.N, layer.G * operand, layer.H, layer.W)
        shapes = [whole, *([(layer.N, layer.G, 1, 1)] if layer.op == "multiply" else [whole] * (len(op.inputs) - 1))]
        shapes.append((layer.N, layer.G * layer.K, layer.P, layer.Q))
        for name, shape in zip((*op.inputs, op.output), shapes, strict=True):
            found = self._index[name]
            if (found.N, found.C, found.H, found.W) != shape:
                raise SpecError(f"{path}.{name}", (found.N, found.C, found.H, found.W), f"shape {shape}", "correct the tensor")
