"""Bundled networks row by row against published layer tables, and the trained ones against what onnxruntime computes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from dataflows.networks import catalogue, entry, network
from dataflows.onnx_model import load_model
from dataflows.workload import Layer

# K C P R stride, optionally x count; "g" in place of C is depthwise, "|" separates rows (codesign reference, 6.1).
ROWS = {
    "resnet50": """
        64 3 112 7 2 | 64 64 56 1 1 | 64 64 56 3 1 | 256 64 56 1 1 | 256 64 56 1 1 | 64 256 56 1 1 x2 | 64 64 56 3 1 x2
        | 256 64 56 1 1 x2 | 128 256 56 1 1 | 128 128 28 3 2 | 512 128 28 1 1 | 512 256 28 1 2 | 128 512 28 1 1 x3
        | 128 128 28 3 1 x3 | 512 128 28 1 1 x3 | 256 512 28 1 1 | 256 256 14 3 2 | 1024 256 14 1 1 | 1024 512 14 1 2
        | 256 1024 14 1 1 x5 | 256 256 14 3 1 x5 | 1024 256 14 1 1 x5 | 512 1024 14 1 1 | 512 512 7 3 2 | 2048 512 7 1 1
        | 2048 1024 7 1 2 | 512 2048 7 1 1 x2 | 512 512 7 3 1 x2 | 2048 512 7 1 1 x2 | 1000 2048 1 1 1
    """,
    "mobilenet_v2": """
        32 3 112 3 2 | 32 g 112 3 1 | 16 32 112 1 1 | 96 16 112 1 1 | 96 g 56 3 2 | 24 96 56 1 1 | 144 24 56 1 1 | 144 g 56 3 1
        | 24 144 56 1 1 | 144 24 56 1 1 | 144 g 28 3 2 | 32 144 28 1 1 | 192 32 28 1 1 x2 | 192 g 28 3 1 x2 | 32 192 28 1 1 x2
        | 192 32 28 1 1 | 192 g 14 3 2 | 64 192 14 1 1 | 384 64 14 1 1 x3 | 384 g 14 3 1 x3 | 64 384 14 1 1 x3 | 384 64 14 1 1
        | 384 g 14 3 1 | 96 384 14 1 1 | 576 96 14 1 1 x2 | 576 g 14 3 1 x2 | 96 576 14 1 1 x2 | 576 96 14 1 1 | 576 g 7 3 2
        | 160 576 7 1 1 | 960 160 7 1 1 x2 | 960 g 7 3 1 x2 | 160 960 7 1 1 x2 | 960 160 7 1 1 | 960 g 7 3 1 | 320 960 7 1 1
        | 1280 320 7 1 1 | 1000 1280 1 1 1
    """,
    "mnasnet": """
        32 3 112 3 2 | 32 g 112 3 1 | 16 32 112 1 1 | 48 16 112 1 1 | 48 g 56 3 2 | 24 48 56 1 1 | 72 24 56 1 1 x2
        | 72 g 56 3 1 x2 | 24 72 56 1 1 x2 | 72 24 56 1 1 | 72 g 28 5 2 | 40 72 28 1 1 | 120 40 28 1 1 x2 | 120 g 28 5 1 x2
        | 40 120 28 1 1 x2 | 240 40 28 1 1 | 240 g 14 5 2 | 80 240 14 1 1 | 480 80 14 1 1 x2 | 480 g 14 5 1 x2
        | 80 480 14 1 1 x2 | 480 80 14 1 1 | 480 g 14 3 1 | 96 480 14 1 1 | 576 96 14 1 1 | 576 g 14 3 1 | 96 576 14 1 1
        | 576 96 14 1 1 | 576 g 7 5 2 | 192 576 7 1 1 | 1152 192 7 1 1 x3 | 1152 g 7 5 1 x3 | 192 1152 7 1 1 x3
        | 1152 192 7 1 1 | 1152 g 7 3 1 | 320 1152 7 1 1 | 1280 320 7 1 1 | 1000 1280 1 1 1
    """,
    "squeezenet1_0": """
        96 3 109 7 2 | 16 96 54 1 1 | 16 128 54 1 1 | 64 16 54 1 1 x2 | 64 16 54 3 1 x2 | 32 128 54 1 1 | 128 32 54 1 1
        | 128 32 54 3 1 | 32 256 27 1 1 | 128 32 27 1 1 | 128 32 27 3 1 | 48 256 27 1 1 | 48 384 27 1 1 | 192 48 27 1 1 x2
        | 192 48 27 3 1 x2 | 64 384 27 1 1 | 256 64 27 1 1 | 256 64 27 3 1 | 64 512 13 1 1 | 256 64 13 1 1 | 256 64 13 3 1
        | 1000 512 13 1 1
    """,
    "vgg16": """
        64 3 224 3 1 | 64 64 224 3 1 | 128 64 112 3 1 | 128 128 112 3 1 | 256 128 56 3 1 | 256 256 56 3 1 x2 | 512 256 28 3 1
        | 512 512 28 3 1 x2 | 512 512 14 3 1 x3 | 4096 25088 1 1 1 | 4096 4096 1 1 1 | 1000 4096 1 1 1
    """,
    # Of an upward convolution, the four phases: each output uses one tap.
    "unet": """
        64 1 570 3 1 | 64 64 568 3 1 | 128 64 282 3 1 | 128 128 280 3 1 | 256 128 138 3 1 | 256 256 136 3 1 | 512 256 66 3 1
        | 512 512 64 3 1 | 1024 512 30 3 1 | 1024 1024 28 3 1 | 512 1024 28 1 1 x4 | 512 1024 54 3 1 | 512 512 52 3 1
        | 256 512 52 1 1 x4 | 256 512 102 3 1 | 256 256 100 3 1 | 128 256 100 1 1 x4 | 128 256 198 3 1 | 128 128 196 3 1
        | 64 128 196 1 1 x4 | 64 128 390 3 1 | 64 64 388 3 1 | 2 64 388 1 1
    """,
    # C is per group (dense reference, 15.1).
    "alexnet": """
        96 3 55 11 4 | 256 48 27 5 1 | 384 256 13 3 1 | 384 192 13 3 1 | 256 192 13 3 1 | 4096 9216 1 1 1 | 4096 4096 1 1 1
        | 1000 4096 1 1 1
    """,
}  # fmt: skip

# Multiply-accumulates of AlexNet's layers as published (dense reference, 15.1).
ALEXNET = (105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192, 37_748_736, 16_777_216, 4_096_000)


def row_of(layer: Layer) -> tuple[str, ...]:
    depthwise = layer.kind == "depthwise"
    outputs = (layer.G * layer.K, "g" if depthwise else layer.C, layer.P if layer.kind != "gemm" else layer.Q, layer.R)
    return tuple(str(field) for field in (*outputs, layer.stride[0]))


@pytest.mark.parametrize("name", ROWS)
def test_layers_are_those_of_the_published_table(name):
    wanted: Counter[tuple[str, ...]] = Counter()
    for row in ROWS[name].replace("\n", " ").split("|"):
        fields, _, count = row.strip().partition(" x")
        wanted[tuple(fields.split())] += int(count or 1)
    layers = network(name).layers
    assert Counter(map(row_of, layers)) == wanted
    assert all((layer.P, layer.R, layer.stride[0]) == (layer.Q, layer.S, layer.stride[1]) for layer in layers if layer.H > 1)


def test_macs_of_every_layer_of_alexnet():
    assert tuple(layer.macs for layer in network("alexnet").layers) == ALEXNET


def test_resnet50_to_the_last_product():
    """The form with the stride in the 3x3 filters (dense reference, 15.1); 23 distinct convolutions."""
    net = network("resnet50")
    assert net.macs == 4_087_136_256 + 2_048_000
    *convs, _ = [replace(layer, activation="none").shape for layer in net.layers]
    assert len(set(convs)) == 23


@pytest.mark.parametrize("name", ["ocr_det", "ocr_rec", "ocr_cls"])
def test_trained_networks_by_the_tensors_they_compute(name):
    """Products counted from the arrays that onnxruntime makes: as many per output as its filter has weights."""
    found = entry(name)
    model = load_model(found.path(), found.size)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for made in model.graph.node:
        if made.op_type == "Constant" and made.attribute[0].name == "value":
            stored[made.output[0]] = onnx.numpy_helper.to_array(made.attribute[0].t)
    nodes = [made for made in model.graph.node if made.op_type in ("Conv", "MatMul") and made.input[1] in stored]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(made.output[0]) for made in nodes)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    made = session.run([made.output[0] for made in nodes], {"x": np.zeros((1, 3, *found.size), np.float32)})
    filters = [stored[each.input[1]] for each in nodes]
    per_output = [w.shape[0] if each.op_type == "MatMul" else w[0].size for each, w in zip(nodes, filters, strict=True)]
    net = network(name)
    assert len(net.layers) == len(nodes)
    assert net.macs == sum(array.size * products for array, products in zip(made, per_output, strict=True))
    assert net.parameters == sum({each.input[1]: w.size for each, w in zip(nodes, filters, strict=True)}.values())


# Weights of each trained file, every stored number counted; layers have fewer: biases, normalisation and upward
# convolutions, which the host computes, are not among them.
@pytest.mark.parametrize(
    ("name", "millions", "least"), [("ocr_det", "2.45", 0.99), ("ocr_rec", "5.27", 0.99), ("ocr_cls", "0.13", 0.92)]
)
def test_trained_networks_have_the_weights_of_their_files(name, millions, least):
    graph = onnx.load(str(entry(name).path())).graph
    tensors = [*graph.initializer, *(made.attribute[0].t for made in graph.node if made.op_type == "Constant")]
    total = sum(onnx.numpy_helper.to_array(tensor).size for tensor in tensors)
    assert f"{total / 1e6:.2f}" == millions
    assert least < network(name).parameters / total < 1


def test_efficientnet_lite0_has_the_products_of_its_parent():
    """EfficientNet-B0 has 0.39 billion (Tan and Le 2019, table 2), and squeeze and excitation adds less than 1 %.

    The authors of the Lite form print 407 M, 5.7 % more than its convolutions and classifier have.
    """
    assert f"{network('efficientnet_lite0').macs / 1e9:.2f}" == "0.39"


def test_no_bundled_network_is_unchecked():
    """Every name stands in a table of published or independently counted figures, here or in a neighbouring file."""
    from tests.dataflows.test_networks import COUNTS
    from tests.dataflows.test_networks_tables import EXACT, ROUNDED

    elsewhere = {"efficientnet_lite0", "bert_base", "gpt2", "ocr_det", "ocr_rec", "ocr_cls"}  # tests of their own
    assert {found.name for found in catalogue()} == {*COUNTS, *EXACT, *ROUNDED, *ROWS, *elsewhere}
