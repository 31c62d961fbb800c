"""What ``verify --network`` says of a run that differs from the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.network_report import NetworkReport, OpResult, Run
from systolith.commands.verify_network import compare_classes, differences

OP = OpResult("first", "mac", "y", 0, 4, "", 100, 100)
RUN = Run(True, (OP, replace(OP, name="second")), 200, 250, 250, (), 300, 1.0, {})
WRONG = {
    "values": (replace(RUN, ops=(OP, replace(OP, name="second", mismatches=1))), "second"),
    "cycles": (replace(RUN, ops=(OP, replace(OP, name="second", cycles_rtl=99))), "second"),
    "sum": (replace(RUN, ops=(OP, replace(OP, cycles_rtl=None)), cycles_rtl=199), "cycles of all operations"),
    "span": (replace(RUN, span_rtl=251), "cycles to the interrupt"),
    "counters": (replace(RUN, counts_different=("post_busy",)), "counter post_busy"),
    "nothing": (replace(RUN, ops=(replace(OP, checked=0),), cycles_rtl=100), "nothing was compared"),
}


@pytest.mark.parametrize("name", WRONG)
def test_whatever_fails_a_run_is_named(name: str) -> None:
    run, words = WRONG[name]
    report = NetworkReport("net", "design", "verilator", (RUN, run, run), 1.0)
    assert not report.passed
    assert differences(report.to_dict()) == [words]


def test_nothing_is_named_in_a_run_that_passes() -> None:
    report = NetworkReport("net", "design", "verilator", (RUN,), 1.0)
    assert report.passed
    assert differences(report.to_dict()) == []


def test_classes_are_counted_by_image() -> None:
    one: list[dict] = [{}, {}]
    assert compare_classes(one, [((3,), (3,)), ((1,), (2,))]) == {"agreeing": 1, "classified": 2}
    assert one == [{"class_rtl": 3, "class_float": 3}, {"class_rtl": 1, "class_float": 2}]
    batch: list[dict] = [{}]
    assert compare_classes(batch, [((3, 1, 0), (3, 2, 0))]) == {"agreeing": 2, "classified": 3}
    assert batch == [{"class_rtl": [3, 1, 0], "class_float": [3, 2, 0]}]
