"""Widths of sums against the worst inputs there are, tried out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataflows.arch import Accelerator, Array
from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.workload import Layer
from sim.golden.layer import golden_accumulators
from sim.golden.network import OpTensors, layer_tensors
from sim.quantize.room import require_room, sum_bits

ONES = np.ones(1, np.int64)


def one(layer: Layer, zeros: tuple[int, ...], stored: OpTensors, **more: Any) -> tuple[Graph, OpTensors]:
    """Return a graph of one operation of one channel."""
    inputs = [GraphTensor(f"x{i}", 1, layer.G, layer.H, layer.W, 1.0, zero) for i, zero in enumerate(zeros)]
    made = GraphTensor("y", 1, 1, layer.P, layer.Q, 1.0, 0)
    names = tuple(each.name for each in inputs)
    return Graph("one", (*inputs, made), (GraphOp(layer, names, "y", **more),), names, ("y",)), stored


def plain(op: str, columns: int) -> Layer:
    conv = Layer.conv("only", K=1, C=1, H=1, W=columns, R=1, S=columns)
    return replace(conv, op=op, C=2 if op == "add" else 1)


CASES = {
    "products": one(plain("mac", 3), (-20,), OpTensors(np.array([[[[127, -128, 5]]]], np.int8), np.array([-900]), ONES, ONES)),
    "bias alone": one(plain("mac", 1), (7,), OpTensors(np.zeros((1, 1, 1, 1), np.int8), np.array([1 << 20]), ONES, ONES)),
    "sum": one(plain("add", 1), (100, -128), OpTensors(None, None, ONES, ONES), coefficients=(-300, 41)),
    "gate": one(plain("multiply", 1), (127, -128), OpTensors(None, None, ONES, ONES)),
    "mean": one(plain("average", 3), (-128,), OpTensors(None, None, ONES, ONES)),
    "maximum": one(plain("max", 2), (-128,), OpTensors(None, None, ONES, ONES)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_worst_sum_just_fits(name: str) -> None:
    graph, stored = CASES[name]
    (op,) = graph.ops
    sums = [-256] if op.layer.op == "max" else []
    shapes = [(t.N, t.C, t.H, t.W) for t in (graph.tensor(each) for each in graph.inputs)]
    for ends in itertools.product((-128, 127), repeat=sum(map(int, np.prod(shapes, axis=1)))):
        parts = np.split(np.array(ends, np.int64), np.cumsum(np.prod(shapes, axis=1))[:-1])
        operands = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        sums += golden_accumulators(op.layer, layer_tensors(graph, op, stored, operands)).ravel().tolist()
    bits = sum_bits(graph, op, stored)
    assert all(-(1 << (bits - 1)) <= each < 1 << (bits - 1) for each in sums)
    assert not all(-(1 << (bits - 2)) <= each < 1 << (bits - 2) for each in sums)


def test_a_design_whose_sums_would_wrap_is_refused() -> None:
    graph, stored = CASES["products"]
    acc = Accelerator("narrow", Array(4, 4, acc_bits=16))
    need = sum_bits(graph, graph.ops[0], stored)
    assert need > 16
    with pytest.raises(SpecError, match=f"at least {need}.*one.only"):
        require_room(graph, {"only": stored}, acc)
    require_room(graph, {"only": stored}, replace(acc, array=replace(acc.array, acc_bits=need)))
