from __future__ import annotations

import pytest

from dataflows.arch import Memory
from dataflows.workload import Layer, Network
from dse.budget import Budget
from dse.job import Job


@pytest.fixture(scope="session")
def network() -> Network:
    layers = (
        Layer.conv("a", K=8, C=3, H=12, W=12, R=3, S=3, stride=2, padding=1, activation="relu"),
        Layer.conv("b", K=8, C=8, H=6, W=6, R=3, S=3, padding=1, G=8),
        Layer.conv("c", K=20, C=8, H=6, W=6, R=1, S=1),
        Layer.conv("d", K=8, C=20, H=6, W=6, R=3, S=3, padding=1),
        Layer.conv("e", K=20, C=8, H=6, W=6, R=1, S=1),
    )
    return Network("tiny", layers, sum(layer.parameters for layer in layers))


@pytest.fixture(scope="session")
def budget() -> Budget:
    return Budget(macs=24, buffer_bytes=6 * 1024, memory=Memory(bus_bytes=8, latency=12))


@pytest.fixture
def job(budget) -> Job:
    return Job("tiny", "tiny.yaml", budget, evaluations=40, seed=5, verify_count=4)
