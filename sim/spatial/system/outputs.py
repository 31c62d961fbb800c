"""Outputs in memory against the golden model, plain or coded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.spatial.system.program import SystemProgram
from sim.spatial.system.coded import output_rows, unpack_coded, wrong_rows
from sim.spatial.system.image import Beats, unpack_outputs
from sim.tensors import LayerTensors


def wrong_outputs(program: SystemProgram, tensors: LayerTensors, golden: NDArray, beats: Beats) -> tuple[int, str]:
    """Return how many outputs are wrong, and where the first one is and what was found.

    Coded outputs must decode to the golden ones, and their rows and lengths must be those of the golden code, bit for bit: a
    row that is not counts as one wrong output.

    Parameters
    ----------
    golden : array of int, shape (N, channels of all groups, P, Q)
        The outputs.
    beats : array of uint8
        Memory from the first beat of outputs on.
    """
    if program.coded[1]:
        found = unpack_coded(program, beats, tensors.output_zero_point)
        rows = wrong_rows(program, "outputs", beats, output_rows(program, tensors, golden))
    else:
        found, rows = unpack_outputs(program, beats), []
    wrong = np.argwhere(found != golden)
    if len(wrong):
        at = tuple(int(index) for index in wrong[0])
        return len(wrong), f"(n, k, p, q) = {at}: found {int(found[at])}, expected {int(golden[at])}"
    return len(rows), f"coded row {rows[0]}: same words, other pairs or length" if rows else ""
