"""Inputs to try a quantised network with: other than those it was calibrated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.quantize.model import Feeds
from sim.quantize.network import QuantizedNetwork
from sim.quantize.text_lines import SIZE, TEST_SEED, text_lines


def trial_inputs(name_or_path: str | Path, network: QuantizedNetwork, count: int, seed: int = 0) -> list[Feeds]:
    """Return float inputs: text lines for `ocr_cls`, every other one upside down; noise for any other network.

    Parameters
    ----------
    name_or_path : str or Path
        As given to `sim.quantize.bundled.quantize_named`.
    network : QuantizedNetwork
        What it returned.
    count : int
        How many.
    seed : int
        Another seed gives other inputs; none gives those of the calibration.
    """
    shapes = {name: network.model.graph.shape(name) or () for name in network.graph.inputs}
    first, shape = next(iter(shapes.items()))
    if str(name_or_path).partition(":")[0] == "ocr_cls" and shape == (1, 3, *SIZE):
        return [{first: line.network_input()} for line in text_lines(count, TEST_SEED + seed)]
    rng = np.random.default_rng([TEST_SEED, seed])
    return [{name: rng.normal(0, 1, each).astype(np.float32) for name, each in shapes.items()} for _ in range(count)]
