from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.baselines import baselines
from dse.gains import Gain, map_baseline, value
from dse.space import Space

values = st.floats(1e-3, 1e30)


@given(values, values, values)
def test_the_total_is_the_product_of_mapping_and_hardware(naive, searched, winner):
    gain = Gain.of(naive, searched, winner)
    assert gain.total == pytest.approx(gain.mapping * gain.hardware, rel=1e-12)
    assert gain.to_dict() == {"total": gain.total, "mapping": gain.mapping, "hardware": gain.hardware}


def test_worked_example():
    assert Gain.of(60.0, 30.0, 20.0) == Gain(total=3.0, mapping=2.0, hardware=1.5)


def test_the_fixed_rule_is_given_the_baseline_that_suits_it_best(network, budget):
    space = Space.of(budget, network.layers, ("ws", "os"))
    known = [map_baseline(each, network, "edp") for each in baselines(space)]
    winner = known[0].searched
    gain = Gain.over(known, winner, "edp")
    assert gain.mapping == min(each.naive.edp for each in known) / min(each.searched.edp for each in known)
    assert gain.hardware == min(each.searched.edp for each in known) / winner.edp
    assert gain.total == pytest.approx(gain.mapping * gain.hardware)


def test_searched_mappings_are_no_worse_than_naive_ones(network, budget):
    space = Space.of(budget, network.layers, ("ws", "os"))
    for baseline in baselines(space):
        mapped = map_baseline(baseline, network, "latency")
        assert value(mapped.searched, "latency") <= value(mapped.naive, "latency")
        data = mapped.to_dict("latency")
        assert data["value"] == data["cycles"] == mapped.searched.cycles
        assert data["naive"]["value"] == mapped.naive.cycles
