"""Quantised tensors against an independent integer oracle and onnxruntime's own outputs."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import skimage.data

from dataflows.errors import SpecError
from dataflows.networks import entry, network
from sim.quantize import compare, extract, model, normalise, page_images, quantize_model, quantize_ocr_det
from tests.dataflows.onnx_models import node, save

SIZE = (160, 160)
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYSTOLITH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def oracle(q):
    """Convolution by sliding windows in float64 (exact below 2**53) and requantisation as docs/hardware.md states it."""
    size = q.layer
    top, left, bottom, right = size.padding
    x = q.inputs.astype(np.float64) - q.input_zero_point
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = ((size.R - 1) * size.dilation[0] + 1, (size.S - 1) * size.dilation[1] + 1)
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    seen = seen[:, :, :: size.stride[0], :: size.stride[1], :: size.dilation[0], :: size.dilation[1]]
    seen = seen.reshape(size.N, size.G, size.C, *seen.shape[2:])[:, :, :, : size.P, : size.Q]
    w = q.weights.astype(np.float64).reshape(size.G, size.K, size.C, size.R, size.S)
    acc = np.einsum("ngcpqrs,gkcrs->ngkpq", seen, w, optimize=True).reshape(size.N, -1, size.P, size.Q)
    acc = acc.astype(np.int64) + q.bias[:, None, None]
    assert np.abs(acc).max() < 2**31
    mult, shift = q.multiplier[:, None, None], q.shift[:, None, None]
    return np.clip(((acc * mult + (1 << (shift - 1))) >> shift) + q.output_zero_point, q.low, q.high)


def check_types(q):
    assert (q.inputs.dtype, q.weights.dtype, q.bias.dtype, q.reference.dtype) == (np.int8, np.int8, np.int32, np.int8)
    assert (q.multiplier.dtype, q.shift.dtype) == (np.int64, np.int64)
    assert np.all((q.multiplier == 0) | ((q.multiplier >= 2**30) & (q.multiplier < 2**31)))
    assert np.all((q.shift >= 1) & (q.shift <= 62))
    assert -128 <= q.low <= q.output_zero_point <= q.high <= 127
    assert q.low == (-128 if q.layer.activation == "none" else q.output_zero_point)


@pytest.fixture(scope="module")
def detector():
    return quantize_ocr_det(size=SIZE)


def test_every_layer_of_the_text_detector(detector):
    made, layers = detector
    assert made.network.layers == network("ocr_det", SIZE).layers
    assert [q.layer for q in layers] == list(made.network.layers)
    assert {q.layer.activation for q in layers} == {"none", "relu"}
    found = []
    for q in layers:
        check_types(q)
        found.append(compare(q, oracle(q)))
    # onnxruntime multiplies in float32 and rounds to even: one apart at most, and only at ties and near them.
    assert max(d.largest for d in found) <= 1
    assert sum(d.differing for d in found) <= 1e-5 * sum(d.elements for d in found)


def test_tensors_are_those_of_a_real_image(detector):
    _, layers = detector
    assert len(np.unique(layers[0].inputs)) > 50
    spread = [len(np.unique(q.reference)) for q in layers if q.layer.P > 1]  # the others see a mean over the image
    assert len(spread) == 57
    assert min(spread) > 50
    assert all(np.abs(q.weights).max() == 127 for q in layers)


def test_no_input_overflows_32_bits(detector):
    for q in detector[1]:
        taps = q.weights.astype(np.int64).reshape(len(q.weights), -1)
        for positive, negative in ((127, -128), (-128, 127)):  # the inputs that make the sum largest, and smallest
            worst = np.where(taps > 0, positive, negative) - q.input_zero_point
            assert np.abs((taps * worst).sum(axis=1) + q.bias + 0.5).max() < 2**31
        folded = q.bias - q.input_zero_point * taps.sum(axis=1)
        assert np.array_equal(folded, folded.astype(np.int32))


def test_the_quantised_detector_still_finds_text(detector):
    made, _ = detector
    _, image = page_images(SIZE)
    maps = [onnxruntime.InferenceSession(str(path)).run(None, {"x": image})[0] > 0.3 for path in (made.float_path, made.path)]
    assert 0.05 < maps[0].mean() < 0.95
    assert (maps[0] & maps[1]).sum() / (maps[0] | maps[1]).sum() > 0.8


def test_multipliers_are_the_ratio_of_scales(detector):
    made, layers = detector
    proto = onnx.load(str(made.path))
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    maker = {name: n for n in proto.graph.node for name in n.output}
    for q in layers:
        conv = next(n for n in proto.graph.node if n.name == q.layer.name)
        after = next(n for n in proto.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == conv.output[0])
        scales = [stored[n.input[1]].astype(np.float64) for n in (*(maker[name] for name in conv.input[:2]), after)]
        real = scales[0] * scales[1] / scales[2]
        ours = q.multiplier * 2.0**-q.shift
        small = q.multiplier == 0
        assert np.all(real[small] < 2.0**-31)
        assert np.all(np.abs(ours - real)[~small] <= real[~small] * 2.0**-31)


def test_a_second_call_reads_the_cache(detector, monkeypatch):
    made, layers = detector
    monkeypatch.setattr(model, "_fill", lambda *_: pytest.fail("quantised again"))
    again, chosen = quantize_ocr_det(["Conv.5", "Conv.0"], size=SIZE)
    assert again == made
    assert [q.layer.name for q in chosen] == ["Conv.0", "Conv.5"]
    same = {q.layer.name: q for q in layers}
    for q in chosen:
        assert np.array_equal(q.inputs, same[q.layer.name].inputs)
        assert np.array_equal(q.reference, same[q.layer.name].reference)


def test_other_calibration_is_another_entry(tmp_path):
    path = small(tmp_path, [node("Conv", ["x", "w"], ["y"], "conv")], (1, 3, 8, 8), w=(4, 3, 3, 3))
    data = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(2)]
    first, second = (quantize_model(path, [entry]) for entry in data)
    assert first.path != second.path
    assert first.path == quantize_model(path, data[:1]).path


def small(folder, nodes, shape, **constants):
    """A model with random constants of the given shapes."""
    values = {name: (RNG.normal(size=size) / 3).astype(np.float32) for name, size in constants.items()}
    return save(folder / "small.onnx", nodes, {"x": shape}, ["y"], values)


def six(folder, nodes, shape, **constants):
    """The same with the bounds of ReLU6."""
    values = {name: RNG.normal(size=size).astype(np.float32) for name, size in constants.items()}
    return save(folder / "six.onnx", nodes, {"x": shape}, ["y"], values | {"lo": np.float32(0), "hi": np.float32(6)})


CONV = node("Conv", ["x", "w"], ["c"], "a")
CASES = {
    "no bias": (small, [node("Conv", ["x", "w"], ["y"], "a")], (2, 3, 9, 8), {"w": (5, 3, 3, 2)}, "none"),
    "bias": (small, [node("Conv", ["x", "w", "b"], ["y"], "a")], (1, 3, 9, 8), {"w": (5, 3, 3, 2), "b": (5,)}, "none"),
    "groups": (
        small, [node("Conv", ["x", "w"], ["y"], "a", group=2, strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2])], (1, 6, 9, 8),
        {"w": (4, 3, 3, 2)}, "none",
    ),
    "one dimension": (small, [node("Conv", ["x", "w"], ["y"], "a", pads=[2, 1])], (1, 3, 19), {"w": (5, 3, 4)}, "none"),
    "relu": (small, [CONV, node("Relu", ["c"], ["y"])], (1, 3, 9, 8), {"w": (5, 3, 3, 2)}, "relu"),
    "relu6": (six, [CONV, node("Clip", ["c", "lo", "hi"], ["y"])], (1, 3, 9, 8), {"w": (5, 3, 3, 2)}, "relu6"),
    "relu read twice": (
        small, [CONV, node("Relu", ["c"], ["r"]), node("Add", ["c", "r"], ["y"])], (1, 3, 9, 8), {"w": (5, 3, 3, 2)}, "none",
    ),
    "gemm": (small, [node("Gemm", ["x", "w", "b"], ["y"], "a")], (7, 6), {"w": (6, 5), "b": (5,)}, "none"),
    "gemm transposed": (small, [node("Gemm", ["x", "w"], ["y"], "a", transA=1, transB=1)], (6, 7), {"w": (5, 6)}, "none"),
    "matmul": (small, [node("MatMul", ["x", "w"], ["y"], "a")], (2, 7, 6), {"w": (6, 5)}, "none"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_kinds_of_layers(tmp_path, case):
    build, nodes, shape, constants, activation = CASES[case]
    path = build(tmp_path, nodes, shape, **constants)
    images = [RNG.normal(size=shape).astype(np.float32) * 2 for _ in range(4)]
    made = quantize_model(path, images[:3])
    (q,) = extract(made, images[3])
    assert (q.layer.name, q.layer.activation) == ("a", activation)
    check_types(q)
    assert len(np.unique(q.reference)) > 5
    if activation == "relu6":
        assert q.reference.max() == q.high
    found = compare(q, oracle(q))
    assert found.largest <= 1
    assert found.differing <= 2
    assert found.elements == q.layer.output_words
    # The comparison sees what it should: one element pushed off.
    wrong = q.reference.astype(np.int64)
    wrong[0, 0, 0, 0] += 3
    assert compare(q, wrong) == type(found)("a", 3, 1, found.elements)


def test_layers_that_are_not_integer_blocks(tmp_path):
    nodes = [node("MatMul", ["w", "x"], ["y"], "left")]
    data = RNG.normal(size=(6, 5)).astype(np.float32)
    made = quantize_model(small(tmp_path, nodes, (6, 5), w=(4, 6)), [data])
    assert [layer.name for layer in made.network.layers] == ["left"]
    assert extract(made, data) == []
    with pytest.raises(SpecError, match="second input"):
        extract(made, data, ["left"])
    with pytest.raises(SpecError, match="one of left"):
        extract(made, data, ["right"])
    with pytest.raises(SpecError, match="inputs"):
        extract(made, {"z": data})


def test_errors(tmp_path, monkeypatch):
    path = small(tmp_path, [node("Conv", ["x", "w"], ["y"], "a")], (1, 3, 8, 8), w=(4, 3, 3, 3))
    with pytest.raises(SpecError, match="at least one input"):
        quantize_model(path, [])
    with pytest.raises(SpecError, match="onnxruntime can quantise"):
        quantize_model(path, [np.zeros((1, 4, 8, 8), np.float32)])
    with pytest.raises(SpecError, match="no such file"):
        quantize_model(tmp_path / "missing.onnx", [])
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(SpecError, match=r"systolith\[onnx\]"):
        quantize_model(path, [np.zeros((1, 3, 8, 8), np.float32)])


def test_normalise():
    flat = np.full((10, 20), 255, np.uint8)
    assert np.array_equal(normalise(flat, (4, 6)), np.ones((1, 3, 4, 6), np.float32))
    assert np.array_equal(normalise(flat * 0, (4, 6)), -np.ones((1, 3, 4, 6), np.float32))
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert normalise(red, (8, 8))[0, :, 0, 0].tolist() == [-1, -1, 1]
    for wrong in (flat.astype(float), flat[0], np.zeros((2, 2, 4), np.uint8)):
        with pytest.raises(SpecError):
            normalise(wrong, (4, 4))


def test_page_is_split_between_calibration_and_test():
    calibration, image = page_images((191, 191))
    page = skimage.data.page()
    assert np.allclose(image, normalise(page[:, 193:], (191, 191)))
    assert np.allclose(calibration[0], normalise(page[:, :191], (191, 191)))
    assert len(calibration) == 6
    assert entry("ocr_det").size == (320, 320)
