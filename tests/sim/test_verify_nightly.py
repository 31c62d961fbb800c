"""Random accelerators times random layers; a tenth of the designs run in every test."""

from __future__ import annotations

import numpy as np
import pytest

from dataflows.arch import Accelerator, Array, Memory
from sim.verify import verify_accelerator

pytestmark = pytest.mark.rtl

DESIGNS = 20
IN_EVERY_TEST = 2


def random_accelerator(seed: int) -> Accelerator:
    """Draw any array of up to 12 x 12, any operand widths, memory profile and buffer sizes."""
    rng = np.random.default_rng(seed)
    rows, cols = (int(x) for x in rng.integers(1, 13, 2))
    bits = [int(x) for x in rng.choice((4, 8, 16), 2)]
    array = Array(rows, cols, ("ws", "os")[seed % 2], *bits, acc_bits=int(rng.integers(max(20, sum(bits)), 49)))
    memory = Memory(int(rng.choice((4, 8, 16, 32))), int(rng.integers(1, 5)), int(rng.integers(1, 120)))
    words = {"input_words": 256, "weight_words": 128, "acc_words": 64}
    sizes = {name: int(rng.integers(max(16, rows), most)) for name, most in words.items()}
    return Accelerator(
        f"random-{seed}", array, memory, **sizes, post_lanes=int(rng.integers(1, cols + 1)), tile_blocks=int(rng.integers(1, 9))
    )


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.nightly] if seed >= IN_EVERY_TEST else []) for seed in range(DESIGNS)]
)
def test_random_design(seed: int) -> None:
    acc = random_accelerator(seed)
    report = verify_accelerator(acc, cases=40, seed=seed)
    assert [case.to_dict() for case in report.cases if not case.passed] == [], acc
    assert len(report.cases) == 40
