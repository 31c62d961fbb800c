"""Timeloop problems become layers; what is none is named."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.exchange.timeloop_problem import read_problem
from dataflows.workload import Layer
from tests.dataflows.exchange.texts import document, example

GEMM = """
problem:
  version: 0.4
  shape:
    name: product
    dimensions: [M, N, K]
    data_spaces:
    - {name: A, projection: [[[M]], [[K]]]}
    - {name: B, projection: [[[K]], [[N]]]}
    - {name: Z, projection: [[[M]], [[N]]], read_write: true}
  instance: {M: 30, N: 20, K: 10}
"""


def test_the_example_is_the_layer_of_the_worked_example():
    found = read_problem(example("timeloop_problem.yaml"))
    (layer,) = found.network.layers
    assert layer == Layer("stem", K=64, C=3, P=112, Q=112, R=7, S=7, stride=(2, 2))
    assert found.notes == ()


def test_a_product_is_our_gemm():
    found = read_problem(document(GEMM))
    (layer,) = found.network.layers
    assert layer == Layer.gemm("product", M=30, N=20, K=10)
    assert found.names["product"].dims == {"M": "Q", "N": "K", "K": "C"}
    assert found.names["product"].tensors == {"A": "inputs", "B": "weights", "Z": "outputs"}


@pytest.mark.parametrize("hyphens", [True, False])
def test_projections_may_be_words_and_hyphens_may_be_used(hyphens):
    text = GEMM.replace("[[[M]], [[K]]]", "[M, K]")
    text = text.replace("data_spaces", "data-spaces").replace("read_write", "read-write") if hyphens else text
    assert read_problem(document(text)).network.layers[0].macs == 6000


def test_densities_are_taken_and_their_distribution_is_noted():
    text = GEMM.replace("K: 10}", "K: 10, densities: {B: 0.25, A: {distribution: hypergeometric, density: 0.5}}}")
    found = read_problem(document(text))
    (layer,) = found.network.layers
    assert (layer.weight_density, layer.input_density, layer.output_density) == (0.25, 0.5, 1.0)
    assert len(found.notes) == 1
    assert "distribution hypergeometric" in found.notes[0]


def test_coefficients_come_from_the_instance_before_their_default():
    text = """
problem:
  shape:
    dimensions: [C, K, P, R]
    coefficients: [{name: step, default: 2}, {name: gap}]
    data_spaces:
    - {name: W, projection: [[[C]], [[K]], [[R]]]}
    - {name: I, projection: [[[C]], [[P, step], [R, gap]]]}
    - {name: O, projection: [[[K]], [[P]]], read_write: true}
  instance: {C: 2, K: 3, P: 4, R: 3, gap: 2}
"""
    (layer,) = read_problem(document(text)).network.layers
    assert (layer.name, layer.stride, layer.dilation) == ("t", (2, 1), (2, 1))


def test_what_changes_nothing_is_noted_with_its_line():
    text = GEMM.replace("K: 10}", "K: 10, Hpad: 3}").replace("  shape:", "  author: me\n  shape:")
    assert read_problem(document(text)).notes == (
        "t.yaml:4: problem.author: not understood: author",
        "t.yaml:12: problem.instance.Hpad: not understood: Hpad",
    )


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        ("version: 0.4", "version: 0.3", "t.yaml:3: problem.version", "0.3"),
        ("    name: product\n", "    name: product\n    dimensions: [X]\n", "t.yaml:7: problem.shape.dimensions", "twice"),
        ("K: 10}", "K: 2*5}", "t.yaml:11: problem.instance.K", "an expression: 2*5"),
        ("K: 10}", "}", "t.yaml:11: problem.instance.K", "nothing"),
        ("K: 10}", "K: 0}", "t.yaml:11: problem.instance.K", "0"),
        ("[[[M]], [[K]]]", "[[[M]], [[T]]]", "t.yaml:8: problem.shape.data_spaces[0].projection[1][0]", "T"),
        ("[[[M]], [[K]]]", "[[[M]], [[K, up]]]", "t.yaml:8: problem.shape.data_spaces[0].projection[1][0]", "up"),
        (", read_write: true", "", "t.yaml:7: problem.shape.data_spaces", "0 data spaces that are written"),
        ("    - {name: B, projection: [[[K]], [[N]]]}\n", "", "t.yaml:7: problem.shape.data_spaces", "2 data spaces"),
        ("K: 10}", "K: 10, densities: {A: {distribution: banded}}}", "densities.A.distribution", "banded"),
        ("K: 10}", "K: 10, densities: {A: 2}}", "densities.A", "2"),
        ("K: 10}", "K: 10, densities: {T: 1}}", "densities.T", "T"),
    ],
)
def test_what_is_not_understood_and_matters_is_an_error_naming_it(old, new, where, found):
    assert old in GEMM
    with pytest.raises(SpecError) as error:
        read_problem(document(GEMM.replace(old, new)))
    assert where in str(error.value)
    assert found in str(error.value.found)


def test_a_predefined_shape_is_named():
    with pytest.raises(SpecError, match="the predefined shape cnn-layer"):
        read_problem(document("problem: {shape: cnn-layer, instance: {C: 3}}"))
