"""A tiling for every layer of a network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflows.arch import Accelerator, Array
from dataflows.feasible import InfeasibleError
from dataflows.tiling import violations
from dataflows.workload import Layer
from mappers.layers import map_layers, native_cycles
from mappers.naive import NaiveMapper
from mappers.search import SearchMapper

ACC = Accelerator("a", Array(8, 8), input_words=256, weight_words=128, acc_words=64)
LAYERS = {
    layer.name: layer
    for layer in (
        Layer.conv("wide", K=8, C=8, H=20, W=30, R=1, S=1), Layer.conv("deep", K=24, C=40, H=6, W=6, R=3, S=3, padding=1),
        Layer.conv("again", K=8, C=8, H=20, W=30, R=1, S=1, activation="relu"), Layer.gemm("head", M=1, N=10, K=64),
    )
}  # fmt: skip


def test_every_layer_is_mapped_no_worse_than_by_rule_or_by_bound() -> None:
    found = map_layers(LAYERS, ACC, SearchMapper())
    assert set(found) == set(LAYERS)
    assert found["wide"] == found["again"]
    for name, layer in LAYERS.items():
        flat = layer.flattened()
        assert not violations(flat, ACC, found[name])
        others = (NaiveMapper().map(layer, ACC, "latency").tiling, SearchMapper().map(layer, ACC, "latency").tiling)
        assert native_cycles(flat, ACC, found[name]) <= min(native_cycles(flat, ACC, other) for other in others)


def test_the_cycles_that_rank_are_those_given() -> None:
    most = map_layers(LAYERS, ACC, SearchMapper(), exact_cycles=lambda layer, acc, tiling: 10**9 - tiling.q)
    assert all(most[name].q >= tiling.q for name, tiling in map_layers(LAYERS, ACC, SearchMapper()).items())


def test_all_layers_that_do_not_fit_are_named() -> None:
    with pytest.raises(InfeasibleError) as error:
        map_layers(LAYERS, replace(ACC, weight_words=8, array=Array(8, 8, input_bits=4)), SearchMapper())
    assert {reason.subject for reason in error.value.reasons} == set(LAYERS)
