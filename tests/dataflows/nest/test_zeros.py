"""What zeros save at the multipliers, against every mask of small arrays."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import pytest

from dataflows.compression import Format
from dataflows.datapath import Datapath
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.cost import evaluate
from dataflows.nest.nest import Nest, bind
from dataflows.nest.presets import ALL
from dataflows.nest.zeros import active_share
from dataflows.workload import Layer

ONE = (1.0, 1.0, 1.0)
SPARSE = {"weight_density": 0.5, "input_density": 0.25}
RELEVANT = {"weights": "GKCRS", "inputs": "NGCPQRS", "outputs": "NGKPQ"}


def array(rng: Random) -> Nest:
    """One level in front of a few multipliers that unroll any two dimensions but windows on both sides."""
    dims = rng.sample("NGKC", 2) if rng.random() < 0.5 else [rng.choice("NKC"), rng.choice("PQ")]
    sizes = {dim: rng.choice((2, 3)) for dim in dims}
    layer = Layer("small", **{**dict.fromkeys("NGKCPQRS", 1), **sizes}, weight_density=0.3, input_density=0.6)
    fanout = Fanout((Axis("rows", 3), Axis("cols", 3)), multicast=rng.random() < 0.7, reduction=rng.random() < 0.7)
    formats = [rng.choice((Format("dense"), Format("bitmask"))) for _ in range(2)]
    watched = [name for name in ("weights", "inputs") if rng.random() < 0.7]
    path = Datapath(gate=frozenset(watched[:1]), skip=frozenset(watched[1:]))
    rows = {"row_bits": 64, "row_dims": rng.choice((("K", "C", "K"), ("KC", "NC", "KQ")))} if rng.random() < 0.5 else {}
    level = StorageLevel("buffer", ALL, fanout=fanout, formats=(*formats, Format("dense")), **rows)
    arch = Architecture("array", (level,), 1.0, datapath=path)
    loops = tuple(Loop(dim, sizes[dim], 1, axis) for dim, axis in zip(dims, ("rows", "cols"), strict=True))
    return bind(layer, arch, Mapping((Level("buffer", loops),)))


def needed(nest: Nest, tensor: str) -> float:
    """Expected accesses of one step over those without zeros: the mean over all masks."""
    (level,) = nest.storage
    spreads = nest.spreads[0]
    rows = "" if level.row_bits is None else level.row_dims[list(RELEVANT).index(tensor)]
    joins = level.fanout.reduction if tensor == "outputs" else level.fanout.multicast
    apart = [i for i, s in enumerate(spreads) if s.dim not in rows and (s.dim in RELEVANT[tensor] or not joins)]
    accesses: dict[tuple, list[tuple[tuple, tuple]]] = {}
    for place in product(*(range(s.extent) for s in spreads)):
        weight, pixel = (
            tuple(index for index, s in zip(place, spreads, strict=True) if s.dim in RELEVANT[operand])
            for operand in ("weights", "inputs")
        )
        accesses.setdefault(tuple(place[i] for i in apart), []).append((weight, pixel))
    path = nest.arch.datapath
    watched = path.gate | path.skip
    if tensor != "outputs":
        partner = "inputs" if tensor == "weights" else "weights"
        known = level.formats[list(RELEVANT).index(partner)].kind != "dense" or tensor not in watched
        watched = {partner} if partner in watched and known else set()
    weights = sorted({weight for pairs in accesses.values() for weight, _ in pairs})
    pixels = sorted({pixel for pairs in accesses.values() for _, pixel in pairs})
    mean = 0.0
    for bits in product((0, 1), repeat=len(weights) + len(pixels)):
        w, x = dict(zip(weights, bits, strict=False)), dict(zip(pixels, bits[len(weights) :], strict=True))
        chance = 1.0
        for bit, dense in [(b, 0.3) for b in w.values()] + [(b, 0.6) for b in x.values()]:
            chance *= dense if bit else 1 - dense
        for pairs in accesses.values():
            mean += chance * any(
                ("weights" not in watched or w[one]) and ("inputs" not in watched or x[other]) for one, other in pairs
            )
    return mean / len(accesses)


@pytest.mark.parametrize("seed", range(60))
def test_an_access_is_saved_where_nothing_needs_it(seed):
    nest = array(Random(seed))
    for tensor in RELEVANT:
        assert active_share(nest, tensor, 0) == pytest.approx(needed(nest, tensor)), tensor


def sparse(path: Datapath, inner: StorageLevel | None = None, outer: StorageLevel | None = None) -> Architecture:
    return Architecture(
        "sparse", (outer or StorageLevel("dram", ALL, ONE, ONE), inner or StorageLevel("pe", ALL, ONE, ONE)), 10.0, datapath=path
    )


GEMM = Layer("gemm", K=4, C=10, P=1, Q=6, **SPARSE)
NEST = Mapping((Level("dram", ()), Level("pe", (Loop("C", 10), Loop("Q", 6), Loop("K", 4)))))


def test_gating_saves_energy_and_no_time():
    dense = evaluate(GEMM, sparse(Datapath()), NEST)
    gated = evaluate(GEMM, sparse(Datapath(gate=frozenset({"inputs"}))), NEST)
    assert gated.cycles == dense.cycles == 240
    assert gated.energy_by_level["mac"]["macs"] == 240 * 10 / 4
    assert gated.accesses["pe"]["weights"] == (60, 40)  # reads where an input is not zero; fills are dense
    assert gated.accesses["pe"]["inputs"] == dense.accesses["pe"]["inputs"]
    assert gated.accesses["pe"]["outputs"] == ((240 - 24) / 4, 240 / 4 + 24)


def test_skipping_saves_time_too():
    both = frozenset({"weights", "inputs"})
    skipped = evaluate(GEMM, sparse(Datapath(skip=both)), NEST)
    assert skipped.cycles == skipped.times["compute"] == 30
    assert skipped.energy_by_level["mac"]["macs"] == 240 * 10 / 8
    assert skipped.utilization == 1.0
    # Neither operand has an index of its zeros: both are read to see.
    assert skipped.accesses["pe"]["weights"][0] == skipped.accesses["pe"]["inputs"][0] == 240


def test_compressed_words_take_their_share():
    mask = Format("bitmask")
    dram = StorageLevel("dram", ALL, ONE, ONE, formats=(mask, mask, Format("dense")), bandwidth=1)
    found = evaluate(GEMM, sparse(Datapath(), outer=dram), NEST)
    assert found.accesses["dram"]["weights"] == (40 * (1 + 4) / 8, 0)
    assert found.accesses["dram"]["inputs"] == (60 * (1 + 2) / 8, 0)
    assert found.times["dram"] == -(-(200 + 180) // 8) + 24  # 25 + 22.5 rounded up together, and the outputs


def test_compressed_tiles_take_less_room():
    mask = Format("bitmask")
    tile = 40 * (1 + 4) + 60 * (1 + 2) + 24 * 8
    fits = StorageLevel("pe", ALL, ONE, ONE, formats=(mask, mask, Format("dense")), capacity_bits=tile)
    assert evaluate(GEMM, sparse(Datapath(), inner=fits), NEST).cycles == 240


def test_final_outputs_may_be_sparse_and_sums_are_not():
    mask = Format("bitmask")
    dram = StorageLevel("dram", ALL, ONE, ONE, formats=(Format("dense"), Format("dense"), mask))
    layer = replace(GEMM, output_density=0.5)
    outer = Mapping((Level("dram", (Loop("C", 10), Loop("Q", 6))), Level("pe", (Loop("K", 4),))))
    found = evaluate(layer, sparse(Datapath(), outer=dram), outer)
    # 24 outputs come ten times; nine times as sums, whose mask is pure cost, once final.
    assert found.accesses["dram"]["outputs"] == (216 * 9 / 8, 216 * 9 / 8 + 24 * (1 + 4) / 8)
