"""Published evaluations of Timeloop and Accelergy on Gemmini-like designs, and two worked examples, term by term."""

from __future__ import annotations

import pytest

from dataflows.nest.cost import NestCost, evaluate
from dataflows.nest.presets import gemmini_dosa
from dataflows.nest.rules import Rules
from dataflows.nest.text import parse_compact
from dataflows.workload import Layer

# Layer (K, C, P, Q, R, S, stride), design (array, scratchpad KB, accumulator KB), mapping, cycles, energy uJ, area mm2:
# rows of the DOSA data set (codesign reference, 8.3).
VECTORS = (
    ((256, 256, 56, 56, 1, 1, 1), (32, 256, 8), "L3 Q8 C4 K32 P56 ; L2 K4X ; L1 K2 C2 Q7 C32X ; L0 N1", 3979264, 4183.37, 1.171),
    ((1024, 512, 14, 14, 1, 1, 2), (128, 256, 8), "L3 C4 Q7 P7 K32 ; L2 K32X ; L1 C8 Q2 C16X ; L0 P2", 3415104, 3257.94, 7.318),
    ((512, 512, 512, 1, 1, 1, 1), (64, 64, 256), "L3 P8 C4 K16 ; L2 K8X ; L1 K4 C16 P16 C8X ; L0 P4", 2146304, 686.40, 3.742),
    ((1024, 32, 7, 7, 3, 3, 1), (64, 2048, 256), "L3 C32 K16 R3 Q7 ; L2 K16X ; L1 K4 S3 ; L0 P7", 1246912, 1267.36, 9.975),
    ((192, 64, 27, 27, 5, 5, 1), (4, 32, 8), "L3 C32 K8 R5 Q9 ; L2 K4X ; L1 K6 S5 C2 Q3 P9 ; L0 P3", 58769064, 6036.30, 0.161),
    ((64, 64, 54, 54, 3, 3, 1), (2, 1024, 64), "L3 C16 K16 Q18 P3 ; L1 K4 S3 R3 C4 Q3 ; L0 P18", 108895104, 5343.60, 2.845),
    ((512, 256, 28, 28, 3, 3, 1), (32, 128, 1), "L3 C64 Q28 P7 K32 ; L2 K16X ; L1 S3 R3 C4 ; L0 P4", 58593024, 34983.11, 0.764),
    ((32, 512, 512, 1, 1, 1, 1), (8, 256, 4), "L3 P32 K16 C4 ; L1 K2 C128 P4 ; L0 P4", 8388608, 610.43, 0.809),
    ((512, 16, 14, 14, 3, 3, 1), (16, 4, 1), "L3 Q14 P7 S3 K32 C16 R3 ; L2 K2X ; L1 K8 P2 ; L0 N1", 7275520, 921.61, 0.160),
    ((256, 384, 13, 13, 3, 3, 1), (128, 16, 1), "L3 P13 K256 R3 Q13 C16 ; L1 S3 C12 C2X ; L0 N1", 74803456, 30979.11, 6.339),
    ((64, 3, 112, 112, 6, 6, 2), (2, 128, 1024), "L3 C3 K16 Q7 P56 S6 ; L1 K4 R6 Q16 P2 ; L0 N1", 87506944, 11014.70, 5.466),
    ((64, 3, 112, 112, 7, 7, 2), (16, 32, 64), "L3 C3 K16 Q7 P7 ; L1 K4 S7 R7 Q16 ; L0 P16", 118816768, 1526.53, 0.677),
)
# The analytical cycles printed beside measured ones of the same array in hardware (codesign reference, 8.4).
BESIDE_HARDWARE = (
    ((512, 512, 7, 7, 3, 3, 1), (127, 32), "L3 S3 K4 R3 ; L2 K16X ; L1 K8 C32 Q7 P7 C16X ; L0 N1", 453152),
    ((256, 256, 14, 14, 3, 3, 1), (228, 224), "L3 K2 S3 ; L2 K16X ; L1 K8 R3 C16 P14 C16X ; L0 Q14", 451584),
    ((256, 256, 14, 14, 3, 3, 1), (251, 196), "L3 K2 S3 ; L2 K16X ; L1 K8 R3 C16 P14 C16X ; L0 Q14", 451584),
    ((128, 512, 28, 28, 1, 1, 1), (127, 32), "L3 Q7 K2 ; L2 K16X ; L1 K4 C32 Q4 P28 C16X ; L0 N1", 200704),
    ((1024, 256, 14, 14, 1, 1, 1), (127, 32), "L3 K4 P7 ; L2 K16X ; L1 K16 C16 Q14 C16X ; L0 P2", 200704),
    ((36, 256, 28, 28, 3, 3, 1), (261, 49), "L3 K3 ; L2 K12X ; L1 S3 R3 C16 Q4 P28 C16X ; L0 Q7", 338688),
)
ENERGY_TOLERANCE = 0.005
AREA_WORST = 0.18  # the fit's worst error over the designs it was made from


def cost(shape: tuple[int, ...], design: tuple[int, ...], text: str, rules: Rules | None = None) -> NestCost:
    K, C, P, Q, R, S, stride = shape
    layer = Layer("layer", K=K, C=C, P=P, Q=Q, R=R, S=S, stride=(stride, stride))
    arch = gemmini_dosa(*design)
    return evaluate(layer, arch, parse_compact(text, arch), rules)


@pytest.mark.parametrize(("shape", "design", "text", "cycles", "energy_uj", "area_mm2"), VECTORS)
def test_timeloop_rows(shape, design, text, cycles, energy_uj, area_mm2):
    found = cost(shape, design, text)
    assert found.cycles == cycles
    assert found.energy_pj / 1e6 == pytest.approx(energy_uj, rel=ENERGY_TOLERANCE)
    assert found.area_um2 / 1e6 == pytest.approx(area_mm2, rel=AREA_WORST)


@pytest.mark.parametrize(("shape", "design", "text", "cycles"), BESIDE_HARDWARE)
def test_analytical_cycles_printed_beside_hardware(shape, design, text, cycles):
    assert cost(shape, (16, *design), text).cycles == cycles


def test_worked_example_of_a_convolution():
    """Every row of codesign reference 4.7."""
    args = (64, 3, 112, 112, 7, 7, 2), (32, 2, 16), "L3: P28 R7 Q56 K8 | L2: K4X | L1: K2 S7 Q2 P2 C3X | L0: P2"
    found = cost(*args)
    assert found.levels == {
        "dram": {
            "weights": {"reads": 14_751_744, "writes": 0, "tile_words": 64 * 3 * 7 * 7},
            "inputs": {"reads": 2_074_464, "writes": 0, "tile_words": 3 * 229 * 229},
            "outputs": {"reads": 5_619_712 - 802_816, "writes": 5_619_712, "tile_words": 802_816},
        },
        "scratchpad": {
            "weights": {"reads": 14_751_744, "writes": 14_751_744, "tile_words": 168},
            "inputs": {"reads": 29_503_488, "writes": 2_074_464, "tile_words": 189},
        },
        "accumulator": {
            "outputs": {"reads": 39_337_984 - 802_816, "writes": 39_337_984 + 5_619_712, "tile_words": 64 // 4},
        },
        "register": {"weights": {"reads": 118_013_952, "writes": 14_751_744, "tile_words": 1}},
    }
    words = {name: sum(t["reads"] + t["writes"] for t in tensors.values()) for name, tensors in found.levels.items()}
    assert (words["accumulator"], words["scratchpad"], words["dram"]) == (83_492_864, 61_081_440, 27_262_816)
    assert found.times == {"compute": 9_834_496, "dram": 3_407_852, "scratchpad": 954_398, "accumulator": 10_436_608}
    assert (found.cycles, found.bound, found.macs) == (10_436_608, "accumulator", 118_013_952)
    assert round(found.energy_pj / 1e6, 1) == 3056.4
    assert found.energy_pj / 1e6 == pytest.approx(3057.0, rel=ENERGY_TOLERANCE)
    assert cost(*args, Rules(halo="physical")).levels["scratchpad"]["inputs"]["writes"] == 942_564


def test_worked_example_of_a_matrix_vector_product():
    """Every row of codesign reference 4.8."""
    found = cost((1000, 2048, 1, 1, 1, 1, 1), (4, 128, 16), "L3: C2048 K20 | L1: K50 | L0: \u2013")
    assert found.levels["scratchpad"]["weights"]["writes"] == 2_048_000
    assert found.levels["scratchpad"]["inputs"]["writes"] == 2_048
    outputs = found.levels["accumulator"]["outputs"]
    assert outputs == {"reads": 2_048_000 - 1_000, "writes": 2 * 2_048_000, "tile_words": 50}
    assert outputs["reads"] + outputs["writes"] == 6_143_000
    assert sum(t["reads"] + t["writes"] for t in found.levels["dram"].values()) == 6_145_048
    assert found.cycles == 3_071_500
    assert round(found.energy_pj / 1e6, 2) == 654.82
    assert found.energy_pj / 1e6 == pytest.approx(654.863, rel=ENERGY_TOLERANCE)
