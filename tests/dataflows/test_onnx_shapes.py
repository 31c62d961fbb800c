"""Inferred shapes against the tensors onnxruntime really produces."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from dataflows.networks import entry
from dataflows.onnx_graph import Graph
from dataflows.onnx_model import load_model
from dataflows.onnx_shapes import infer_shapes
from tests.dataflows.onnx_models import node, save, weights


@pytest.mark.parametrize("name", ["ocr_cls", "ocr_rec"])
def test_every_tensor_of_an_ocr_network_has_its_shape(name):
    found = entry(name)
    model = load_model(found.path(), found.size)
    original = model.SerializeToString()
    graph = Graph(infer_shapes(model, name))
    assert model.SerializeToString() == original
    # Integer tensors are shape arithmetic; float outputs of all other nodes are what layers read and write.
    kinds = onnx.shape_inference.infer_shapes(model).graph.value_info
    floats = {value.name for value in kinds if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    names = [n.output[0] for n in model.graph.node if n.op_type != "Constant" and n.output[0] in floats]
    shown = {value.name for value in model.graph.output}
    hidden = [onnx.helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None) for t in names if t not in shown]
    model.graph.output.extend(hidden)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    real = session.run(names, {"x": np.zeros((1, 3, *found.size), np.float32)})
    assert len(names) > 150
    assert {t: graph.shape(t) for t in names} == {t: array.shape for t, array in zip(names, real, strict=True)}


def test_a_reshape_by_arithmetic_on_a_shape_is_followed(tmp_path):
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Cast", ["s"], ["f"], to=onnx.TensorProto.INT32),
        node("Cast", ["f"], ["l"], to=onnx.TensorProto.INT64),
        node("Slice", ["l", "zero", "one"], ["batch"]),
        node("Concat", ["batch", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["r"]),
        node("MatMul", ["r", "w"], ["y"]),
    ]
    constants = {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1]), "w": weights(12, 5)}
    path = save(tmp_path / "r.onnx", nodes, {"x": (2, 3, 4)}, ["y"], constants)
    graph = Graph(infer_shapes(load_model(path), "r"))
    assert (graph.shape("r"), graph.shape("y")) == ((2, 12), (2, 5))
    assert [n.op_type for n in graph.nodes] == [n.op_type for n in nodes]
