"""The walk through the array's registers: it notices what is wrong, and counts the same whatever the values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from dataflows import walk_feed, walk_registers
from dataflows.arch import Accelerator, Array
from dataflows.cost import evaluate
from dataflows.errors import CheckFailed
from dataflows.tiling import Tiling
from dataflows.walk_feed import feeds
from dataflows.walk_registers import Registers, register_latches
from dataflows.walk_tensors import Words, bordered, convolved
from dataflows.workload import Layer
from tests.strategies import jobs

LAYER, TILING = Layer.conv("c", K=5, C=7, H=5, W=4, R=2, S=2, padding=1), Tiling(1, 1, 3, 2)


def small(dataflow):
    return Accelerator("a", Array(3, 2, dataflow), post_lanes=1)


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize(("port", "row"), [("west", 0), ("west", 2), ("north", 0), ("first", None), ("take", None)], ids=str)
def test_a_word_in_the_wrong_cycle_gives_wrong_outputs(dataflow, port, row, monkeypatch):
    """Every port matters: what is counted is what the outputs need."""
    whole = walk_registers.feeds

    def late(*job):
        for feed in whole(*job):
            values = getattr(feed, port).copy()
            lanes = slice(None) if row is None else (slice(None), min(row, values.shape[1] - 1))
            values[lanes] = np.roll(values[lanes], 1)
            yield replace(feed, **{port: values})

    register_latches(LAYER, small(dataflow), TILING)
    monkeypatch.setattr(walk_registers, "feeds", late)
    with pytest.raises(CheckFailed, match="not the layer's outputs"):
        register_latches(LAYER, small(dataflow), TILING)


@settings(max_examples=30)
@given(jobs())
def test_feeds_may_end_after_any_step(job):
    """One long run and one run per step write the same registers."""
    layer, acc, tiling = job
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk_feed, "ENOUGH", 0)
        apart = register_latches(*job)
        runs = len(list(feeds(*job, Words.random(layer, acc))))
    assert apart == register_latches(*job)
    assert runs == len(list(walk_feed.steps(layer, acc, tiling)))


def test_a_register_counts_words_and_not_what_it_keeps():
    nothing = float("nan")
    registers = Registers(1, 1, outputs_stay=False)
    assert np.isnan(registers.latch("inputs", np.array([1.0, nothing, 0.0]))).tolist() == [True, False, True]
    assert registers.latched["inputs"] == 2
    first, take = np.array([False, False, True, False, False]), np.array([True, False, False, False, False])
    used = registers.kept(np.array([7.0, nothing, nothing, 9.0, nothing]), first, take)
    assert used.tolist()[2:] == [7.0] * 3
    assert registers.latched["weights"] == 2  # taken once behind, once in front of the wave


def test_the_definition_of_the_outputs():
    """Against one multiply-accumulate after the other."""
    layer = Layer("c", N=2, G=2, K=2, C=3, P=2, Q=3, R=2, S=2, stride=(2, 1), dilation=(1, 2), padding=(1, 2, 0, 1))
    rng = np.random.default_rng(5)
    image = bordered(layer, rng.integers(-4, 4, (2, 2, 3, layer.H, layer.W)).astype(float))
    taps = rng.integers(-4, 4, (2, 2, 3, 2, 2)).astype(float)
    found = convolved(layer, image, taps)
    for at in np.ndindex(2, 2, 2, 2, 3):
        n, g, k, p, q = at
        assert found[at] == sum(
            image[n, g, c, 2 * p + r, q + 2 * s] * taps[g, k, c, r, s] for c in range(3) for r in range(2) for s in range(2)
        )


def test_check_reports_registers_that_differ(monkeypatch):
    monkeypatch.setattr("dataflows.execute.register_latches", lambda *job: {"inputs": 1, "weights": 2, "psums": 3})
    check = evaluate(LAYER, small("ws"), TILING, check=True).check
    assert check is not None
    assert not check["equal"]
    assert [line.split(":")[0] for line in check["differences"]] == ["array.inputs", "array.weights", "array.psums"]
