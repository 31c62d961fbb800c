"""The pictures of text, and the direction classifier in integers on them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidocr.ch_ppocr_cls.main import TextClassifier

from dataflows.errors import SpecError
from sim.quantize.agreement import agreement
from sim.quantize.bundled import calibration_inputs, quantize_named
from sim.quantize.text_lines import CALIBRATION_SEED, SIZE, TEST_SEED, prepared, text_lines

IMAGES = 24


@pytest.fixture(scope="module")
def classifier():
    return quantize_named("ocr_cls")


@pytest.fixture(scope="module")
def lines():
    return text_lines(IMAGES, TEST_SEED)


@settings(max_examples=20)
@given(st.integers(1, 80), st.integers(1, 600), st.integers(0, 2**32 - 1))
def test_inputs_are_prepared_as_rapidocr_does(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    theirs = TextClassifier.resize_norm_img(SimpleNamespace(cls_image_shape=[3, *SIZE]), pixels)
    np.testing.assert_allclose(prepared(pixels)[0], theirs, rtol=0, atol=1e-6)


def test_lines_are_the_same_for_a_seed_and_differ_between_seeds(lines):
    again, other = text_lines(IMAGES, TEST_SEED), text_lines(IMAGES, CALIBRATION_SEED)
    assert all(np.array_equal(a.pixels, b.pixels) and a.text == b.text for a, b in zip(lines, again, strict=True))
    assert not {line.text for line in lines} & {line.text for line in other}
    assert sum(line.rotated for line in lines) == IMAGES // 2
    assert all(line.pixels.std() > 20 for line in lines)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_other_pictures_are_refused(pixels):
    with pytest.raises(SpecError, match="uint8"):
        prepared(pixels)


def test_no_test_image_is_calibrated_on(lines):
    seen = [entry["x"] for entry in calibration_inputs("ocr_cls")]
    assert len(seen) >= 16
    assert not any(np.array_equal(line.network_input(), each) for line in lines for each in seen)


def test_the_classifier_keeps_its_classes(classifier, lines):
    found = agreement(classifier, [line.network_input() for line in lines])
    assert found.agreeing == IMAGES
    assert [bool(label) for label in found.float_classes] == [line.rotated for line in lines]
    # Logits span some 20 to 40 units; no error reaches half of the least distance between them on these images.
    assert max(found.errors) < min(found.margins) / 2
    assert np.mean(found.errors) < 3 * found.steps


def test_every_operation_of_the_classifier_runs_in_integers(classifier, lines):
    graph = classifier.graph
    kinds = {kind: sum(op.layer.op == kind for op in graph.ops) for kind in ("mac", "add", "multiply", "max", "average")}
    assert kinds == {"mac": 54, "add": 7, "multiply": 9, "max": 1, "average": 10}
    assert sum(op.table for op in graph.ops) == 18 + 9  # hard-swish, hard-sigmoid
    assert (graph.inputs, graph.outputs) == (("x",), ("linear_1.tmp_1",))
    values, stored = lines[1].network_input(), classifier.run(lines[1].network_input())
    wanted = classifier.model.session([op.output for op in graph.ops])(values)
    for op in graph.ops[:-1]:  # the logits, differences of large sums, have their own test above
        real, exact = classifier.scale(op.output).real(stored[op.output]), wanted[op.output].reshape(stored[op.output].shape)
        noise = np.mean((real - exact) ** 2) / np.mean(exact**2)
        # Per tensor int8 keeps every map well above its noise; one wrong scale or table would leave none of it.
        assert noise < 0.03, op.layer.name
    assert all(-128 <= array.min() and array.max() <= 127 for array in stored.values())
