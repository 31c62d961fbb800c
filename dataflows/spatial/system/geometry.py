"""Where the words of a tile lie: in memory channels last, in the buffers with pitches that keep ports in different banks.

In memory a pixel's channels of all groups lie side by side, filled up to whole beats, and pixels in the order n, y, x: the
outputs of one layer are the inputs of the next. A buffer holds the box of a tile in the same order, channels innermost; the
distances between pixels, rows and images are chosen so that the words of one cycle come from different banks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from dataflows.spatial.program import Coordinates, SpatialProgram, base, lane_base
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import DIMS, Layer


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a tile in a buffer of inputs or outputs.

    Attributes
    ----------
    images, rows, cols, channels : int
        Extents, padding of the loops included.
    group : int
        Channels from one group to the next.
    pitches : tuple of int
        Words from image to image, row to row, pixel to pixel.
    """

    images: int
    rows: int
    cols: int
    channels: int
    group: int
    pitches: tuple[int, int, int]

    def address(self, at: Coordinates) -> int:
        """Return the place of coordinates (n, g, channel, row, column)."""
        image, row, pixel = self.pitches
        return at[0] * image + at[1] * self.group + at[2] + at[3] * row + at[4] * pixel

    @property
    def words(self) -> int:
        """Words from the first to the last of the box."""
        image, row, pixel = self.pitches
        return (self.images - 1) * image + (self.rows - 1) * row + (self.cols - 1) * pixel + self.channels


def tile_sizes(program: SpatialProgram, depth: int) -> dict[str, int]:
    """Return the extents of what the buffers hold, by dimension: all loops but those over memory."""
    sizes = dict(program.nest.tiles[0])
    for spread in program.nest.spreads[1]:
        sizes[spread.dim] *= spread.extent
    for loop in program.outer[:depth]:
        sizes[loop.dim] *= loop.extent
    return {dim: sizes[dim] for dim in DIMS}


def lanes(program: SpatialProgram, tensor: str) -> list[Coordinates | None]:
    """Return the coordinates that every port adds, None for ports that the mapping does not use."""
    places = product(*(range(axis.size) for axis in program.array.ported(tensor)))
    return [lane_base(program, tensor, place) for place in places]


def input_box(program: SpatialProgram, system: SpatialSystem, sizes: dict[str, int]) -> Box | None:
    """Return the box of an input tile; None if no pitches keep the ports apart."""
    layer = program.layer
    last = base(layer, "inputs", {dim: extent - 1 for dim, extent in sizes.items()})
    channels = last[1] * layer.C + last[2] + 1
    extents = (last[0] + 1, last[3] + 1, last[4] + 1, channels)
    return _box(extents, layer.C, [lane for lane in lanes(program, "inputs") if lane], system.banks("inputs"))


def output_box(program: SpatialProgram, system: SpatialSystem, sizes: dict[str, int]) -> Box | None:
    """Return the box of an output tile; None if no pitches keep the ports apart."""
    layer = program.layer
    channels = (sizes["G"] - 1) * layer.K + sizes["K"]
    extents = (sizes["N"], sizes["P"], sizes["Q"], channels)
    return _box(extents, layer.K, [lane for lane in lanes(program, "outputs") if lane], system.banks("outputs"))


def channel_beats(layer: Layer, system: SpatialSystem, tensor: str) -> int:
    """Return the beats of one pixel of inputs or outputs in memory."""
    channels = layer.G * (layer.C if tensor == "inputs" else layer.K)
    return -(-channels // system.beat_words(tensor))


def _box(extents: tuple[int, int, int, int], group: int, ports: Sequence[Coordinates], banks: int) -> Box | None:
    """Choose the smallest pitches, pixel before row before image, with which the ports meet in different banks."""
    images, rows, cols, channels = extents
    needed = [len({port[0] for port in ports}) > 1, len({port[3] for port in ports}) > 1, len({port[4] for port in ports}) > 1]
    ranges = [range(banks if need else 1) for need in needed]
    for more_pixel, more_row, more_image in product(ranges[2], ranges[1], ranges[0]):
        pixel = channels + more_pixel
        row = cols * pixel + more_row
        box = Box(images, rows, cols, channels, group, (rows * row + more_image, row, pixel))
        places = {box.address(port) for port in ports}
        if len({place % banks for place in places}) == len(places):
            return box
    return None
