"""Transports derived from matrices: five arrays worked by hand, and brute force for all others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.errors import SpecError
from dataflows.integers import Matrix, kernel, multiply, solve
from dataflows.named import by_name, output_stationary, weight_stationary
from dataflows.relation import AXES, TENSORS, Relation, Transport, data_relation, derive, group, stationary, unit
from dataflows.workload import DIMS

F, V, N, M, R = Transport.FORWARD, Transport.PRIVATE, Transport.NEIGHBOUR, Transport.MULTICAST, Transport.REDUCE


def transports(relation: Relation, stride: int = 1) -> list[tuple[Transport, Transport]]:
    """(rows, cols) of inputs, weights, outputs."""
    links = derive(relation, (stride, stride))
    return [(links[t, "rows"].transport, links[t, "cols"].transport) for t in TENSORS]


def staying(relation: Relation) -> list[str]:
    return [t for t in TENSORS if stationary(data_relation(t), relation)]


def test_weight_stationary_gemm() -> None:
    """TPU: inputs enter by row and travel right, sums go down, every PE has a weight of its own."""
    for relation in (weight_stationary(), Relation(unit("C"), unit("K"), unit("Q"))):
        assert transports(relation) == [(V, F), (V, V), (R, V)]
        assert staying(relation) == ["weights"]


def test_output_stationary_gemm() -> None:
    """Inputs travel right, weights down, sums stay."""
    relation = Relation(unit("Q"), unit("K"), unit("C"))
    assert transports(relation) == [(V, F), (F, V), (V, V)]
    assert staying(relation) == ["outputs"]
    # With a filter in the wave the next pixel wants its neighbour's word; a way of one's own stays legal.
    links = derive(output_stationary())
    assert links["inputs", "rows"].options == (N, V)
    assert [links[t, a].transport for t in ("weights", "outputs") for a in AXES] == [F, V, V, V]
    assert staying(output_stationary()) == ["outputs"]


def test_row_stationary_shares_inputs_along_diagonals() -> None:
    """Eyeriss: filter rows on rows, output rows on columns; PE (i, j) holds input row i + stride * j."""
    relation = Relation(unit("R"), unit("P"), unit("S", "Q"))
    for stride in (1, 4):
        assert transports(relation, stride) == [(M, M), (V, F), (R, V)]
        data = data_relation("inputs", (stride, stride))
        y = [[group(data, relation, axis)[3][0] for axis in AXES]]
        assert y == [[1, stride]]
    # The 11 x 7 set of a layer with 11 filter rows and stride 4 needs 35 input rows, most of them on several PEs.
    rows = {i + 4 * j for i in range(11) for j in range(7)}
    assert rows == set(range(35))


def test_output_plane_on_both_axes() -> None:
    """ShiDianNao: weights go everywhere, inputs pass between neighbours as the filter slides, sums stay."""
    relation = Relation(unit("P"), unit("Q"), unit("R", "S"))
    assert transports(relation) == [(N, N), (F, F), (V, V)]
    assert staying(relation) == ["outputs"]
    links = derive(relation)
    # The next PE has used a word one filter column (or row) earlier.
    assert links["inputs", "cols"].shift == (0, -1)
    assert links["inputs", "rows"].shift == (-1, 0)
    assert derive(relation, (2, 2))["inputs", "cols"].shift == (0, -2)
    # Output 3 further right, dilation 2: no filter step makes up for an odd number of pixels.
    assert derive(relation, (3, 3), (2, 2))["inputs", "cols"].options == (V,)
    broadcast = Relation(unit("P"), unit("Q"), unit("R", "S"), (0, 0))
    assert derive(broadcast)["weights", "rows"].transport == Transport.BROADCAST
    assert (relation.skew(2, 3), broadcast.skew(2, 3)) == (5, 0)


def test_depthwise() -> None:
    """Groups on an axis share nothing: every row has its inputs and weights, and drains its own outputs."""
    relation = Relation(unit("G"), unit("Q"), unit("R"))
    assert transports(relation) == [(V, V), (V, F), (V, V)]
    assert staying(relation) == ["outputs"]
    # A filter column in the wave lets pixels pass along the columns.
    assert transports(Relation(unit("G"), unit("Q"), unit("R", "S")))[0] == (V, N)
    # On the weight-stationary axes a group takes the place of its one input channel: nothing is left to reduce.
    assert transports(Relation(unit("G"), unit("K"), unit("P", "Q"))) == [(V, F), (V, V), (V, V)]


def test_input_stationary_mirrors_weight_stationary() -> None:
    relation = Relation(unit("C"), unit("Q"), unit("K"))
    assert transports(relation) == [(V, V), (V, F), (R, V)]
    assert staying(relation) == ["inputs"]


entries = st.integers(-2, 2)


def matrices(height: int, width: int) -> st.SearchStrategy[Matrix]:
    return st.tuples(*[st.tuples(*[entries] * width)] * height)


@given(st.data())
def test_solutions_are_found_exactly_when_they_exist(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    matrix, target = data.draw(matrices(height, width)), data.draw(matrices(height, 1))
    found = solve(matrix, target)
    box = np.array(list(itertools.product(range(-6, 7), repeat=width)))
    hits = (box @ np.array(matrix).T == np.array(target).T).all(axis=1)
    if found is None:
        assert not hits.any()
    else:
        assert multiply(matrix, tuple((x,) for x in found)) == target
    basis = kernel(matrix)
    assert len(basis) == width - np.linalg.matrix_rank(np.array(matrix))
    for vector in basis:
        assert multiply(matrix, tuple((x,) for x in vector)) == ((0,),) * height
    # Every short kernel vector is an integer combination of the basis.
    for point in box[(box @ np.array(matrix).T == 0).all(axis=1)][::29]:
        columns = tuple(zip(*basis, strict=True)) if basis else ((0,),) * width
        assert solve(columns, tuple((int(x),) for x in point)) is not None


BOX = {n: np.array(list(itertools.product(range(-4, 5), repeat=n))) for n in range(1, 5)}
counts = st.integers(1, 2)


@given(st.permutations(DIMS), counts, counts, st.integers(1, 3), st.sampled_from((1, 2, 4)), counts)
def test_transports_against_brute_force(
    dims: list[str], on_rows: int, on_cols: int, in_wave: int, stride: int, dilation: int
) -> None:
    """Try every small move between PEs and every small number of loop steps."""
    rows, cols, wave = dims[:on_rows], dims[on_rows : on_rows + on_cols], dims[-in_wave:]
    links = derive(Relation(unit(*rows), unit(*cols), unit(*wave)), (stride, stride), (dilation, dilation))
    for tensor, (axis, own, other) in itertools.product(TENSORS, (("rows", rows, cols), ("cols", cols, rows))):
        data = np.array(data_relation(tensor, (stride, stride), (dilation, dilation)))
        pick = {dim: data[:, at] for at, dim in enumerate(DIMS)}
        moves = BOX[len(own) + len(other)]
        same = ~(moves @ np.array([pick[dim] for dim in (*own, *other)])).any(axis=1)
        shared = (same & moves[:, : len(own)].any(axis=1)).any()
        drift = BOX[in_wave] @ np.array([pick[dim] for dim in wave])
        later = pick[own[-1]].any() and (~(drift + pick[own[-1]]).any(axis=1)).any()
        options = links[tensor, axis].options
        if tensor == "outputs":
            assert options == ((R,) if shared else (V,))
        elif not any(pick[dim].any() for dim in own):
            assert options == (F,)
        else:
            assert (M in options, N in options, V in options) == (shared, later, True)


def test_mistakes_are_named() -> None:
    with pytest.raises(SpecError, match="found 'x'; allowed: os, ws"):
        by_name("x")
    with pytest.raises(SpecError, match="found 'Z'"):
        unit("Z")
    with pytest.raises(SpecError, match="found 'psums'"):
        data_relation("psums")
    with pytest.raises(SpecError, match="delay"):
        Relation(unit("C"), unit("K"), unit("Q"), (1, 2))
    with pytest.raises(SpecError, match="8 rows of equal length"):
        Relation(((1,), (0,)), unit("K"), unit("Q"))
    with pytest.raises(SpecError, match="no zero column"):
        Relation(((0,),) * 8, unit("K"), unit("Q"))
