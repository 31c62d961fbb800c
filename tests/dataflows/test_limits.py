"""What the layer program cannot hold is refused as infeasible, layer by layer, before anything is searched or built."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator, Array, Memory
from dataflows.feasible import InfeasibleError
from dataflows.fields import DENSE_FIELDS, SIGNED_FIELDS
from dataflows.program import compile_layer, place
from dataflows.tiling import Blocking, Tiling, smallest, violations
from dataflows.workload import Layer
from mappers.naive import NaiveMapper
from mappers.random_mapper import RandomMapper
from mappers.search import SearchMapper

ROOMY = Accelerator("a", Array(4, 4), input_words=1 << 16, weight_words=1 << 16, acc_words=1 << 15, tile_blocks=256)

REFUSED = {
    "rows of a GEMM": (Layer.gemm("g", M=100_000, N=4, K=4), "program", 100_000, 65_535, "columns"),
    "filter rows": (Layer.conv("c", K=1, C=1, H=300, W=1, R=300, S=1), "program", 300, 255, "filter rows"),
    "filter columns": (Layer.conv("c", K=1, C=1, H=1, W=300, R=1, S=300), "program", 300, 255, "filter columns"),
    "stride": (Layer.conv("c", K=1, C=1, H=400, W=1, R=1, S=1, stride=(300, 1)), "program", 300, 255, "rows of stride"),
    "dilation": (
        Layer.conv("c", K=1, C=1, H=1, W=400, R=1, S=2, dilation=(1, 300)), "program", 300, 255, "columns of dilation",
    ),
    "padding": (Layer.conv("c", K=1, C=1, H=9, W=9, R=1, S=1, padding=(0, 300, 0, 0)), "sequencer", 300, 255, "padding"),
    "images": (Layer.gemm("g", M=1, N=1, K=1), "program", 70_000, 65_535, "images"),
    "groups": (Layer("g", G=70_000, K=5, C=5, P=1, Q=1), "program", 70_000, 65_535, "groups"),
    "output channels": (Layer("g", K=300_000, C=1, P=1, Q=1), "program", 75_000, 65_535, "blocks of output channels"),
    "input channels": (Layer("g", K=1, C=300_000, P=1, Q=1), "program", 75_000, 65_535, "blocks of input channels"),
    "a row pitch": (
        Layer.conv("c", K=1, C=1, H=600, W=2_000, R=1, S=9, stride=(200, 1), dilation=(1, 200)), "program", 1601, 655, "columns",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_layers_that_no_program_holds_are_infeasible(what):
    layer, level, demand, bound, unit = REFUSED[what]
    if what == "images":
        layer = Layer("g", N=70_000, K=1, C=1, P=1, Q=1)
    (reason,) = smallest(layer, ROOMY)
    assert (reason.level, reason.demand, reason.bound, reason.subject) == (level, demand, bound, layer.name)
    assert unit in reason.unit
    assert reason.remedy
    for mapper in (SearchMapper(), NaiveMapper(), RandomMapper()):
        with pytest.raises(InfeasibleError, match="has "):
            mapper.map(layer, ROOMY)


@st.composite
def extremes(draw: st.DrawFn) -> tuple[Layer, Accelerator]:
    """Layers round the limits on arrays of extreme shapes."""

    def edge(*around: int) -> int:
        return draw(st.sampled_from((1, 2, 3, *around)))

    taps = (edge(255, 256), edge(255, 256))
    stride, dilation = (edge(255, 256), edge(255, 256)), (edge(255, 256), edge(255, 256))
    padding = tuple(edge(255, 256) - 1 for _ in range(4))
    out = (edge(255, 65_535), edge(255, 65_535))
    layer = Layer(
        "x", N=edge(65_535), G=edge(65_535), K=edge(70_000), C=edge(70_000), P=out[0], Q=out[1], R=taps[0], S=taps[1],
        stride=stride, dilation=dilation, padding=padding,
    )  # fmt: skip
    rows, cols = edge(255, 256), edge(255, 256)
    bits = draw(st.sampled_from((8, 16)))
    array = Array(rows, cols, draw(st.sampled_from(("ws", "os"))), input_bits=bits, weight_bits=bits, acc_bits=48)
    acc = Accelerator(
        "a", array, Memory(draw(st.sampled_from((4, 128)))), 1 << 16, 1 << 16, 1 << 15, draw(st.sampled_from((1, cols))), 256
    )
    return layer, acc


@settings(max_examples=300, deadline=None)
@given(extremes(), st.data())
def test_what_fits_compiles(case, data):
    layer, acc = case
    blocking = Blocking.of(layer, acc)
    most = (min(256, blocking.walked), blocking.c_blocks, layer.P, layer.Q)
    tiling = Tiling(*(data.draw(st.sampled_from((1, min(2, top), top))) for top in most))
    for tried in (tiling, Tiling(1, 1, 1, 1), Tiling(1, 1, 1, layer.Q), Tiling(most[0], 1, 1, 1)):
        if not violations(layer, acc, tried):
            program = compile_layer(layer, acc, tried, place(layer, acc, tried))
            for name, bits in DENSE_FIELDS:
                signed = name in SIGNED_FIELDS
                assert bits == 32 or -(1 << bits - 1) * signed <= program[name] < 1 << bits - signed


def test_the_largest_scale_load_is_encoded():
    acc = Accelerator("a", Array(1, 256), Memory(4), post_lanes=1, tile_blocks=256)
    layer = Layer("g", K=256 * 256, C=1, P=1, Q=1)
    tiling = Tiling(256, 1, 1, 1)
    assert not violations(layer, acc, tiling)
    program = compile_layer(layer, acc, tiling, place(layer, acc, tiling))
    assert program["scale_beats_full"] == 256 * 256 * 3


def test_rows_are_cut_where_the_pitch_between_them_does_not_fit():
    layer = Layer.conv("c", K=1, C=1, H=201, W=2_000, R=1, S=1, stride=(200, 1))
    for mapper in (SearchMapper(), NaiveMapper(), RandomMapper(samples=64)):
        tiling = mapper.map(layer, ROOMY, "latency").tiling
        assert tiling.q <= 655
        assert compile_layer(layer, ROOMY, tiling, place(layer, ROOMY, tiling))["stride_y_pitch"] <= 131_071
