from __future__ import annotations

import pytest
from hypothesis import given, settings

from dataflows.arch import Accelerator, Array, Memory
from dataflows.counts import clipped_sum, count, fetch_repeats
from dataflows.errors import CheckFailed
from dataflows.execute import _Walker, walk
from dataflows.problem import problem, taps_in_image, tiles
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer
from tests.strategies import any_jobs

FEATURES = {
    "strided": lambda layer, acc, tiling: layer.stride != (1, 1),
    "dilated": lambda layer, acc, tiling: layer.dilation != (1, 1) and (layer.R, layer.S) != (1, 1),
    "padded": lambda layer, acc, tiling: any(layer.padding),
    "grouped": lambda layer, acc, tiling: layer.G > 1 and Blocking.of(layer, acc).packed == 1,
    "packed groups": lambda layer, acc, tiling: Blocking.of(layer, acc).packed > 1,
    "depthwise": lambda layer, acc, tiling: layer.kind == "depthwise",
    "gemm": lambda layer, acc, tiling: layer.kind == "gemm",
    "output stationary": lambda layer, acc, tiling: acc.array.dataflow == "os",
    "short last tile": lambda layer, acc, tiling: layer.P % tiling.p > 0 or layer.Q % tiling.q > 0,
    "several C tiles": lambda layer, acc, tiling: tiling.counts(layer, Blocking.of(layer, acc))["C"] > 1,
    "two tensors added": lambda layer, acc, tiling: layer.op == "add",
    "two tensors multiplied": lambda layer, acc, tiling: layer.op == "multiply",
    "the largest kept": lambda layer, acc, tiling: layer.op == "max",
    "an average": lambda layer, acc, tiling: layer.op == "average",
    "words of many beats": lambda layer, acc, tiling: acc.beats(acc.input_word_bits) > 1,
}


@pytest.mark.parametrize(
    "examples", [pytest.param(1000, marks=pytest.mark.slow), pytest.param(20_000, marks=pytest.mark.nightly)]
)
def test_counts_equal_the_walker(examples):
    seen = dict.fromkeys(FEATURES, 0)

    @settings(max_examples=examples)
    @given(any_jobs())
    def compare(job):
        layer, acc, tiling = job
        table = layer.K % 2 == 0
        counted, walked = count(layer, acc, tiling, 7, table), walk(layer, acc, tiling, 7, table)
        assert counted.levels == walked.levels
        assert counted.array == walked.array
        assert counted.macs == walked.macs == layer.macs
        assert set(counted.levels) == {level.name for level in (*acc.levels(), *(acc.tables() if table else ()))}
        for name, holds in FEATURES.items():
            seen[name] += bool(holds(*job))

    compare()
    print({name: f"{number / examples:.0%}" for name, number in seen.items()})
    assert min(seen.values()) >= examples // 50, seen


@pytest.mark.parametrize(("lanes", "reads", "writes"), [(1, 60 * 3, 16), (2, 60 * 2 * 2, 32), (3, 60 * 3, 48)])
def test_every_lane_reads_its_table_once_for_each_part_of_a_word(lanes, reads, writes):
    """30 pixels of two blocks of three columns; 256 entries are 16 beats."""
    layer, acc = Layer.gemm("g", M=30, N=6, K=4), Accelerator("a", Array(4, 3), post_lanes=lanes)
    job = layer, acc, Tiling(1, 1, 1, 10)
    counted, without = count(*job, table=True), count(*job)
    assert counted.levels == without.levels | {"activation_table": {"tables": {"reads": reads, "writes": writes}}}
    assert counted.levels == walk(*job, table=True).levels


def test_tiles_larger_than_the_layer_are_the_layer():
    layer = Layer.conv("c", K=5, C=3, H=7, W=6, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(2, 2), post_lanes=1)
    assert count(layer, acc, Tiling(3, 2, 7, 6)) == count(layer, acc, Tiling(9, 9, 99, 99))


def test_worked_example():
    """16x16 weight stationary, 3x3, 64 -> 32 channels, 8x8 image, tiles of 1 block, 2 channel blocks, 4 rows; by hand."""
    layer = Layer.conv("c", K=32, C=64, H=8, W=8, R=3, S=3, padding=1)
    acc = Accelerator("a", Array(16, 16), Memory(bus_bytes=8), post_lanes=4)
    levels = count(layer, acc, Tiling(1, 2, 4, 8, ("N", "G", "P", "Q", "K"))).levels
    # Steps: P 2, K 2, C 2. Input tiles: 2 planes, 5 rows (one of six falls outside), 8 columns; C innermost reloads all.
    assert levels["input_buffer"]["inputs"] == {"reads": 2 * 4 * 22 * 22, "writes": 8 * 2 * 5 * 8}
    # Each weight tile is fetched once per P tile: 32 / 16 output blocks, 64 input channels, 9 taps.
    assert levels["weight_buffer"]["weights"] == {"reads": 2 * 2 * 64 * 9, "writes": 2 * 2 * 64 * 9}
    assert levels["accumulator"]["psums"] == {"reads": 2 * 64 * 36, "writes": 2 * 64 * 36}
    assert levels["scale_buffer"]["scales"] == {"reads": 2 * 64 * 4, "writes": 2 * 2 * 4}
    # 128-bit words are two beats of 64; scale words of 4 * 72 bits are five.
    assert levels["dram"]["inputs"] == {"reads": 2 * 640, "writes": 0}
    assert levels["dram"]["outputs"] == {"reads": 0, "writes": 2 * 128}
    assert levels["dram"]["scales"] == {"reads": 5 * 16, "writes": 0}


@pytest.mark.parametrize(
    ("order", "c_blocks", "expected"),
    [
        ("GKNPQ", 4, {"inputs": 2, "weights": 1, "scales": 1}),
        ("GNPQK", 4, {"inputs": 1, "weights": 8, "scales": 8}),
        ("PNGKQ", 4, {"inputs": 2, "weights": 2, "scales": 2}),
        ("GNPQK", 1, {"inputs": 2, "weights": 8, "scales": 8}),
        ("GKNPQ", 1, {"inputs": 2, "weights": 8, "scales": 1}),
    ],
)
def test_stationarity(order, c_blocks, expected):
    layer = Layer("c", K=8, C=16, P=4, Q=8)
    cut = tiles(layer, Accelerator("a", Array(4, 4)), Tiling(1, c_blocks, 2, 2))
    assert fetch_repeats(tuple(order), cut.number) == expected


def test_sizes_of_a_tiling_by_hand():
    """Ten rows by four and seven columns by seven: three tiles, the last of two rows."""
    layer, acc = Layer("c", K=5, C=9, P=10, Q=7), Accelerator("a", Array(2, 2), post_lanes=1)
    cut = tiles(layer, acc, Tiling(2, 99, 4, 9))
    assert (cut.p, cut.q, cut.last_p, cut.last_q) == (4, 7, 2, 7)
    assert (cut.blocks, cut.last_blocks, cut.channels) == (2, 1, 5)
    assert cut.number == {"N": 1, "G": 1, "K": 2, "P": 3, "Q": 1, "C": 1}
    assert dict(cut.shapes) == {28: 2, 14: 1}
    assert cut.pixel_blocks(16) == 2 * 2 + 1
    one = problem(layer, acc)
    assert (one.out_blocks, one.folds, one.outputs, one.live_rows) == (3, 15, 210, 2)


def test_clipped_sum_against_a_loop():
    for start in range(-9, 9):
        for step in range(1, 5):
            for terms in range(6):
                expected = sum(min(max(start + i * step, 0), 7) for i in range(terms))
                assert clipped_sum(start, step, terms, 7) == expected


def test_taps_of_padding_beyond_reach():
    layer = Layer("c", K=1, C=1, P=9, Q=1, R=2, H=1, padding=(5, 0, 4, 0))
    assert taps_in_image(layer, 0) == 2


def test_register_writes_by_hand():
    """Two output blocks, one channel block, three pixels on a 2x2 array."""
    layer = Layer.gemm("g", M=3, N=4, K=2)
    stays = count(layer, Accelerator("a", Array(2, 2), post_lanes=1), Tiling(1, 1, 1, 3)).array
    # Two folds of three pixels through four PEs, the second row's lane behind one register. A fold's two weight words
    # pass two rows, the second column's lane behind one register, and each PE takes its own twice.
    assert stays == {"inputs": 6 * (4 + 1), "weights": 2 * (2 * 4 + 2 * 1 + 2 * 4), "psums": 6 * 4}
    passes = count(layer, Accelerator("a", Array(2, 2, "os"), post_lanes=1), Tiling(1, 1, 1, 3)).array
    # Two folds of two pixel blocks of two cycles through four PEs. Each cycle one row's shift register takes two lanes,
    # and then one more; weights wait one cycle, the second column's two. In four waves, two rows of sums are held, then
    # written once where they were made, and the upper ones once more below.
    assert passes == {"inputs": 8 * (4 + 3), "weights": 8 * (4 + 3), "psums": 8 * 4 + 4 * 2 * (2 + 2 + 1)}


def test_counts_stay_exact_on_huge_layers():
    layer = Layer.gemm("g", M=1 << 22, N=1 << 15, K=1 << 15)
    acc = Accelerator("a", Array(1, 1), post_lanes=1)
    assert count(layer, acc, Tiling(1, 1, 1, 1)).levels["weight_buffer"]["weights"]["reads"] == 1 << 52


def test_walker_notices_a_missing_word(monkeypatch):
    layer = Layer.conv("c", K=2, C=2, H=4, W=4, R=3, S=3, padding=1)
    whole = _Walker.window
    monkeypatch.setattr(_Walker, "window", lambda self, step: set(sorted(whole(self, step))[1:]))
    with pytest.raises(CheckFailed, match="inputs word"):
        walk(layer, Accelerator("a", Array(2, 2), post_lanes=1), Tiling(1, 1, 2, 2))
