from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataflows.errors import SpecError
from dataflows.workload import Layer
from dse import cases
from dse.evaluate import map_exactly
from dse.space import Space
from sim.golden.layer import golden_layer
from sim.tensors import random_tensors


@pytest.fixture(scope="module")
def mapped(network, budget):
    return map_exactly(network, Space.of(budget, network.layers, ("ws",)).least("ws", 3, 4))


def test_one_layer_of_each_class_comes_first(job, network, mapped):
    assert cases.pick(job, network, mapped) == ["d", "c", "a", "b"]
    assert cases.pick(replace(job, verify_count=2), network, mapped) == ["d", "c"]


def test_equal_shapes_are_verified_once(job, network, mapped):
    assert "e" not in cases.pick(replace(job, verify_count=99), network, mapped)


def test_cycles_are_bounded(job, network, mapped, monkeypatch):
    monkeypatch.setattr(cases, "MOST_CYCLES", 1)
    cheapest = min(mapped.layers, key=lambda each: each.result.cost.latency_cycles)
    assert cases.pick(job, network, mapped) == [cheapest.name]


def test_named_layers(job, network, mapped):
    named = replace(job, verify_layers=("e", "a"))
    cases.check_names(named, network)
    assert cases.pick(named, network, mapped) == ["e", "a"]
    with pytest.raises(SpecError, match=r"verify.layers: found 'z'"):
        cases.check_names(replace(job, verify_layers=("z",)), network)


def test_random_tensors_say_why(job, network, mapped):
    picked = cases.cases(replace(job, network="conv:K=8,C=3"), network, mapped, ["a", "e"])
    assert picked.tensors == "random"
    assert "without weights" in picked.note
    assert [case.name for case in picked.cases] == ["a", "e"]
    for case in picked.cases:
        case.tensors.check(case.layer)


def test_flat_tensors_compute_the_same(network):
    layer = Layer.conv("x", K=5, C=4, H=6, W=7, R=1, S=1)
    tensors = random_tensors(layer, np.random.default_rng(1))
    flat = layer.flattened()
    assert flat.H == 1
    found = golden_layer(flat, cases.flat_tensors(tensors, flat))
    assert np.array_equal(found.reshape(1, 5, 6, 7), golden_layer(layer, tensors))


def test_images_share_no_pixel(tmp_path, monkeypatch):
    image = np.zeros((64, 80), np.uint8)
    image[:, 40:] = 255
    monkeypatch.setattr(cases, "_read", lambda _source: image)
    calibration, test = cases.images("x.png", (32, 32))
    assert all(part.max() == -1 for part in calibration)
    assert test.min() == 1


def test_images_that_cannot_be_read(tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    for source in (str(tmp_path / "x.png"), str(tmp_path / "missing.png"), "skimage:nothing"):
        with pytest.raises(SpecError, match=r"calibration\.image"):
            cases.images(source, (32, 32))
