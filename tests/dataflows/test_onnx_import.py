"""Layers read from ONNX against onnx's own shape inference and onnxruntime's arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.networks import entry
from dataflows.onnx_import import import_model, import_onnx
from tests.dataflows.onnx_models import node, save, weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


def output_of(path: Path, data: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": data})[0]


@st.composite
def convolutions(draw):
    """Attributes of a Conv that fits its input, one- or two-dimensional, with padding of every kind."""
    axes = draw(st.sampled_from((1, 2)))
    several = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    group = draw(st.integers(1, 3))
    taps, strides, dilations = several(1, 4), several(1, 3), several(1, 3)
    auto = draw(st.sampled_from(("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")))
    size = tuple((taps[i] - 1) * dilations[i] + 1 + draw(st.integers(0, 8)) for i in range(axes))
    attributes = {"strides": strides, "group": group, "auto_pad": auto}
    # onnxruntime defines SAME for undilated filters only.
    attributes["dilations"] = (1,) * axes if auto.startswith("SAME") else dilations
    if auto == "NOTSET":
        attributes["pads"] = several(0, 4) + several(0, 4)
    shape = (draw(st.integers(1, 2)), group * draw(st.integers(1, 3)), *size)
    return shape, (group * draw(st.integers(1, 3)), shape[1] // group, *taps), attributes


@settings(max_examples=60)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_conv_is_the_same_operation(folder, case, seed):
    shape, filters, attributes = case
    rng = np.random.default_rng(seed)
    w = rng.integers(-4, 5, filters).astype(np.float32)
    data = rng.integers(-4, 5, shape).astype(np.float32)
    path = save(folder / "conv.onnx", [node("Conv", ["x", "w"], ["y"], "c", **attributes)], {"x": shape}, ["y"], {"w": w})
    (layer,) = import_onnx(path).network.layers
    expected = output_of(path, data)
    lift = (1,) * (4 - len(shape))
    assert (*expected.shape[:2], *lift, *expected.shape[2:]) == (layer.N, layer.G * layer.K, layer.P, layer.Q)
    assert layer.macs == expected.size * w[0].size
    assert layer.parameters == w.size
    # The layer, written as an explicit two-dimensional Conv, computes the same numbers.
    explicit = node(
        "Conv", ["x", "w"], ["y"], pads=layer.padding, strides=layer.stride, dilations=layer.dilation, group=layer.G,
    )  # fmt: skip
    image = data.reshape(layer.N, layer.G * layer.C, layer.H, layer.W)
    taps = w.reshape(layer.G * layer.K, layer.C, layer.R, layer.S)
    again = output_of(save(folder / "explicit.onnx", [explicit], {"x": image.shape}, ["y"], {"w": taps}), image)
    assert np.array_equal(again.ravel(), expected.ravel())


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(folder, trans_a, trans_b):
    shape = (5, 7) if trans_a else (7, 5)
    w = weights(3, 5) if trans_b else weights(5, 3)
    gemm = node("Gemm", ["x", "w"], ["y"], transA=trans_a, transB=trans_b)
    path = save(folder / "g.onnx", [gemm], {"x": shape}, ["y"], {"w": w})
    (layer,) = import_onnx(path).network.layers
    assert (layer.kind, layer.Q, layer.K, layer.C, layer.macs) == ("gemm", 7, 3, 5, 105)


@pytest.mark.parametrize(
    ("data", "stored", "left", "sizes"),
    [
        ((7, 5), (5, 3), False, (7, 3, 5)),
        ((2, 4, 7, 5), (5, 3), False, (56, 3, 5)),
        ((2, 7, 5), (1, 5, 3), False, (14, 3, 5)),
        ((5,), (5, 3), False, (1, 3, 5)),
        ((5, 3), (7, 5), True, (3, 7, 5)),
        ((2, 5, 3), (7, 5), True, (6, 7, 5)),
    ],
)
def test_matmul_folds_the_batch_into_rows(folder, data, stored, left, sizes):
    order = ["w", "x"] if left else ["x", "w"]
    path = save(folder / "m.onnx", [node("MatMul", order, ["y"])], {"x": data}, ["y"], {"w": weights(*stored)})
    (layer,) = import_onnx(path).network.layers
    assert (layer.Q, layer.K, layer.C) == sizes
    result = onnx.shape_inference.infer_shapes(onnx.load(str(path))).graph.output[0].type.tensor_type.shape.dim
    assert layer.output_words == np.prod([d.dim_value for d in result])


def statuses(path, shapes=None):
    return {row.name: (row.status, row.reason) for row in import_onnx(path, shapes).coverage}


def test_followers_of_a_conv_fold_into_it(folder):
    channel = {name: weights(4) for name in ("scale", "shift", "mean", "var")}
    chain = [
        node("Conv", ["x", "w"], ["a"], "conv"),
        node("BatchNormalization", ["a", *channel], ["b"], "norm"),
        node("Mul", ["factor", "b"], ["c"], "mul"),
        node("Add", ["c", "bias"], ["d"], "add"),
        node("Identity", ["d"], ["e"], "copy"),
        node("Relu", ["e"], ["f"], "relu"),
        node("Add", ["f", "bias"], ["y"], "late"),
    ]
    constants = {"w": weights(4, 3, 1, 1), **channel, "factor": weights(4, 1, 1), "bias": weights(1, 4, 1, 1)}
    path = save(folder / "chain.onnx", chain, {"x": (1, 3, 4, 4)}, ["y"], constants)
    found = statuses(path)
    assert [found[n][0] for n in ("conv", "norm", "mul", "add", "copy", "relu")] == ["mapped"] + ["folded"] * 5
    assert found["late"][0] == "host"  # the clip comes first, nothing but copies can follow it
    assert import_onnx(path).network.layers[0].activation == "relu"


@pytest.mark.parametrize(
    ("bias", "other"), [((4, 4), "one value per pixel"), ((1, 1, 1, 4), "along columns"), ((2, 4, 1, 1), "batch of two")]
)
def test_an_add_that_is_not_per_channel_stays_on_the_host(folder, bias, other):
    nodes = [node("Conv", ["x", "w"], ["a"], "conv"), node("Add", ["a", "b"], ["y"], "add")]
    path = save(folder / "a.onnx", nodes, {"x": (1, 3, 4, 4)}, ["y"], {"w": weights(4, 3, 1, 1), "b": weights(*bias)})
    assert statuses(path)["add"][0] == "host", other


def test_a_tensor_read_twice_or_shown_outside_ends_the_chain(folder):
    twice = [node("Conv", ["x", "w"], ["a"], "conv"), node("Relu", ["a"], ["b"], "relu"), node("Add", ["a", "b"], ["y"], "add")]
    path = save(folder / "t.onnx", twice, {"x": (1, 3, 4, 4)}, ["y"], {"w": weights(4, 3, 1, 1)})
    assert statuses(path)["relu"][0] == "host"
    assert import_onnx(path).network.layers[0].activation == "none"
    path = save(folder / "o.onnx", twice[:2], {"x": (1, 3, 4, 4)}, ["a", "b"], {"w": weights(4, 3, 1, 1)})
    assert statuses(path)["relu"][0] == "host"


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 6, "relu6"), (0, 3.4e38, "relu"), (0, 3, "none"), (-1, 6, "none"), (0, None, "relu")]
)
def test_clip_bounds(folder, low, high, expected):
    constants = {"w": weights(4, 3, 1, 1), "low": np.float32(low)}
    names = ["a", "low"]
    if high is not None:
        constants["high"] = np.float32(high)
        names.append("high")
    nodes = [node("Conv", ["x", "w"], ["a"], "conv"), node("Clip", names, ["y"], "clip")]
    path = save(folder / "clip.onnx", nodes, {"x": (1, 3, 4, 4)}, ["y"], constants)
    assert import_onnx(path).network.layers[0].activation == expected
    assert statuses(path)["clip"][0] == ("host" if expected == "none" else "folded")
    old = node("Clip", ["a"], ["y"], "clip", min=float(low), **({} if high is None else {"max": float(high)}))
    path = save(folder / "old.onnx", [nodes[0], old], {"x": (1, 3, 4, 4)}, ["y"], {"w": weights(4, 3, 1, 1)}, opset=9)
    assert import_onnx(path).network.layers[0].activation == expected


def test_weights_from_anywhere_constant(folder):
    shape = node("Constant", [], ["s"], value=onnx.numpy_helper.from_array(np.array([4, 3, 1, 1])))
    for maker in (
        [node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(weights(4, 3, 1, 1)))],
        [shape, node("ConstantOfShape", ["s"], ["w"])],
        [shape, node("ConstantOfShape", ["s"], ["v"]), node("Identity", ["v"], ["w"])],
    ):
        path = save(folder / "w.onnx", [*maker, node("Conv", ["x", "w"], ["y"], "conv")], {"x": (1, 3, 4, 4)}, ["y"])
        found = import_onnx(path)
        assert [layer.parameters for layer in found.network.layers] == [12]
        assert {row.status for row in found.coverage} == {"mapped", "folded"}


def test_shared_weights_count_once(folder):
    nodes = [
        node("Conv", ["x", "w"], ["a"]), node("Identity", ["w"], ["v"]), node("Conv", ["a", "v"], ["y"]),
    ]  # fmt: skip
    network = import_onnx(save(folder / "s.onnx", nodes, {"x": (1, 3, 4, 4)}, ["y"], {"w": weights(3, 3, 1, 1)})).network
    assert (len(network.layers), network.parameters) == (2, 9)


@pytest.mark.parametrize(
    ("nodes", "status", "word"),
    [
        ([node("Conv", ["x", "x"], ["y"], "n")], "host", "run time"),
        ([node("MatMul", ["x", "x"], ["y"], "n")], "host", "run time"),
        ([node("ConvTranspose", ["x", "w"], ["y"], "n")], "host", "scattered"),
        ([node("MaxPool", ["x"], ["y"], "n", kernel_shape=[2, 2])], "host", "pooling"),
        ([node("Erf", ["x"], ["y"], "n")], "host", "not a multiply"),
        ([node("Softmax", ["x"], ["y"], "n")], "host", "exponential"),
        ([node("Flatten", ["x"], ["y"], "n")], "folded", "order"),
        ([node("Gelu", ["x"], ["y"], "n", domain="com.microsoft")], "host", "com.microsoft"),
        ([node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"], "n")], "rejected", "float model"),
    ],
)
def test_status_of_other_nodes(folder, nodes, status, word):
    path = save(folder / "n.onnx", nodes, {"x": (4, 4, 4, 4)}, ["y"], {"w": weights(4, 4, 2, 2)})
    found = statuses(path)["n"]
    assert found[0] == status
    assert word in found[1]


def test_three_dimensional_conv_is_left_to_the_host(folder):
    cube = node("Conv", ["x", "w"], ["y"], "n")
    path = save(folder / "3.onnx", [cube], {"x": (1, 2, 4, 4, 4)}, ["y"], {"w": weights(2, 2, 1, 1, 1)})
    assert statuses(path)["n"][0] == "host"


def test_control_flow_is_rejected(folder):
    branch = onnx.helper.make_graph([node("Relu", ["x"], ["z"])], "b", [], [onnx.helper.make_empty_tensor_value_info("z")])
    nodes = [node("If", ["c"], ["y"], "choice", then_branch=branch, else_branch=branch)]
    path = save(folder / "if.onnx", nodes, {"x": (1, 2)}, ["y"], {"c": np.array(True)})
    assert statuses(path)["choice"] == ("rejected", "control flow: how often its body runs is not known")
    with pytest.raises(SpecError, match="control flow"):
        import_onnx(path).require_complete()


def test_dynamic_shapes(folder):
    nodes = [node("Conv", ["x", "w"], ["y"], "conv")]
    path = save(folder / "d.onnx", nodes, {"x": ("N", 3, "H", "W")}, ["y"], {"w": weights(4, 3, 3, 3)})
    assert statuses(path)["conv"][0] == "rejected"
    with pytest.raises(SpecError, match="give the shapes"):
        import_onnx(path).require_complete()
    by_size = import_onnx(path, (8, 9)).require_complete().network.layers
    assert by_size == import_onnx(path, {"x": (1, 3, 8, 9)}).network.layers
    assert (by_size[0].H, by_size[0].W) == (8, 9)
    by_name = [{"y": (1, 3, 8, 9)}, *({"x": shape} for shape in ((1, 3, 8), (1, 3, 0, 9), (1, 3, 8.5, 9), (1, 5, 8, 8)))]
    for wrong in (*by_name, (8, 9, 10), (0, 4), (2, 2)):
        with pytest.raises(SpecError):
            import_onnx(path, wrong).require_complete()


def test_a_dynamic_batch_becomes_one(folder):
    path = save(folder / "b.onnx", [node("Conv", ["x", "w"], ["y"])], {"x": ("N", 3, 8, 8)}, ["y"], {"w": weights(4, 3, 3, 3)})
    assert import_onnx(path).network.layers[0].N == 1


def test_names_are_unique_and_printable(folder):
    names = ["a/b:0", "a b 0", "", "n7", "é", "a/b:0"]
    nodes = [node("Conv", [f"x{i}" if i else "x", f"w{i}"], [f"x{i + 1}"], name) for i, name in enumerate(names)]
    constants = {f"w{i}": weights(3, 3, 1, 1) for i in range(len(names))}
    constants["stem.weight"] = constants.pop("w3")
    nodes[3].input[1] = "stem.weight"
    layers = import_onnx(save(folder / "names.onnx", nodes, {"x": (1, 3, 4, 4)}, ["x6"], constants)).network.layers
    assert [layer.name for layer in layers] == ["a_b_0", "a_b_0_2", "x3", "stem", "x5", "a_b_0_3"]


def test_bytes_that_are_not_onnx(folder):
    for number, content in enumerate((b"", b"hello", b"\x00" * 100, b"\x08\x08", bytes(range(256)))):
        path = folder / f"bad{number}.onnx"
        path.write_bytes(content)
        with pytest.raises(SpecError):
            import_onnx(path)
    for missing in (folder / "no.onnx", folder):
        with pytest.raises(SpecError):
            import_onnx(missing)


@pytest.fixture(scope="module")
def whole(folder) -> tuple[bytes, ...]:
    """Files to damage: a small one, where every byte counts, and one with 105 nodes of many kinds."""
    nodes = [
        node("Conv", ["x", "w"], ["a"], "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Clip", ["a"], ["y"], min=0.0, max=6.0),
    ]
    path = save(folder / "whole.onnx", nodes, {"x": (1, 3, 8, 8)}, ["y"], {"w": weights(2, 3, 3, 3)}, opset=9)
    return path.read_bytes(), entry("squeezenet").path().read_bytes()


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_never_crash(folder, whole, data):
    content = bytearray(data.draw(st.sampled_from(whole)))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=20)):
        content[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = folder / "damaged.onnx"
    path.write_bytes(content)
    try:
        found = import_onnx(path)
    except SpecError:
        return
    assert len(found.coverage) >= len(found.network.layers)


@pytest.mark.parametrize(("name", "value"), [("strides", [1]), ("pads", [0.5] * 4), ("group", [1, 1]), ("dilations", "no")])
def test_attributes_of_the_wrong_kind_are_rejected(folder, name, value):
    conv = node("Conv", ["x", "w"], ["y"], "c")
    path = save(folder / "attr.onnx", [conv], {"x": (1, 3, 8, 8)}, ["y"], {"w": weights(2, 3, 3, 3)})
    model = onnx.load(str(path))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute(name, value))
    (row,) = import_model(model, name="attr").coverage
    assert (row.status, row.reason.split(" is ")[0]) == ("rejected", f"attribute {name}")
