"""What the layer program and the sequencer can hold, whatever the buffers: bounds that follow from the widths of fields.

Extents are held to the number of smallest tiles, so that a layer that is accepted is accepted in every tiling the buffers
allow; only the pitch of a tile's rows depends on the tiling.
"""

from __future__ import annotations

from dataflows.feasible import Infeasible
from dataflows.fields import DENSE_FIELDS, MOST_PADDING
from dataflows.workload import Layer

_BITS = dict(DENSE_FIELDS)


def most(field: str) -> int:
    """Return the largest value of an unsigned field of the layer program."""
    return (1 << _BITS[field]) - 1


MOST_TILES = most("extent_0")
"""Iterations of one tile loop: images, groups, blocks."""

MOST_PIXELS = min(most("height"), most("width"), most("window_h_full"), most("window_w_full"))
"""Rows or columns of an image, padding included: the window of a tile reaches over padding."""


def most_pitch(layer: Layer) -> int:
    """Return the most input columns of a tile: the words from one output row or filter tap to the next have a field too."""
    return min(most("stride_y_pitch") // layer.stride[0], most("dilation_y_pitch") // layer.dilation[0])


def program_limits(layer: Layer, k_blocks: int, c_blocks: int, pitch: int) -> list[Infeasible]:
    """Return every limit of the layer program that a layer exceeds.

    Parameters
    ----------
    layer : Layer
        The layer as it is mapped (`Layer.flattened`).
    k_blocks, c_blocks : int
        Array blocks of output and input channels of one group.
    pitch : int
        Input columns of a tile.
    """
    high, wide = layer.H + layer.padding[0] + layer.padding[2], layer.W + layer.padding[1] + layer.padding[3]
    gemm = layer.kind == "gemm"
    demands = (
        ("images", layer.N, MOST_TILES, "split the batch"),
        ("groups", layer.G, MOST_TILES, "split the layer by groups"),
        ("blocks of output channels", k_blocks, MOST_TILES, "use more columns in the array, or split the output channels"),
        ("blocks of input channels", c_blocks, MOST_TILES, "use more rows in the array, or split the input channels"),
        ("rows of the padded input", high, MOST_PIXELS, "split the image into strips"),
        (
            "columns of the padded input", wide, MOST_PIXELS,
            "split the GEMM along M into parts of that size" if gemm else "split the image into strips",
        ),
        ("filter rows", layer.R, most("filter_r"), "split the filter and add the results"),
        ("filter columns", layer.S, most("filter_s"), "split the filter and add the results"),
        ("rows of stride", layer.stride[0], most("stride_y"), "use a smaller stride"),
        ("columns of stride", layer.stride[1], most("stride_x"), "use a smaller stride"),
        ("rows of dilation", layer.dilation[0], most("dilation_y"), "use a smaller dilation"),
        ("columns of dilation", layer.dilation[1], most("dilation_x"), "use a smaller dilation"),
        ("columns of a tile's input", pitch, most_pitch(layer), "use a smaller q, stride or dilation"),
    )  # fmt: skip
    found = [Infeasible("program", need, have, unit, remedy, layer.name) for unit, need, have, remedy in demands if need > have]
    if max(layer.padding) > MOST_PADDING:
        remedy = "pad the tensor in memory instead"
        unit = "rows or columns of padding"
        found.append(Infeasible("sequencer", max(layer.padding), MOST_PADDING, unit, remedy, layer.name))
    return found
