"""Whole networks in integers against onnxruntime's floats: every kind of operation, chains of them, and refusals."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from sim.quantize.agreement import agreement
from sim.quantize.bundled import calibration_inputs, quantize_named
from sim.quantize.network import quantize_network
from tests.dataflows.onnx_models import node, save

IMAGE = (1, 6, 7, 9)
# A function of the largest slope between index and output: it multiplies the half step that the index is off by.
FUNCTIONS = {
    "HardSwish": [node("HardSwish", ["c"], ["y"])],
    "HardSigmoid": [node("HardSigmoid", ["c"], ["y"], alpha=0.2, beta=0.5)],
    "Sigmoid": [node("Sigmoid", ["c"], ["y"])],
    "Tanh": [node("Tanh", ["c"], ["y"])],
    "LeakyRelu": [node("LeakyRelu", ["c"], ["y"], alpha=0.1)],
    "SiLU": [node("Sigmoid", ["c"], ["h"]), node("Mul", ["c", "h"], ["y"])],
    "hard-swish of four": [
        node("Add", ["c", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["b"]),
        node("Mul", ["c", "b"], ["m"]), node("Div", ["m", "six"], ["y"]),
    ],
    "gelu of five": [
        node("Div", ["c", "root"], ["d"]), node("Erf", ["d"], ["e"]), node("Add", ["e", "one"], ["f"]),
        node("Mul", ["c", "f"], ["m"]), node("Mul", ["m", "half"], ["y"]),
    ],
}  # fmt: skip
SCALARS = {"zero": 0.0, "one": 1.0, "three": 3.0, "six": 6.0, "root": 2**0.5, "half": 0.5}
POOL = {"kernel_shape": [3, 2]}
SHIFTED = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
# name: nodes from x (and z, of the same shape, and g, of one value per channel) to y, the kinds of operations expected
KINDS = {
    "convolution": ([node("Conv", ["x", "W", "B"], ["y"], pads=[1, 0, 1, 2], strides=[2, 1])], ["mac"]),
    "dilated, no bias": ([node("Conv", ["x", "W"], ["y"], dilations=[2, 3])], ["mac"]),
    "depthwise": ([node("Conv", ["x", "D", "B"], ["y"], group=6, auto_pad="SAME_UPPER", strides=[2, 2])], ["mac"]),
    "ReLU": ([node("Conv", ["x", "W", "B"], ["c"]), node("Relu", ["c"], ["y"])], ["mac"]),
    "ReLU6": ([node("Conv", ["x", "W", "B"], ["c"]), node("Clip", ["c", "zero", "six"], ["y"])], ["mac"]),
    "batch normalisation": ([node("BatchNormalization", ["x", "S", "B", "M", "V"], ["y"])], ["mac"]),
    "factors": ([node("Mul", ["x", "K"], ["c"]), node("Add", ["K", "c"], ["d"]), node("Sub", ["d", "K"], ["y"])], ["mac"]),
    "divisors": ([node("Div", ["x", "K"], ["y"])], ["mac"]),
    "product": ([node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "P", "Q"], ["y"], transB=1, alpha=0.5, beta=2.0)], ["mac"]),
    "MatMul": ([node("Flatten", ["g"], ["f"]), node("MatMul", ["f", "N"], ["y"])], ["mac"]),
    "sum": ([node("Add", ["x", "z"], ["y"])], ["add"]),
    "sum and ReLU": ([node("Sum", ["x", "z"], ["c"]), node("Relu", ["c"], ["y"])], ["add"]),
    "difference": ([node("Sub", ["x", "z"], ["y"])], ["add"]),
    "gate": ([node("Mul", ["g", "x"], ["y"])], ["multiply"]),
    "maximum": ([node("MaxPool", ["x"], ["y"], **SHIFTED)], ["max"]),
    "maximum, rounded up": ([node("MaxPool", ["x"], ["y"], ceil_mode=1, strides=[2, 2], kernel_shape=[2, 2])], ["max"]),
    "maximum and ReLU": ([node("MaxPool", ["x"], ["c"], **POOL, dilations=[2, 1]), node("Relu", ["c"], ["y"])], ["max"]),
    "mean": ([node("AveragePool", ["x"], ["y"], **POOL, strides=[2, 1])], ["average"]),
    "mean over padding": ([node("AveragePool", ["x"], ["y"], **SHIFTED, count_include_pad=1)], ["average"]),
    "global mean": ([node("GlobalAveragePool", ["x"], ["y"])], ["average"]),
    "global maximum": ([node("GlobalMaxPool", ["x"], ["y"])], ["max"]),
    "ReduceMean": ([node("ReduceMean", ["x"], ["y"], axes=[-1, 2], keepdims=0)], ["average"]),
    "joined": ([node("Concat", ["x", "z", "x"], ["y"], axis=1)], ["mac", "mac", "add", "mac", "add"]),
    "joined in their place": (
        [node("Conv", ["x", "U", "B"], ["c"]), node("Relu", ["c"], ["r"]), node("Conv", ["z", "U"], ["d"]),
         node("Concat", ["r", "d"], ["y"], axis=1)], ["mac", "mac", "add"],
    ),
    "joined, one part read twice": (
        [node("Conv", ["x", "W"], ["c"]), node("Concat", ["c", "c"], ["y"], axis=1)], ["mac", "mac", "mac", "add"],
    ),
    "bare ReLU": ([node("Relu", ["x"], ["y"])], ["average"]),
}  # fmt: skip


def steps(rng: np.random.Generator, shape: tuple[int, ...], unit: float) -> np.ndarray:
    """Return multiples of `unit` from -128 to 127 times it, both ends among them: int8 stores them without error."""
    whole = rng.integers(-128, 128, shape)
    whole.flat[:2] = -128, 127
    return (whole * unit).astype(np.float32)


def symmetric(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return weights that int8 stores without error: per output channel multiples of a 127th of the largest."""
    whole = rng.integers(-127, 128, shape).reshape(shape[0], -1)
    whole[:, 0] = 127
    unit = 2.0 ** rng.integers(-9, -5, (shape[0], 1))
    return (whole * unit).reshape(shape).astype(np.float32)


def model(path, nodes, rng):
    """Save nodes with every constant that they read."""
    constants = {
        "W": symmetric(rng, (4, 6, 3, 2)), "U": symmetric(rng, (4, 6, 1, 1)),
        "D": symmetric(rng, (6, 1, 3, 3)), "B": rng.normal(0, 2, 6).astype(np.float32),
        "S": rng.uniform(0.5, 2, 6), "M": rng.normal(0, 1, 6), "V": rng.uniform(0.5, 2, 6), "K": rng.uniform(0.5, 2, (6, 1, 1)),
        "P": symmetric(rng, (5, 6 * 7 * 9)), "Q": rng.normal(0, 1, 5), "N": symmetric(rng, (5, 6)).T,
        "O": np.zeros((6, 1, 1)),
    }  # fmt: skip
    constants |= SCALARS
    read = {name for each in nodes for name in each.input}
    if read & {"U", "W"}:
        constants["B"] = constants["B"][:4]
    shapes = {"x": IMAGE, "z": IMAGE, "g": (1, 6, 1, 1)}
    used = {name: np.asarray(value, np.float32) for name, value in constants.items() if name in read}
    return save(path, nodes, {name: shape for name, shape in shapes.items() if name in read}, ["y"], used)


def feeds_of(path, rng):
    """Return inputs that int8 stores without error."""
    inputs = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).get_inputs()
    return {found.name: steps(rng, tuple(found.shape), unit) for found, unit in zip(inputs, (0.03, 0.05, 0.007), strict=False)}


def compared(path, feeds):
    """Return the quantised network, its output and onnxruntime's, both in steps of the output's scale."""
    made = quantize_network(path, [feeds])
    (name,) = made.graph.outputs
    got = made.run(feeds)[name] - made.graph.tensor(name).zero_point
    (want,) = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)
    return made, got, want.astype(np.float64).reshape(got.shape) / made.scale(name).step


@pytest.mark.parametrize("kind", KINDS)
def test_one_operation_rounds_once(kind, tmp_path):
    rng = np.random.default_rng(sum(map(ord, kind)))
    nodes, ops = KINDS[kind]
    path = model(tmp_path / "net.onnx", nodes, rng)
    made, got, want = compared(path, feeds_of(path, rng))
    assert [op.layer.op for op in made.graph.ops] == ops
    # Inputs and weights are exact (a factor per channel is the largest weight of its own), so what is left is the rounding of the
    # output, half a step; the sums of joined parts are exact, since all have one scale. A hundredth of a step more for biases
    # (half of an accumulator's unit), multipliers (31 bits) and coefficients (15 bits).
    assert np.abs(got - want).max() <= 0.51


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_become_tables(name, tmp_path):
    rng = np.random.default_rng(3)
    nodes = [node("Conv", ["x", "W", "B"], ["c"]), *FUNCTIONS[name]]
    path = model(tmp_path / "net.onnx", nodes, rng)
    made, got, want = compared(path, feeds_of(path, rng))
    (op,) = made.graph.ops
    assert op.table
    assert len(np.unique(got)) > 20
    # The index is off by half a step, which the function's slope magnifies; ends that the table leaves out move it by a quarter.
    table = made.tensors[op.layer.name].table
    assert np.abs(got - want).max() <= 0.5 + 0.75 * max(1, int(np.abs(np.diff(table)).max()))


def test_a_tensor_before_and_after_a_function_stays_in_memory(tmp_path):
    nodes = [node("Conv", ["x", "W", "B"], ["c"]), node("Sigmoid", ["c"], ["s"]), node("Add", ["c", "s"], ["a"]),
             node("GlobalAveragePool", ["s"], ["g1"]), node("Mul", ["a", "g1"], ["y"])]  # fmt: skip
    rng = np.random.default_rng(4)
    path = model(tmp_path / "net.onnx", nodes, rng)
    made, got, want = compared(path, feeds_of(path, rng))
    # Add is a function of c too, so the convolution's sums reach memory and two copies of them are looked up.
    assert Counter(op.layer.op for op in made.graph.ops) == {"mac": 1, "average": 3, "multiply": 1}
    assert [op.table for op in made.graph.ops] == [False, True, True, False, False]
    assert np.abs(got - want).max() <= 4


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.lists(st.sampled_from(("conv", "depthwise", "swish", "residual", "gate", "pool")), max_size=7)
)
def test_chains_stay_near_the_floats(tmp_path_factory, seed, blocks):
    rng = np.random.default_rng(seed)
    nodes, at, constants = [node("Identity", ["x"], ["t"])], "t", dict(SCALARS)
    for index, block in enumerate(blocks):
        at, before = f"t{index}", at
        if block in ("conv", "depthwise"):
            groups = 8 if block == "depthwise" else 1
            constants[f"w{index}"] = rng.normal(0, (9 * 8 / groups) ** -0.5, (8, 8 // groups, 3, 3))
            nodes.append(node("Conv", [before, f"w{index}"], [at], pads=[1] * 4, group=groups))
        elif block == "swish":
            nodes.append(node("HardSwish", [before], [at]))
        elif block == "residual":
            nodes += [node("Relu", [before], [f"r{index}"]), node("Add", [before, f"r{index}"], [at])]
        elif block == "gate":
            nodes += [node("GlobalAveragePool", [before], [f"g{index}"]), node("HardSigmoid", [f"g{index}"], [f"h{index}"]),
                      node("Mul", [before, f"h{index}"], [at])]  # fmt: skip
        else:
            nodes.append(node("MaxPool", [before], [at], kernel_shape=[3, 3], pads=[1] * 4))
    nodes.append(node("AveragePool", [at], ["y"], kernel_shape=[2, 2]))
    path = tmp_path_factory.mktemp("chain") / "net.onnx"
    kept = {name: np.asarray(value, np.float32) for name, value in constants.items()}
    save(path, nodes, {"x": (1, 8, 8, 8)}, ["y"], kept)
    feeds = {"x": rng.normal(0, 1, (1, 8, 8, 8)).astype(np.float32)}
    _, got, want = compared(path, feeds)
    # Errors of independent roundings add up like noise: a few steps, where a wrong scale or zero point is off by dozens.
    assert np.sqrt(np.mean((got - want) ** 2)) <= 0.6 * (2 + len(blocks))


def test_the_host_computes_the_softmax(tmp_path):
    nodes = [node("GlobalAveragePool", ["x"], ["a"]), node("Flatten", ["a"], ["f"]), node("MatMul", ["f", "N"], ["c"]),
             node("Softmax", ["c"], ["y"], axis=1)]  # fmt: skip
    rng = np.random.default_rng(6)
    path = model(tmp_path / "net.onnx", nodes, rng)
    feeds = feeds_of(path, rng)
    made = quantize_network(path, [feeds])
    assert made.graph.outputs == ("c",)
    ints = made.run(feeds)
    logits = made.scale("c").real(ints["c"]).ravel()
    np.testing.assert_allclose(made.host_outputs(ints)["y"].ravel(), np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)


REFUSED = {
    "LRN": ([node("LRN", ["x"], ["y"], size=3)], r"\(LRN\).*end the network before it"),
    "Transpose": ([node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1])], "Transpose"),
    "uneven windows": ([node("AveragePool", ["x"], ["y"], **SHIFTED)], "same number of elements.*count_include_pad"),
    "product of maps": ([node("Mul", ["x", "z"], ["y"])], "one value per channel"),
    "three operands": ([node("Sum", ["x", "z", "x"], ["y"])], "chain of Adds"),
    "broadcast sum": ([node("Add", ["x", "g"], ["y"])], "equal shapes"),
    "sum of other ranks": ([node("Flatten", ["g"], ["f"]), node("Add", ["g", "f"], ["y"])], "equal ranks"),
    "gate of another rank": ([node("Flatten", ["g"], ["f"]), node("Mul", ["g", "f"], ["y"])], "equal ranks"),
    "division by zero": ([node("Div", ["x", "O"], ["y"])], "division by 0"),
    "softmax inside": ([node("Softmax", ["x"], ["t"]), node("Add", ["t", "x"], ["y"])], "at the end only"),
    "softmax alone": ([node("Softmax", ["x"], ["y"])], "no operation for the accelerator"),
    "weights of the run": ([node("Conv", ["x", "z"], ["y"])], "run time"),
    "mean over channels": ([node("ReduceMean", ["x"], ["y"], axes=[1])], "rows and columns"),
    "joined by rows": ([node("Concat", ["x", "z"], ["y"], axis=2)], "joined by channels"),
    "product of activations": ([node("Flatten", ["x"], ["f"]), node("Flatten", ["z"], ["h"]),
                                node("Gemm", ["f", "h"], ["y"], transB=1)], "computed at run time"),
    "slopes per channel": ([node("PRelu", ["x", "K"], ["y"])], "PRelu"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_accelerator_cannot_run_is_named(name, tmp_path):
    nodes, words = REFUSED[name]
    rng = np.random.default_rng(7)
    path = model(tmp_path / "net.onnx", nodes, rng)
    with pytest.raises(SpecError, match=words) as caught:
        quantize_network(path, [feeds_of(path, rng)])
    assert caught.value.fix


def test_the_host_computes_the_class(tmp_path):
    nodes = [node("Flatten", ["g"], ["f"]), node("MatMul", ["f", "N"], ["c"]), node("ArgMax", ["c"], ["y"], axis=1)]
    rng = np.random.default_rng(6)
    path = model(tmp_path / "net.onnx", nodes, rng)
    images = [feeds_of(path, rng) for _ in range(8)]
    made = quantize_network(path, images)
    found = agreement(made, images)
    best = [int(made.model.session(("c",))(each)["c"].argmax()) for each in images]
    assert len(set(best)) > 1
    assert found.float_classes == tuple(best)
    assert found.integer_classes == tuple(int(made.run(each)["c"].argmax()) for each in images)


@pytest.mark.parametrize("argmax", [False, True])
def test_every_image_of_a_batch_has_a_class(tmp_path, argmax):
    rng = np.random.default_rng(9)
    nodes = [node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"], ["f"]), node("Gemm", ["f", "W"], ["c"])]
    nodes += [node("ArgMax", ["c"], ["y"], axis=1)] if argmax else [node("Softmax", ["c"], ["y"], axis=1)]
    constants = {"W": rng.normal(0, 1, (4, 5)).astype(np.float32)}
    path = save(tmp_path / "net.onnx", nodes, {"x": (3, 4, 2, 2)}, ["y"], constants)
    inputs = [rng.normal(0, 1, (3, 4, 2, 2)).astype(np.float32) for _ in range(4)]
    made = quantize_network(path, inputs)
    found = agreement(made, inputs)
    logits = [made.model.session(("c",))(each)["c"] for each in inputs]
    best = np.concatenate([each.argmax(1) for each in logits])
    assert found.float_classes == tuple(best)
    assert len(set(best)) > 1
    assert found.integer_classes == tuple(np.concatenate([made.run(each)["c"].reshape(3, 5).argmax(1) for each in inputs]))
    assert len(found.margins) == 12
    top = np.sort(np.concatenate(logits), axis=1)
    assert np.allclose(found.margins, top[:, -1] - top[:, -2])
    assert len(found.errors) == 4


def test_biases_by_rows_are_refused(tmp_path):
    constants = {"N": np.eye(3, dtype=np.float32), "R": np.arange(3, dtype=np.float32).reshape(3, 1)}
    path = save(tmp_path / "net.onnx", [node("Gemm", ["x", "N", "R"], ["y"])], {"x": (3, 3)}, ["y"], constants)
    with pytest.raises(SpecError, match="one row of biases"):
        quantize_network(path, [np.ones((3, 3), np.float32)])


def test_calibration_needs_finite_inputs(tmp_path):
    path = model(tmp_path / "net.onnx", [node("GlobalAveragePool", ["x"], ["y"])], np.random.default_rng(8))
    with pytest.raises(SpecError, match="at least one input"):
        quantize_network(path, [])
    with pytest.raises(SpecError, match="finite"):
        quantize_network(path, [np.full(IMAGE, np.nan, np.float32)])
    with pytest.raises(SpecError, match="inputs"):
        quantize_network(path, [np.zeros((1, 6, 7), np.float32)])


def test_dead_and_nearly_dead_channels(tmp_path):
    weights = np.zeros((3, 6, 1, 1), np.float32)
    weights[1] = 1e-12
    weights[2] = 1
    constants = {"W": weights, "B": np.array([5, -3, 0], np.float32)}
    path = save(tmp_path / "net.onnx", [node("Conv", ["x", "W", "B"], ["y"])], {"x": IMAGE}, ["y"], constants)
    _, got, want = compared(path, {"x": steps(np.random.default_rng(9), IMAGE, 0.05)})
    assert np.abs(got - want).max() <= 0.51


def test_a_tensor_of_zeros(tmp_path):
    path = model(tmp_path / "net.onnx", [node("GlobalAveragePool", ["x"], ["y"])], np.random.default_rng(8))
    made = quantize_network(path, [np.zeros(IMAGE, np.float32)])
    assert not made.host_outputs(made.run(np.zeros(IMAGE, np.float32)))["y"].any()


def test_networks_by_name():
    made = quantize_named("squeezenet")
    assert made.graph.name == "squeezenet"
    assert Counter(op.layer.op for op in made.graph.ops) == {"mac": 26, "add": 8, "max": 3, "average": 1}
    with pytest.raises(SpecError, match="table of layers"):
        quantize_named("mobilenet_v1")
    with pytest.raises(SpecError, match="LRN"):
        quantize_named("inception_v1")
    with pytest.raises(SpecError, match="ONNX file"):
        quantize_named("conv:K=8,C=8,H=8,W=8,R=3,S=3")
    first, again = calibration_inputs("squeezenet"), calibration_inputs("squeezenet")
    assert all(np.array_equal(a["data_0"], b["data_0"]) for a, b in zip(first, again, strict=True))
