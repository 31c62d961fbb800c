"""What SCALE-Sim printed, to the cycle."""

from __future__ import annotations

import pytest

from dataflows.errors import SpecError
from dataflows.nest.scalesim import cycles, gemm_of
from dataflows.workload import Layer

CONV1 = Layer.conv("r50_conv1", K=64, C=3, H=224, W=224, R=7, S=7, stride=2, padding=3)
CONV2 = Layer.conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1)


def gemm(m: int, n: int, k: int) -> Layer:
    return Layer.gemm("gemm", M=m, N=n, K=k)


# Measured with version 3.0.0, no stalls, no prefetch: columns are 32 x 32 ws, os, is, then 128 x 128.
VERSION_3 = (
    (CONV1, (126379, 163855, 309679, 25851, 39297, 87415)),
    (CONV2, (116279, 125047, 278711, 17589, 20749, 55749)),
    (gemm(64, 64, 64), (631, 503, 631, 445, 317, 445)),
    (gemm(100, 50, 70), (1163, 1055, 1727, 481, 323, 431)),
    (gemm(128, 128, 128), (3551, 3039, 3551, 509, 381, 509)),
)
# Measured with version 2 (dense reference, 15.8).
VERSION_2 = (
    ((3025, 96, 363), (32, 32), "ws", 112_283),
    ((169, 384, 2304), (16, 16), "ws", 743_039),
    ((169, 128, 1728), (32, 32), "os", 42_959),
    ((49, 512, 2048), (16, 16), "ws", 389_119),
    ((196, 256, 1024), (12, 14), "ws", 379_087),
    ((784, 512, 128), (16, 16), "os", 247_743),
    ((1, 1000, 2048), (16, 16), "ws", 379_007),
    ((17, 9, 33), (8, 8), "is", 464),
    ((50, 30, 7), (16, 4), "is", 831),
    ((50, 30, 7), (16, 4), "os", 799),
    ((8, 8, 8), (12, 14), "os", 31),
    ((8, 8, 8), (12, 14), "is", 43),
    ((1, 1, 1), (8, 8), "ws", 22),
    ((1, 1, 1), (8, 8), "os", 14),
)


@pytest.mark.parametrize(("layer", "expected"), VERSION_3, ids=lambda value: getattr(value, "name", ""))
def test_version_3(layer, expected):
    found = [cycles(layer, size, size, dataflow).cycles for size in (32, 128) for dataflow in ("ws", "os", "is")]
    assert found == list(expected)


@pytest.mark.parametrize(("sizes", "array", "dataflow", "expected"), VERSION_2)
def test_version_2(sizes, array, dataflow, expected):
    assert cycles(gemm(*sizes), *array, dataflow).cycles == expected


def test_convolutions_become_these_gemms():
    assert gemm_of(CONV1) == (12544, 64, 147)
    assert gemm_of(CONV2) == (3136, 64, 576)


def test_groups_run_one_after_another():
    one = Layer.conv("one", K=4, C=4, H=6, W=6, R=3, S=3)
    three = Layer.conv("three", K=12, C=12, H=6, W=6, R=3, S=3, G=3)
    assert cycles(three, 8, 8, "ws").cycles + 1 == 3 * (cycles(one, 8, 8, "ws").cycles + 1)
    assert cycles(three, 8, 8, "ws").to_dict()["mode"] == "scalesim"


def test_unknown_dataflows_are_refused():
    with pytest.raises(SpecError, match="ws, os, is"):
        cycles(CONV1, 8, 8, "rs")
    with pytest.raises(SpecError, match="array"):
        cycles(CONV1, 0, 8, "ws")
