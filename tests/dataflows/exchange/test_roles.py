"""Dimensions are told by projections: other names mean the same layer."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.exchange.roles import Rank, Space, roles
from tests.dataflows.exchange.texts import document


def spaces(weights: str, inputs: str, outputs: str) -> tuple[Space, Space, Space]:
    """Build three tensors from texts such as ``n c p*2+r``."""

    def one(name: str, text: str) -> Space:
        ranks: list[Rank] = []
        for axis in text.split():
            terms = [(part.partition("*")[0], int(part.partition("*")[2] or 1)) for part in axis.split("+")]
            ranks.append(tuple(terms))
        return Space(name, tuple(ranks), f"t.yaml:1: {name}")

    return one("Weights", weights), one("Inputs", inputs), one("Outputs", outputs)


CASES = {
    "conv": ("k c r s", "n c p*2+r q*3+s*2", "n k p q", "NKCPQRS"),
    "grouped": ("g k c r s", "n g c p+r q+s", "n g k p q", "NGKCPQRS"),
    "depthwise": ("g r s", "g p+r q+s", "g p q", "GPQRS"),
    "line": ("k c r", "c p+r", "k p", "KCPR"),
    "pointwise": ("k c", "n c p q", "n k p q", "NKCPQ"),
    "strided": ("k c", "n c p*2 q*2", "n k p q", "NKCPQ"),
    "product": ("k c", "q c", "q k", "KCQ"),
    "batch": ("g k c", "g q c", "g q k", "GKCQ"),
    "flat": ("k c r s", "n c r s", "n k", "KCRS"),
}


@pytest.mark.parametrize("name", CASES)
@given(seed=st.integers(0, 2**32 - 1))
def test_names_and_order_mean_nothing(name, seed):
    """Each part is played by the same dimension, whatever the order of axes and dimensions, and the names but the usual."""
    rng = Random(seed)
    *texts, letters = CASES[name]
    new = dict(zip("NGKCPQRS", rng.sample("adefijlotuvwz", 8), strict=True))
    renamed = []
    for text in texts:
        axes = ["".join(new.get(sign.upper(), sign) for sign in axis) for axis in text.split()]
        if text is not texts[1]:  # the order of windows tells rows from columns
            rng.shuffle(axes)
        renamed.append(" ".join(axes))
    weights, inputs, outputs = spaces(*renamed)
    dims = [new[letter] for letter in letters]
    rng.shuffle(dims)
    found = roles(outputs, (weights, inputs) if rng.random() < 0.5 else (inputs, weights), tuple(dims))
    back = {ours: theirs for theirs, ours in found.names.dims.items()}
    assert len(back) == len(dims)
    for group in ("G", "K", "C"):
        if group in letters and name != "flat":
            assert back[group] == new[group]
    if name in ("conv", "grouped", "depthwise"):
        assert {back[letter] for letter in "PQRS"} == {new[letter] for letter in "PQRS"}
        assert (back["P"], back["R"]) in {(new["P"], new["R"]), (new["Q"], new["S"])}
    expected = {"conv": ((2, 3), (1, 2)), "strided": ((2, 2), (1, 1))}.get(name, ((1, 1), (1, 1)))
    assert (found.stride, found.dilation) == expected
    assert found.names.tensors == {"Weights": "weights", "Inputs": "inputs", "Outputs": "outputs"}


def test_windows_tell_inputs_whatever_they_are_called():
    weights, inputs, outputs = spaces("k c r", "c p+r", "k p")
    odd = Space("Inputs", weights.ranks, "here"), Space("Weights", inputs.ranks, "there")
    assert roles(outputs, odd, ("k", "c", "p", "r")).names.tensors["Weights"] == "inputs"


def test_names_tell_rows_from_columns_where_the_order_does_not():
    weights, inputs, outputs = spaces("k c fx fy", "c ox+fx oy*2+fy", "k oy ox")
    found = roles(outputs, (weights, inputs), ("k", "c", "fx", "fy", "ox", "oy"))
    assert {name: found.names.dims[name] for name in ("ox", "oy", "fx", "fy")} == {"ox": "Q", "oy": "P", "fx": "S", "fy": "R"}
    assert found.stride == (2, 1)


@pytest.mark.parametrize(
    ("texts", "dims", "named"),
    [
        (("k c r s t", "c p+r q+s o+t", "k p q o"), "kcrstpqo", "3 axes with windows"),
        (("k c", "c d q", "q k"), "kcdq", "dimension d"),
        (("k l c", "q c", "q k l"), "klcq", "k, l"),
        (("k c r", "c p+r+k", "k p"), "kcrp", "1 p + 1 r + 1 k"),
        (("k c", "q c", "q+k"), "kcq", "q + k"),
        (("k c", "q c c", "q k"), "kcq", "c twice"),
    ],
)
def test_what_no_convolution_has_is_named(texts, dims, named):
    weights, inputs, outputs = spaces(*texts)
    with pytest.raises(SpecError) as error:
        roles(outputs, (weights, inputs), tuple(dims))
    assert named in str(error.value.found)
    assert error.value.path.startswith("t.yaml:1")


def test_document_helper_keeps_tags():
    assert document("a: !Container {name: x}").data == {"a": {"name": "x", "!": "Container"}}
