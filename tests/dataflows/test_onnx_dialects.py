"""The forms in which exporters write the same layers: files of the onnx package, quantised pairs, open sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dataflows.errors import SpecError
from dataflows.networks import entry, image_size, imported, network, onnx_file
from dataflows.onnx_import import import_onnx
from tests.dataflows.onnx_models import node, save, weights

CONVERTED = Path(onnx.__file__).parent / "backend/test/data/pytorch-converted"
SINGLE = sorted(
    folder.name for pattern in ("Conv1d", "Conv2d", "ConvTranspose2d", "Linear") for folder in CONVERTED.glob(f"test_{pattern}*")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


def test_all_kinds_of_exported_layers_are_there():
    assert len(SINGLE) == 23
    assert sum("groups" in name or "depthwise" in name for name in SINGLE) == 7


@pytest.mark.parametrize("name", SINGLE)
def test_layers_that_pytorch_exported(name):
    """Shapes against the outputs that come with the files; weights are initializers."""
    path = CONVERTED / name / "model.onnx"
    stored = onnx.numpy_helper.to_array(onnx.load_tensor(str(CONVERTED / name / "test_data_set_0/output_0.pb")))
    found = import_onnx(path, transposed=True).require_complete().network
    (filters,) = [array for array in map(onnx.numpy_helper.to_array, onnx.load(str(path)).graph.initializer) if array.ndim > 1]
    assert found.parameters == filters.size
    assert sum(layer.output_words for layer in found.layers) == stored.size
    if "Transpose" not in name:  # each output is a sum of as many products as its filter has taps
        assert found.macs == stored.size * filters[0].size


def test_weights_made_of_a_stored_shape():
    """The light files have no other weights: int64 initializers of shapes, of which ConstantOfShape makes tensors."""
    graph = onnx.load(str(entry("bvlc_alexnet").path())).graph
    makers = {made.output[0]: made.op_type for made in graph.node}
    convs = [n for n in graph.node if n.op_type == "Conv"]
    assert [makers[n.input[1]] for n in convs] == ["ConstantOfShape"] * 5
    first = network("bvlc_alexnet").layers[0]
    assert (first.P, first.Q, first.parameters) == (54, 54, 96 * 3 * 11 * 11)


@pytest.mark.parametrize(("name", "behind", "elsewhere"), [("inception_v2", 69, 0), ("densenet121", 59, 62)])
def test_normalisation_in_several_nodes_folds(name, behind, elsewhere):
    """BatchNormalization, Unsqueeze, Mul, Unsqueeze, Add, Relu: behind every convolution of Inception, and in DenseNet behind
    the stem and the 58 first convolutions of a pair; the other 58, three transitions and the end normalise joined tensors.
    """
    rows = imported(name).coverage
    for kind in ("BatchNormalization", "Mul", "Add", "Relu"):
        found = [row.status for row in rows if row.op_type == kind]
        assert (found.count("folded"), found.count("host")) == (behind, elsewhere)
    assert {row.status for row in rows if row.op_type == "Unsqueeze"} == {"folded"}


def test_weights_in_constant_nodes():
    graph = onnx.load(str(entry("ocr_cls").path())).graph
    assert len(graph.initializer) == 0
    stored = {n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t).size for n in graph.node if n.op_type == "Constant"}
    used = {n.input[1] for n in graph.node if n.op_type in ("Conv", "MatMul")}
    assert network("ocr_cls").parameters == sum(stored[name] for name in used)


TYPES = {
    "INT4": (4, True), "UINT4": (4, False), "INT8": (8, True), "UINT8": (8, False), "INT16": (16, True), "UINT16": (16, False),
}  # fmt: skip


def quantised(path: Path, data: str, stored: str, made: str, *, zero: int = 0, explicit: bool = True) -> Path:
    """Write a Conv whose input, weights and output are stored as these types."""
    kinds = {name: getattr(TensorProto, text) for name, text in (("d", data), ("w", stored), ("m", made))}
    points = [helper.make_tensor(f"{name}_zero", kind, [], [zero if name == "w" else 0]) for name, kind in kinds.items()]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5])
    weight = helper.make_tensor("weight", kinds["w"], [4, 3, 3, 3], [1] * 108)

    def pair(name):
        return ["scale", f"{name}_zero"] if explicit else ["scale"]

    def dtype(name):
        return {} if explicit else {"output_dtype": kinds[name]}

    nodes = [
        node("QuantizeLinear", ["x", *pair("d")], ["xq"], **dtype("d")), node("DequantizeLinear", ["xq", *pair("d")], ["xd"]),
        node("DequantizeLinear", ["weight", *pair("w")], ["wd"]), node("Conv", ["xd", "wd"], ["c"], "conv"),
        node("Relu", ["c"], ["r"]), node("QuantizeLinear", ["r", *pair("m")], ["yq"], **dtype("m")),
        node("DequantizeLinear", ["yq", *pair("m")], ["yd"]), node("MaxPool", ["yd"], ["y"], "pool", kernel_shape=[2, 2]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "q", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [*points, scale, weight],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), str(path))
    return path


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("data", TYPES)
@pytest.mark.parametrize(("stored", "made"), [("INT8", "UINT8"), ("INT4", "INT16"), ("UINT8", "INT8"), ("INT16", "UINT4")])
def test_operand_types_of_quantised_graphs(folder, data, stored, made, explicit):
    found = import_onnx(quantised(folder / "q.onnx", data, stored, made, explicit=explicit)).network
    (layer,) = found.layers
    assert (layer.input_bits, layer.input_signed) == TYPES[data]
    assert (layer.weight_bits, layer.weight_signed) == TYPES[stored]
    assert (layer.output_width, layer.activation) == (TYPES[made][0], "relu")
    assert [entry.bits for entry in found.traffic] == [TYPES[made][0]]


@pytest.mark.parametrize(
    ("stored", "zero", "word"),
    [("INT8", 0, "conv"), ("INT8", 3, "zero point"), ("UINT8", 128, "conv"), ("UINT8", 0, "zero point")],
)
def test_weights_off_centre_are_said_to_be(folder, stored, zero, word):
    rows = import_onnx(quantised(folder / "z.onnx", "UINT8", stored, "UINT8", zero=zero)).coverage
    (row,) = [row for row in rows if row.status == "mapped"]
    assert row.reason.endswith(word) if word == "conv" else word in row.reason


@pytest.mark.parametrize(("stored", "word"), [("FLOAT8E4M3FN", "FLOAT8E4M3FN"), ("INT32", "INT32")])
def test_types_that_layers_do_not_have_are_rejected(folder, stored, word):
    found = import_onnx(quantised(folder / "f.onnx", "INT8", stored, "INT8"))
    assert [row.reason.split(";")[0] for row in found.coverage if row.status == "rejected"] == [f"operands of type {word}"]
    with pytest.raises(SpecError, match=word):
        found.require_complete()


def test_quantised_products_of_activations(folder):
    """Both operands have types of their own; what moves data between a pair and a product changes none."""
    scales = {"s": np.float32(0.1), "u": np.uint8(128), "i": np.int8(0)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "u"], ["xq"]), node("DequantizeLinear", ["xq", "s", "u"], ["xd"]),
        node("QuantizeLinear", ["z", "s", "i"], ["zq"]), node("DequantizeLinear", ["zq", "s", "i"], ["zd"]),
        node("Transpose", ["zd"], ["zt"], perm=[0, 2, 1]), node("MatMul", ["xd", "zt"], ["y"], "qk"),
    ]  # fmt: skip
    path = save(folder / "qk.onnx", nodes, {"x": (2, 3, 4), "z": (2, 5, 4)}, ["y"], scales)
    (layer,) = import_onnx(path, products=True).network.layers
    assert (layer.G, layer.input_signed, layer.weight_signed, layer.output_bits) == (2, False, True, None)


@pytest.fixture(scope="module")
def tokens(folder) -> Path:
    """A model over batch x sequence tokens of four features, both open."""
    nodes = [node("MatMul", ["ids", "w"], ["y"], "fc")]
    return save(folder / "tokens.onnx", nodes, {"ids": ("batch", "seq", 4)}, ["y"], {"w": weights(4, 5)})


def test_open_sizes_have_options(tokens):
    for text, rows in (("batch=2,seq=7", 14), ("seq=7", 7), ("ids=3x7x4", 21)):
        found = network(f"{tokens}:{text}")
        assert [layer.Q for layer in found.layers] == [rows]
        assert found.name == "tokens-" + "-".join(pair.replace("=", "") for pair in text.split(","))
    assert network(str(tokens), {"seq": 7, "batch": 2}).layers == network(f"{tokens}:batch=2,seq=7").layers


def test_a_size_left_open_names_the_option(tokens, folder):
    with pytest.raises(SpecError, match=r"leaves open ids\[batch, seq, 4\]: FILE.onnx:batch=128"):
        network(str(tokens))
    conv = node("Conv", ["x", "w"], ["y"])
    image = save(folder / "i.onnx", [conv], {"x": ("N", 3, "H", "W")}, ["y"], {"w": weights(4, 3, 1, 1)})
    with pytest.raises(SpecError, match=r"x\[N, 3, H, W\]: FILE.onnx:size=224x224"):
        network(str(image))
    assert network(f"{image}:size=8x9").layers == network(f"{image}:N=1,H=8,W=9").layers
    (layer,) = network(f"{image}:N=5,size=8x9").layers
    assert (layer.N, layer.H, layer.W) == (5, 8, 9)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("seq", "OPTION=VALUE"), ("seq=0", "positive integer"), ("seq=7,seq=8", "once"), ("sq=7", "batch, seq"),
        ("transposed=yes", "host or phases"), ("products=1", "host or batched"), ("size=3", "HxW"), ("size=3x4x5", "HxW"),
        ("size=3x4", "rank four"), ("ids=3x7", "3 positive integers"), ("seq=-1", "positive integer"), ("ids=7", "3 positive"),
    ],
)  # fmt: skip
def test_options_are_checked(tokens, options, named):
    with pytest.raises(SpecError, match=named):
        network(f"{tokens}:{options}")


def test_options_of_files_and_bundled_networks_are_the_same(tokens):
    assert onnx_file(f"{tokens}:seq=7") == tokens
    assert onnx_file("ocr_det:size=64x96") == entry("ocr_det").path()
    assert [image_size(text) for text in (f"{tokens}:seq=7", "a.onnx:size=3x4", "ocr_cls", "ocr_cls:size=48x96", "vgg19")] == [
        None, (3, 4), (48, 192), (48, 96), (224, 224),
    ]  # fmt: skip
    assert network("ocr_det:size=64x96").layers == network("ocr_det", (64, 96)).layers
    with pytest.raises(SpecError, match="once"):
        network("ocr_det:size=64x96", (64, 96))
    with pytest.raises(SpecError, match="a table of layers"):
        imported("vgg16:batch=2")
