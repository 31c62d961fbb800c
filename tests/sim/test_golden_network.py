"""The golden network against loops over Python integers, and what it refuses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.workload import Layer
from sim.golden.network import OpTensors, run_graph

SMALL = st.integers(1, 3)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """One layer of any kind, with sliding windows where its kind has any."""
    op = draw(st.sampled_from(("mac", "add", "multiply", "max", "average")))
    N, G, K, C = (draw(SMALL) for _ in "NGKC")
    H, W = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    if op in ("add", "multiply"):
        return Layer("op", N=N, G=G, K=1, C=2 if op == "add" else 1, P=H, Q=W, H=H, W=W, op=op)
    R, S = draw(SMALL), draw(SMALL)
    gap, stride = (draw(SMALL), draw(SMALL)), (draw(SMALL), draw(SMALL))
    # Of padding alone there is no maximum: less of it than filter on every side, and no gaps to step over the image.
    gap = (1, 1) if op == "max" else gap
    padding = tuple(draw(st.integers(0, (taps - 1) * d)) for taps, d in zip((R, S) * 2, gap * 2, strict=True))
    reach = [(taps - 1) * d + 1 for taps, d in zip((R, S), gap, strict=True)]
    H, W = (max(size, r - a - b, 1) for size, r, a, b in zip((H, W), reach, padding, padding[2:], strict=False))
    made = Layer.conv(
        "op", N=N, G=G, K=G * (K if op == "mac" else 1), C=G * (C if op == "mac" else 1), H=H, W=W, R=R, S=S,
        stride=stride, dilation=gap, padding=padding,
    )  # fmt: skip
    return replace(made, op=op)


def graph_of(layer: Layer, rng: np.random.Generator, *, table: bool) -> tuple[Graph, OpTensors, dict[str, np.ndarray]]:
    """Return a graph of one operation with random constants and inputs."""
    zeros = [int(z) for z in rng.integers(-128, 128, 4)]
    shape = (layer.N, layer.G * (layer.C if layer.op == "mac" else 1), layer.H, layer.W)
    shapes = {"a": shape}
    if layer.op in ("add", "multiply"):
        shapes["b"] = shape if layer.op == "add" else (layer.N, layer.G, 1, 1)
    channels = layer.G * layer.K
    tensors = [GraphTensor(name, *size, 1.0, zero) for (name, size), zero in zip(shapes.items(), zeros, strict=False)]
    tensors.append(GraphTensor("out", layer.N, channels, layer.P, layer.Q, 1.0, zeros[2]))
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
    coefficients = (int(rng.integers(-(2**15), 2**15)), int(rng.integers(-(2**15), 2**15)))
    op = GraphOp(layer, tuple(shapes), "out", low, high, table=table, coefficients=coefficients, index_zero=zeros[3])
    stored = OpTensors(
        rng.integers(-128, 128, (channels, layer.C, layer.R, layer.S)) if layer.op == "mac" else None,
        rng.integers(-(2**20), 2**20, channels) if rng.random() < 0.5 else None,
        rng.integers(2**30, 2**31, channels), rng.integers(34, 50, channels), rng.integers(-128, 128, 256) if table else None,
    )  # fmt: skip
    values = {name: rng.integers(-128, 128, size) for name, size in shapes.items()}
    return Graph("one", tuple(tensors), (op,), tuple(shapes), ("out",)), stored, values


def taps_of(layer: Layer, x: list, n: int, c: int, p: int, q: int) -> list[tuple[int, int, int | None]]:
    """Return (r, s, pixel) of a window; None outside the image."""
    found = []
    for r, s in itertools.product(range(layer.R), range(layer.S)):
        y = p * layer.stride[0] + r * layer.dilation[0] - layer.padding[0]
        z = q * layer.stride[1] + s * layer.dilation[1] - layer.padding[1]
        found.append((r, s, x[n][c][y][z] if 0 <= y < layer.H and 0 <= z < layer.W else None))
    return found


def by_loops(graph: Graph, stored: OpTensors, values: dict[str, np.ndarray], acc_bits: int) -> np.ndarray:
    """Compute one operation pixel by pixel, as network integers are defined, in Python's own integers."""
    (op,) = graph.ops
    layer = op.layer
    x = [[[[v - graph.tensor(name).zero_point for v in row] for row in plane] for plane in image]
         for name in op.inputs[:1] for image in values[name].tolist()]  # fmt: skip
    other = (values["b"] - graph.tensor("b").zero_point).tolist() if "b" in values else None
    out = np.zeros((layer.N, layer.G * layer.K, layer.P, layer.Q), np.int64)
    for n, k, p, q in np.ndindex(*out.shape):
        if layer.op == "mac":
            first = k // layer.K * layer.C
            acc = sum(
                (v or 0) * int(stored.weights[k, c, r, s])
                for c in range(layer.C) for r, s, v in taps_of(layer, x, n, first + c, p, q)
            )  # fmt: skip
        elif layer.op == "add":
            acc = x[n][k][p][q] * op.coefficients[0] + other[n][k][p][q] * op.coefficients[1]
        elif layer.op == "multiply":
            acc = x[n][k][p][q] * other[n][k][0][0]
        else:
            seen = [v for _, _, v in taps_of(layer, x, n, k, p, q) if v is not None]
            acc = max(seen) if layer.op == "max" else sum(seen)
        acc += int(stored.bias[k]) if stored.bias is not None else 0
        acc = (acc + 2 ** (acc_bits - 1)) % 2**acc_bits - 2 ** (acc_bits - 1)
        shift = int(stored.shift[k])
        zero = op.index_zero if op.table else graph.tensor("out").zero_point
        scaled = (acc * int(stored.multiplier[k]) + 2 ** (shift - 1)) // 2**shift + zero
        value = min(max(scaled, op.low), op.high)
        out[n, k, p, q] = int(stored.table[value + 128]) if op.table else value
    return out


@given(layers(), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from((18, 24, 32)))
def test_every_operation_is_its_definition(layer, seed, table, acc_bits):
    graph, stored, values = graph_of(layer, np.random.default_rng(seed), table=table)
    made = run_graph(graph, {"op": stored}, values, acc_bits=acc_bits)
    assert np.array_equal(made["out"], by_loops(graph, stored, values, acc_bits))
    assert made.keys() == {tensor.name for tensor in graph.tensors}


def chain() -> tuple[Graph, dict[str, OpTensors], np.ndarray]:
    """Return two operations, the second on the output of the first: a maximum, then twice it."""
    shape = (1, 2, 2, 2)
    tensors = (
        GraphTensor("x", *shape, 1.0, 0), GraphTensor("m", 1, 2, 1, 1, 1.0, 0), GraphTensor("y", 1, 2, 1, 1, 1.0, 0),
    )  # fmt: skip
    pool = Layer("pool", N=1, G=2, K=1, C=1, P=1, Q=1, R=2, S=2, H=2, W=2, op="max")
    double = Layer("double", N=1, G=2, K=1, C=2, P=1, Q=1, H=1, W=1, op="add")
    ops = (GraphOp(pool, ("x",), "m"), GraphOp(double, ("m", "m"), "y"))
    one = OpTensors(None, None, np.full(2, 2**30), np.full(2, 30))
    return Graph("chain", tensors, ops, ("x",), ("y",)), {"pool": one, "double": one}, np.arange(8).reshape(shape)


def test_operations_read_what_others_made():
    graph, tensors, x = chain()
    made = run_graph(graph, tensors, {"x": x})
    assert made["m"].ravel().tolist() == [3, 7]
    assert made["y"].ravel().tolist() == [6, 14]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g, t, x: ({}, {"x": x}), "tensors.pool"),
        (lambda g, t, x: (t, {}), "inputs.x"),
        (lambda g, t, x: (t, {"x": x[:, :1]}), "integers of shape"),
        (lambda g, t, x: (t, {"x": x + 125}), "8 bits"),
        (lambda g, t, x: (t, {"x": x.astype(float)}), "integers of shape"),
    ],
)
def test_what_does_not_belong_to_the_graph_is_refused(change, words):
    graph, tensors, x = chain()
    stored, inputs = change(graph, tensors, x)
    with pytest.raises(SpecError, match=words):
        run_graph(graph, stored, inputs)


@pytest.mark.parametrize(("table", "words"), [(None, "a table: True"), (np.arange(16), "shape .256,.")])
def test_a_table_has_an_entry_for_every_index(table, words):
    graph, tensors, x = chain()
    graph = replace(graph, ops=(replace(graph.ops[0], table=True), graph.ops[1]))
    with pytest.raises(SpecError, match=words):
        run_graph(graph, tensors | {"pool": replace(tensors["pool"], table=table)}, {"x": x})


def test_a_layer_of_products_has_weights():
    layer = Layer.conv("conv", K=1, C=1, H=2, W=2, R=1, S=1)
    tensors = (GraphTensor("x", 1, 1, 2, 2, 1.0, 0), GraphTensor("y", 1, 1, 2, 2, 1.0, 0))
    graph = Graph("one", tensors, (GraphOp(layer, ("x",), "y"),), ("x",), ("y",))
    with pytest.raises(SpecError, match="weights"):
        run_graph(graph, {"conv": OpTensors(None, None, np.array([2**30]), np.array([30]))}, {"x": np.zeros((1, 1, 2, 2), int)})
