"""Operations channel by channel by hand: words, cycles, energy, area; and who refuses them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from dataflows.arch import Accelerator, Array, Memory
from dataflows.bound import bound
from dataflows.cost import area_by_part, evaluate
from dataflows.counts import LANE_REGISTERS, count
from dataflows.errors import CheckFailed, SpecError
from dataflows.layer_text import parse_layer
from dataflows.maestro.model import evaluate as maestro
from dataflows.mapping import Mapping
from dataflows.nest import scalesim
from dataflows.nest.nest import bind
from dataflows.nest.presets import eyeriss
from dataflows.program import program_beats
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import Tiling
from dataflows.walk_lanes import lane_latches
from dataflows.workload import Layer
from tests.strategies import any_jobs

ACC = Accelerator("a", Array(4, 4), Memory(16, 1, 7), input_words=64, weight_words=64, acc_words=64, post_lanes=2)
POOL = Layer.conv("pool", K=6, C=6, G=6, H=4, W=4, R=2, S=2, stride=2, op="max")
ADD = Layer("add", K=1, C=2, G=6, P=1, Q=5, op="add")
MULTIPLY = Layer("multiply", K=1, C=1, G=6, N=2, P=1, Q=5, op="multiply")


def test_words_by_hand() -> None:
    """Six channels on four lanes are two blocks: 2 x 2 outputs of 2 x 2 taps each, one bank access per tap and output."""
    levels = count(POOL, ACC, Tiling(1, 1, 2, 2)).levels
    assert levels["input_buffer"]["inputs"] == {"reads": 2 * 4 * 4, "writes": 2 * 16}
    assert levels["accumulator"]["psums"] == {"reads": 2 * 4 * 4, "writes": 2 * 4 * 4}
    assert levels["weight_buffer"]["weights"] == {"reads": 0, "writes": 0}
    assert levels["dram"]["weights"] == {"reads": 0, "writes": 0}
    factors = count(MULTIPLY, ACC, Tiling(2, 1, 1, 2)).levels
    assert factors["weight_buffer"]["weights"] == {"reads": 2 * 3 * 2, "writes": 2 * 2}  # a tile of two blocks, three times
    both = count(ADD, ACC, Tiling(1, 2, 1, 5)).levels
    assert both["dram"]["inputs"]["reads"] == 2 * 2 * 5
    assert count(ADD, ACC, Tiling(1, 1, 1, 5)).levels == both


def test_one_tile_by_hand() -> None:
    """Every stage added up, as for GEMMs in `test_schedule`: a word per cycle, three cycles to the banks."""
    one = replace(ADD, G=4)
    begin = 2 + (program_beats(ACC) - 1) + 7 + 2 + 4 + 2 + 4
    last_request = begin + (1 + 4) + 1 + (1 + 10)  # two scale words of two beats, no weights, two tensors of five words
    last_issue = last_request + 7 + 2 + 1 + 10
    posted = last_issue + 3 + 1 + 5 * 2 + 6 + 1
    assert schedule(one, ACC, Tiling(1, 2, 1, 5)).cycles == posted + 3 + 4 + 1


def test_energy_and_area_by_hand() -> None:
    tech = technology("45nm")
    energy = evaluate(ADD, ACC, Tiling(1, 2, 1, 5), tech).energy_by_level["array"]
    words = 2 * 2 * 5  # blocks, tensors, pixels; four lanes work on each, six of eight for a channel
    assert set(energy) == {*LANE_REGISTERS, "macs"}
    assert energy["macs"] == pytest.approx(60 * (0.2 * 9 * 16 / 64 + 0.1))
    assert sum(energy[name] for name in LANE_REGISTERS) == pytest.approx(words * 4 * (9 + 16 + 32) * 0.009)
    without = replace(ACC, channelwise=False)
    more = {name: um2 - area_by_part(without, tech)[name] for name, um2 in area_by_part(ACC, tech).items()}
    assert {name: um2 for name, um2 in more.items() if um2} == {"lanes": pytest.approx(4 * tech.pe_area_um2(9, 16))}


@settings(max_examples=60)
@given(any_jobs())
def test_short_steps_cost_latency(job: tuple[Layer, Accelerator, Tiling]) -> None:
    """Whatever the latency, the bound knows it and stays below the schedule."""
    layer, acc, tiling = job
    far = replace(acc, memory=replace(acc.memory, latency=900))
    limit = bound(layer, far, tiling, program_beats=program_beats(far)).cycles
    assert limit <= schedule(layer, far, tiling).cycles
    assert limit >= bound(layer, acc, tiling, program_beats=program_beats(acc)).cycles


def test_many_short_steps_are_bound_by_latency() -> None:
    layer = Layer("add", K=1, C=2, G=4, P=1, Q=400, op="add")
    tiling = Tiling(1, 2, 1, 2)
    limit = bound(layer, ACC, tiling, program_beats=program_beats(ACC)).cycles
    assert limit <= schedule(layer, ACC, tiling).cycles <= 1.5 * limit
    far = replace(ACC, memory=Memory(16, 1, 200))
    assert 0.9 * schedule(layer, far, tiling).cycles <= bound(layer, far, tiling).cycles


def test_lanes_that_compute_something_else_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    job = POOL, ACC, Tiling(1, 1, 1, 2)
    assert lane_latches(*job) == count(*job).array
    monkeypatch.setattr("dataflows.walk_lanes.np.maximum", lambda held, _values: held)
    with pytest.raises(CheckFailed, match="not the operation's"):
        lane_latches(*job)


@pytest.mark.parametrize("text", ["add:C=6,H=1,W=5", "multiply:C=6,H=1,W=5,N=2", "maxpool:C=6,H=4,W=4,R=2,S=2,stride=2"])
def test_layer_texts(text: str) -> None:
    layer = parse_layer(text)
    known = {known.name: known for known in (replace(ADD, H=1), MULTIPLY, replace(POOL, name="maxpool"))}
    assert layer == known[layer.name]


def test_other_machines_refuse_them() -> None:
    nest = Mapping.parse("L1 | for G in 0..6")
    for call in (
        lambda: maestro(ADD, "nvdla", 16), lambda: scalesim.cycles(ADD, 4, 4, "ws"), lambda: bind(ADD, eyeriss(), nest),
    ):  # fmt: skip
        with pytest.raises(SpecError, match="found 'add'; allowed: mac"):
            call()
