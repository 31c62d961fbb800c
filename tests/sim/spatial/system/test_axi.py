"""Systems in the AXI shell: every layer alone and from the queue, exact in cycles."""

from __future__ import annotations

from random import Random

import pytest

from dataflows.axi import AxiOptions
from sim.spatial.arrays import NAMED
from sim.spatial.system.axi import verify_axi
from sim.spatial.system.cases import random_cases
from sim.spatial.system.systems import random_system, small

SHELLS = {"wide": AxiOptions(), "tight": AxiOptions(queue_depth=2, burst_beats=4, read_bursts=2, write_bursts=1, address_bits=32)}


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(("shell", "post_lanes"), [("wide", 8), ("tight", 2)])
def test_layers_alone_and_from_the_queue(shell, post_lanes):
    system = small(NAMED["array_ws"], post_lanes=post_lanes)
    report = verify_axi(system, SHELLS[shell], random_cases(system, 5, 11))
    assert report.passed, report.to_dict()


@pytest.mark.rtl
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(6))
def test_random_systems(seed):
    system = random_system(Random(seed))
    report = verify_axi(system, list(SHELLS.values())[seed % 2], random_cases(system, 6, seed))
    assert report.passed, report.to_dict()
