"""Layers at the limits of the control on the simulator, and that they are there."""

from __future__ import annotations

import pytest

from dataflows.arch import Accelerator, Array, Dataflow, Memory
from dataflows.schedule import schedule
from sim.large import large_cases, with_large_buffers
from sim.verify import verify_layers


def small() -> Accelerator:
    return Accelerator("small", Array(4, 4, "os"), Memory(), post_lanes=2)


def test_all_cases_fit_the_largest_buffers_and_few_the_others():
    names = [case.name for case in large_cases(with_large_buffers(small()), 1)]
    assert len(names) == len(set(names)) == 38
    assert {case.name for case in large_cases(small(), 1)} < set(names)


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_large_layers_equal_golden_and_schedule(dataflow: Dataflow):
    acc = with_large_buffers(Accelerator("large", Array(4, 4, dataflow), Memory(), post_lanes=2))
    cases = large_cases(acc, 1)
    report = verify_layers(acc, cases)
    assert report.passed, [case.to_dict() for case in report.cases if not case.passed]
    assert sum(schedule(case.layer, acc, case.tiling, case.table).cycles for case in cases) > 1_000_000
