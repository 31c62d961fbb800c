"""Where the tensors of one layer lie in memory."""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.spatial.system.coded import CODED, row_layout
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.program import SystemProgram


@dataclass(frozen=True, slots=True)
class Placement:
    """First beats of the parts of a layer, one behind the other; `end` is behind the last.

    Attributes
    ----------
    program, scales, weights, inputs, outputs, end : int
        Beat addresses. A coded tensor begins with its table of lengths.
    """

    program: int
    scales: int
    weights: int
    inputs: int
    outputs: int
    end: int


@dataclass(frozen=True, slots=True)
class Finish:
    """What becomes of sums, and of what lies outside the image.

    Attributes
    ----------
    input_zero, output_zero, low, high : int
        Stored values: padding, zero of the outputs, bounds of the clip.
    rounding : int
        Position in `dataflows.rounding.ROUNDINGS`.
    """

    input_zero: int = 0
    output_zero: int = 0
    low: int = 0
    high: int = 0
    rounding: int = 0


def tensor_beats(program: SystemProgram, tensor: str) -> int:
    """Return the beats of a whole tensor in memory."""
    layer, system = program.layer, program.system
    if tensor == "weights":
        return program.tiles("weights") * program.weight_beats
    if program.coded[CODED.index(tensor)]:
        return row_layout(program, tensor).beats
    pixels = layer.H * layer.W if tensor == "inputs" else layer.P * layer.Q
    return layer.N * pixels * channel_beats(layer, system, tensor)


def place_layer(program: SystemProgram, program_beats: int, base: int = 0) -> Placement:
    """Lay everything out from beat `base` on; `program_beats` counts tags too."""
    scales = base + program_beats
    weights = scales + program.scale_beats
    inputs = weights + tensor_beats(program, "weights")
    outputs = inputs + tensor_beats(program, "inputs")
    return Placement(base, scales, weights, inputs, outputs, outputs + tensor_beats(program, "outputs"))
