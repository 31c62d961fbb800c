"""Nodes that the array computes when asked to, and nodes that only move data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.networks import entry, network
from dataflows.onnx_graph import Graph
from dataflows.onnx_import import import_onnx
from dataflows.onnx_model import load_model
from dataflows.onnx_shapes import infer_shapes
from dataflows.onnx_transposed import transposed_of
from tests.dataflows.onnx_models import node, save, weights
from tests.dataflows.phases import by_phases


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@st.composite
def operations(draw):
    """Input, filter and attributes of a ConvTranspose, sized by padding, by SAME or by a wanted output."""
    axes = draw(st.sampled_from((1, 2)))
    several = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    group, size, taps, strides = draw(st.integers(1, 2)), several(1, 5), several(1, 4), several(1, 3)
    shape = (draw(st.integers(1, 2)), group * draw(st.integers(1, 3)), *size)
    found = {"strides": strides, "group": group, "dilations": several(1, 2)}
    sizing = draw(st.sampled_from(("pads", "VALID", "SAME_UPPER", "SAME_LOWER", "output_shape")))
    reach = [strides[i] * (size[i] - 1) + (taps[i] - 1) * found["dilations"][i] + 1 for i in range(axes)]
    if sizing == "pads":
        found["output_padding"] = tuple(draw(st.integers(0, step - 1)) for step in strides)
        pads = several(0, 2) + several(0, 2)
        assume(all(reach[i] > pads[i] + pads[i + axes] for i in range(axes)))
        found["pads"] = pads
    elif sizing == "output_shape":
        found["output_shape"] = tuple(max(1, each - draw(st.integers(0, 3))) for each in reach)
    else:
        found["auto_pad"] = sizing
    return shape, (shape[1], draw(st.integers(1, 3)), *taps), found


@settings(max_examples=60, deadline=None)
@given(operations(), st.integers(0, 2**32 - 1))
def test_transposed_nodes_are_the_same_operation(folder, case, seed):
    shape, filters, attributes = case
    rng = np.random.default_rng(seed)
    x, w = (rng.integers(-4, 5, size).astype(np.float32) for size in (shape, filters))
    operation = node("ConvTranspose", ["x", "w"], ["y"], "up", **attributes)
    path = save(folder / "t.onnx", [operation], {"x": shape}, ["y"], {"w": w})
    expected = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    imported = import_onnx(path, transposed=True)
    if imported.coverage[0].status == "host":  # SAME asks for outputs that the filter does not reach, or for none it reaches
        assert imported.coverage[0].reason in (
            "an output larger than the filter reaches",
            "its output does not depend on its input",
        )
        assert "auto_pad" in attributes or not np.any(expected)
        return
    split, *_ = transposed_of(operation, Graph(infer_shapes(load_model(path), str(path))), "up")
    lift = (1,) * (4 - len(shape))
    steps = attributes["strides"] if len(shape) == 4 else (1, *attributes["strides"])
    sizes = {"N": shape[0], "K": filters[1] * attributes["group"], "C": shape[1], "G": attributes["group"], "stride": steps}
    image, taps = (each.reshape(*each.shape[:2], *lift, *each.shape[2:]) for each in (x, w))
    result = by_phases(split, sizes, image, taps)
    assert np.array_equal(result.reshape(result.shape[:2] + result.shape[-len(shape) + 2 :]), expected)
    assert imported.network.layers == split.layers
    assert imported.network.parameters == w.size


def test_activations_fold_into_every_phase(folder):
    nodes = [
        node("ConvTranspose", ["x", "w", "b"], ["a"], "up", strides=[2, 2]),
        node("BatchNormalization", ["a", "b", "b", "b", "b"], ["c"]),
        node("Relu", ["c"], ["y"]),
    ]
    path = save(folder / "f.onnx", nodes, {"x": (1, 3, 4, 4)}, ["y"], {"w": weights(3, 5, 2, 2), "b": weights(5)})
    found = import_onnx(path, transposed=True)
    assert [(row.op_type, row.status) for row in found.coverage] == [
        ("ConvTranspose", "mapped"), ("BatchNormalization", "folded"), ("Relu", "folded"),
    ]  # fmt: skip
    assert [(layer.name, layer.activation) for layer in found.network.layers] == [
        (f"up.{i}x{j}", "relu") for i in (0, 1) for j in (0, 1)
    ]
    assert found.network.traffic == ()


@pytest.mark.parametrize(
    ("inputs", "attributes", "status"),
    [
        (["x", "x"], {}, "host"), (["x"], {}, "rejected"), (["x", "v"], {}, "rejected"),
        (["x", "w"], {"strides": [1]}, "rejected"), (["x", "w"], {"pads": [9, 9, 9, 9]}, "rejected"),
    ],
)  # fmt: skip
def test_transposed_nodes_that_cannot_be_mapped(folder, inputs, attributes, status):
    constants = {"w": weights(3, 5, 2, 2), "v": weights(4, 5, 2, 2)}
    path = save(
        folder / "n.onnx", [node("ConvTranspose", inputs, ["y"], "up", **attributes)], {"x": (1, 3, 4, 4)}, ["y"], constants
    )
    assert [row.status for row in import_onnx(path, transposed=True).coverage] == [status]


@pytest.mark.parametrize(
    ("a", "b", "sizes"),
    [
        ((2, 3, 4, 5), (2, 3, 5, 6), (6, 4, 6)), ((4, 5), (5, 6), (1, 4, 6)), ((2, 3, 4, 5), (1, 3, 5, 6), (3, 8, 6)),
        ((2, 1, 4, 5), (1, 3, 5, 6), (1, 8, 18)), ((3, 4, 5), (2, 3, 5, 6), (3, 4, 12)), ((5,), (2, 5, 6), (1, 1, 12)),
        ((2, 4, 5), (5,), (1, 8, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stored", ["", "x", "z"])
def test_products_broadcast_as_numpy_does(folder, a, b, sizes, stored):
    """Of two activations, or with weights on either side, different ones for each product of the batch or not."""
    data = {"x": np.ones(a, np.float32), "z": np.ones(b, np.float32)}
    inputs = {name: array.shape for name, array in data.items() if name != stored}
    constants = {stored: data[stored]} if stored else {}
    path = save(folder / "p.onnx", [node("MatMul", ["x", "z"], ["y"], "qk")], inputs, ["y"], constants)
    assert import_onnx(path).coverage[0].status == ("mapped" if stored else "host")
    found = import_onnx(path, products=True).network
    (layer,) = found.layers
    groups, rows, columns = sizes
    if stored == "x":
        rows, columns = columns, rows
    assert (layer.G, layer.Q, layer.K, layer.C) == (groups, rows, columns, 5)
    result = np.matmul(data["x"], data["z"])
    assert layer.macs == result.sum()  # every product is 1
    assert layer.output_words == result.size
    assert found.parameters == (data[stored].size if stored else 0)
    assert (layer.parameters, layer.input_words) == (data[stored or "z"].size, data["z" if stored == "x" else "x"].size)


@pytest.mark.parametrize(("a", "b"), [((2, 3, 4, 5), (4, 3, 5, 6)), ((4, 5), (6, 7)), ((), (3, 4))])
def test_products_that_do_not_fit_are_errors(folder, a, b):
    path = save(folder / "p.onnx", [node("MatMul", ["x", "w"], ["y"], "n")], {"x": a}, ["y"], {"w": weights(*b)})
    with pytest.raises(SpecError, match=r"shapes|scalar|inner sizes|batches"):
        import_onnx(path).require_complete()


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("stored", ["", "x", "w"])
def test_gemm_of_any_operands(folder, trans_a, trans_b, stored):
    data = {"x": weights(*((5, 7) if trans_a else (7, 5))), "w": weights(*((3, 5) if trans_b else (5, 3)))}
    gemm = node("Gemm", ["x", "w"], ["y"], "g", transA=trans_a, transB=trans_b)
    inputs = {name: array.shape for name, array in data.items() if name != stored}
    path = save(folder / "g.onnx", [gemm], inputs, ["y"], {stored: data[stored]} if stored else {})
    assert import_onnx(path).coverage[0].status == ("mapped" if stored else "host")
    found = import_onnx(path, products=True).network
    (layer,) = found.layers
    rows, columns = (3, 7) if stored == "x" else (7, 3)
    assert (layer.kind, layer.Q, layer.K, layer.C) == ("gemm", rows, columns, 5)
    assert found.parameters == (data[stored].size if stored else 0)


def test_a_detector_with_its_upward_layers():
    found = entry("ocr_det")
    plain, whole = network("ocr_det"), import_onnx(found.path(), found.size, transposed=True).network
    ups = [layer for layer in whole.layers if "ConvTranspose" in layer.name]
    assert [layer for layer in whole.layers if layer not in ups] == list(plain.layers)
    assert len(ups) == 2 * 4
    assert whole.macs - plain.macs == sum(layer.macs for layer in ups)
    assert whole.parameters - plain.parameters == sum(layer.parameters for layer in ups)
    named = network("ocr_det:transposed=phases")
    assert (named.layers, named.name) == (whole.layers, "ocr_det-transposed_phases")


def test_a_recogniser_with_its_attention():
    """13 MatMul nodes: nine with weights, and Q x K^T and P x V of two blocks."""
    plain, whole = network("ocr_rec"), network("ocr_rec:products=batched")
    products = [layer for layer in whole.layers if layer not in plain.layers]
    assert [(layer.G, layer.Q, layer.K, layer.C) for layer in products] == [
        (8, 40, 40, 15), (8, 40, 15, 40), (8, 40, 40, 15), (8, 40, 15, 40),
    ]  # fmt: skip
    assert (len(plain.layers) + 4, plain.parameters) == (len(whole.layers), whole.parameters)


def test_host_nodes_are_traffic(folder):
    nodes = [
        node("Conv", ["x", "w"], ["a"], "conv"), node("MaxPool", ["a"], ["b"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Sigmoid", ["b"], ["c"], "gate"), node("Mul", ["b", "c"], ["d"], "scale"),
        node("Concat", ["d", "b"], ["e"], "join", axis=1),
        node("Flatten", ["e"], ["f"], "flat"), node("Softmax", ["f"], ["g"], "soft"), node("CumSum", ["g", "axis"], ["y"], "sum"),
    ]  # fmt: skip
    path = save(folder / "h.onnx", nodes, {"x": (1, 2, 4, 4)}, ["y"], {"w": weights(3, 2, 1, 1), "axis": np.array(1)})
    found = import_onnx(path).network
    assert [(entry.name, entry.op, entry.input_words, entry.output_words) for entry in found.traffic] == [
        ("pool", "maxpool", 48, 12), ("gate", "activation", 12, 12), ("scale", "mul", 24, 12), ("join", "move", 24, 24),
        ("soft", "softmax", 24, 24),
    ]  # fmt: skip
    assert {entry.after for entry in found.traffic} == {"conv"}


@pytest.mark.parametrize(
    ("data", "stored"),
    [("QInt8", "QInt8"), ("QUInt8", "QInt8"), ("QUInt8", "QUInt8"), ("QInt16", "QInt8"), ("QUInt16", "QUInt8")],
)
def test_a_quantised_graph_has_the_layers_of_the_float_one(folder, data, stored):
    """The QuantizeLinear and DequantizeLinear pairs that onnxruntime's own quantiser puts around every tensor."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    rng = np.random.default_rng(0)
    nodes = [
        node("Conv", ["x", "stem.weight", "bias"], ["a"], pads=[1, 1, 1, 1]), node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "dw.weight"], ["c"], group=4, strides=[2, 2]),
        node("ConvTranspose", ["c", "up.weight"], ["d"], strides=[2, 2]),
        node("GlobalAveragePool", ["d"], ["e"]), node("Flatten", ["e"], ["f"]), node("Gemm", ["f", "fc.weight"], ["y"], transB=1),
    ]  # fmt: skip
    sizes = {
        "stem.weight": (4, 3, 3, 3),
        "bias": (4,),
        "dw.weight": (8, 1, 3, 3),
        "up.weight": (8, 5, 2, 2),
        "fc.weight": (10, 5),
    }
    constants = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    path = save(folder / "float.onnx", nodes, {"x": (1, 3, 9, 9)}, ["y"], constants)
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(str(path))), str(path))

    class Samples(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = 3

        def get_next(self):
            self.left -= 1
            return {"x": rng.normal(size=(1, 3, 9, 9)).astype(np.float32)} if self.left > 0 else None

    quantization.quantize_static(
        str(path), str(folder / "qdq.onnx"), Samples(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        activation_type=quantization.QuantType[data], weight_type=quantization.QuantType[stored],
    )  # fmt: skip
    plain, quantised = (import_onnx(each, transposed=True) for each in (path, folder / "qdq.onnx"))
    types = {
        "input_bits": 16 if "16" in data else 8, "input_signed": "U" not in data, "weight_signed": "U" not in stored,
        "activation": "none",
    }  # fmt: skip
    again = [replace(layer, activation="none") for layer in quantised.network.layers]  # where ReLU was not absorbed
    assert [replace(layer, **types) for layer in plain.network.layers] == again
    assert plain.network.layers[0].name == "stem"
    assert plain.network.parameters == quantised.network.parameters
    assert "rejected" not in quantised.counts()
