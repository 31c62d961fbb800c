"""The program of a system, and what travels between its parts."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import ShapeLike, signed, unsigned
from amaranth.lib import data

from dataflows.spatial.array import LONGEST_OUTER, MOST_OUTER, SpatialArray
from dataflows.spatial.system.limits import ADDRESS_BITS, COORDINATE_BITS, COUNT_BITS, MOST_TILE_LOOPS
from dataflows.spatial.system.nests import MOST_INNER_LOOPS
from dataflows.spatial.system.spec import SpatialSystem
from rtl.spatial import layouts as arrays

ADDRESS = ADDRESS_BITS
MAGIC_BITS = 32
ROW_BITS = 16
"""Of the number of a coded row; modulo 2**ROW_BITS before the image."""


@dataclass(frozen=True, slots=True)
class Sum:
    """One sum that a nest keeps.

    Attributes
    ----------
    name : str
        As in `dataflows.spatial.system.nests.LoopNest.walks`.
    bits : int
        Width; of the row, where it is a place in banks.
    banks : int
        0 for a plain number; otherwise the sum is a row and a bank below `banks`.
    """

    name: str
    bits: int
    banks: int = 0

    def fields(self) -> dict[str, ShapeLike]:
        """Return names and shapes of its value."""
        if not self.banks:
            return {self.name: unsigned(self.bits)}
        return {self.name: unsigned(self.bits), f"{self.name}_bank": range(self.banks)}

    def value(self, number: int) -> dict[str, int]:
        """Return `number` as values of the fields; negative ones wrap."""
        if not self.banks:
            return {self.name: number % (1 << self.bits)}
        return {self.name: number // self.banks % (1 << self.bits), f"{self.name}_bank": number % self.banks}


def bits_for(count: int) -> int:
    """Width of a number below `count`."""
    return max(1, (count - 1).bit_length())


def weight_sums(system: SpatialSystem) -> tuple[Sum, ...]:
    """Return the sums of the walk over the weight buffer."""
    tags = (Sum(field, system.array.tag_bits) for field in system.array.fields("weights"))
    return Sum("address", bits_for(system.rows("weights"))), *tags


def input_sums(system: SpatialSystem) -> tuple[Sum, ...]:
    """Return the sums of the walk over the input buffer."""
    tags = (Sum(field, system.array.tag_bits) for field in system.array.fields("inputs"))
    places = (Sum(name, COORDINATE_BITS) for name in "yx")
    return Sum("address", bits_for(system.rows("inputs")), system.banks("inputs")), *places, *tags


def result_sums(system: SpatialSystem) -> tuple[Sum, ...]:
    """Return the sums of the walk over the buffer of sums."""
    return (Sum("address", bits_for(system.rows("outputs")), system.banks("outputs")),)


TILE_SUMS = (
    Sum("weights", ADDRESS), Sum("inputs", ADDRESS), Sum("outputs", ADDRESS), Sum("n", COORDINATE_BITS),
    Sum("y", COORDINATE_BITS), Sum("x", COORDINATE_BITS), Sum("c", COUNT_BITS), Sum("p", COORDINATE_BITS),
    Sum("q", COORDINATE_BITS), Sum("k", COUNT_BITS), Sum("scale", COUNT_BITS),
)  # fmt: skip
"""Sums of the walk over tiles in memory: addresses of the three tensors in beats, first image, row and column of the input
tile, its first beat of channels, first row and column of the output tile, its first beat of channels within what the loops
clip, and the same in all channels."""


def tile_sums(system: SpatialSystem) -> tuple[Sum, ...]:
    """Return `TILE_SUMS`, and numbers of coded rows in systems with coders."""
    return (*TILE_SUMS, Sum("input_row", ROW_BITS), Sum("output_row", ROW_BITS)) if system.coding else TILE_SUMS


def sums_layout(sums: tuple[Sum, ...]) -> data.StructLayout:
    """Return the layout of the values of several sums."""
    return data.StructLayout({name: shape for each in sums for name, shape in each.fields().items()})


def nest(sums: tuple[Sum, ...], outer: int = MOST_OUTER, inner: int = MOST_INNER_LOOPS) -> data.StructLayout:
    """Return the layout of what a nest is told; the extents of outer loops are those of the array's program."""
    deltas = sums_layout(sums)
    loop = data.StructLayout({"last": unsigned(COUNT_BITS), "delta": deltas})
    changes = {"change": range(outer + 1), "tile_change": range(outer + 1)}
    return data.StructLayout({"inner": data.ArrayLayout(loop, inner), "outer": data.ArrayLayout(deltas, outer), **changes})


def outer_lasts() -> data.ArrayLayout:
    """Return the layout of the extents less one of the array's outer loops."""
    return data.ArrayLayout(unsigned(LONGEST_OUTER.bit_length()), MOST_OUTER)


def tile_nest(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of the walk over tiles: loops with extents of their own, and where every tensor's tile changes."""
    sums = sums_layout(tile_sums(system))
    loop = data.StructLayout({"last": unsigned(LONGEST_OUTER.bit_length()), "delta": sums})
    changes = {f"{tensor}_change": range(MOST_TILE_LOOPS + 1) for tensor in ("weights", "inputs", "outputs")}
    return data.StructLayout({"loops": data.ArrayLayout(loop, MOST_TILE_LOOPS), "base": sums, **changes})


def place(system: SpatialSystem, tensor: str) -> data.StructLayout:
    """Return the layout of a place in the banks of inputs or outputs."""
    return data.StructLayout({"row": bits_for(system.rows(tensor)), "bank": range(system.banks(tensor))})


def box(system: SpatialSystem, tensor: str) -> data.StructLayout:
    """Return the layout of a tile's box: most images, rows, columns and beats, pitches in the buffer and in memory."""
    counts = {name: unsigned(COUNT_BITS) for name in ("images", "rows", "cols", "beats")}
    limits = {f"{name}_limit": unsigned(COORDINATE_BITS - 1) for name in counts}
    pitches = {f"{name}_pitch": place(system, tensor) for name in ("image", "row", "pixel")}
    steps = {f"{name}_step": unsigned(ADDRESS) for name in ("image", "row", "pixel")}
    return data.StructLayout({**counts, **limits, **pitches, **steps})


def input_lane(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of what one port of inputs adds."""
    return data.StructLayout({
        "at": place(system, "inputs"), "y": unsigned(COORDINATE_BITS - 1), "x": unsigned(COORDINATE_BITS - 1), "used": 1,
    })  # fmt: skip


def output_lane(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of what one port of outputs adds."""
    return data.StructLayout({"at": place(system, "outputs"), "used": 1})


def program(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of a layer's program, as it lies in memory, lowest bit first."""
    array: SpatialArray = system.array
    values = {name: signed(array.input_bits) for name in ("input_zero", "output_zero", "clip_low", "clip_high")}
    return data.StructLayout({
        "magic": MAGIC_BITS, "kind": MAGIC_BITS, "length": MAGIC_BITS, "array": arrays.program(array),
        "weights": nest(weight_sums(system)), "inputs": nest(input_sums(system)), "results": nest(result_sums(system)),
        "tiles": tile_nest(system), "input_box": box(system, "inputs"), "output_box": box(system, "outputs"),
        "input_lanes": data.ArrayLayout(input_lane(system), array.lanes("inputs")),
        "output_lanes": data.ArrayLayout(output_lane(system), array.lanes("outputs")),
        "weight_beats": unsigned(COUNT_BITS), "scale_beats": unsigned(COUNT_BITS), "scales": unsigned(ADDRESS),
        "tail": bits_for(system.beat_words("inputs") + 1), "drains": unsigned(24), "rounding": 3,
        "top": COUNT_BITS, "left": COUNT_BITS, **values, **(_coded() if system.coding else {}),
    })  # fmt: skip


def row_steps(bits: int) -> data.StructLayout:
    """Return the layout of steps from image to image and from row to row."""
    return data.StructLayout({"image_step": unsigned(bits), "row_step": unsigned(bits)})


def _coded() -> dict[str, ShapeLike]:
    """Return what a layer says of coded tensors: which are, their tables, the first row of all, steps of row numbers."""
    steps = row_steps(ROW_BITS)
    tables = {f"{tensor}_table{what}": bits for tensor in ("input", "output") for what, bits in _TABLE.items()}
    return {
        "coded_inputs": 1, "coded_outputs": 1, **tables, "first_row": unsigned(ADDRESS), "input_rows": steps,
        "output_rows": steps,
    }  # fmt: skip


_TABLE = {"": unsigned(ADDRESS), "_beats": unsigned(COUNT_BITS)}


def tag(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of a PE's tag, which has a beat of its own."""
    return arrays.tag(system.array)


def program_beats(system: SpatialSystem) -> int:
    """Return the beats of a program without its tags, which follow, a beat each."""
    return -(-program(system).size // system.beat_bits)


def load(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of what a read transaction brings: kind and half, counts, where it begins in the input buffer."""
    counts = {name: unsigned(COUNT_BITS) for name in ("images", "rows", "cols", "beats")}
    return data.StructLayout({"kind": 2, "half": 1, **counts, "at": place(system, "inputs")})


def store(system: SpatialSystem) -> data.StructLayout:
    """Return the layout of an output tile to write."""
    counts = {name: unsigned(COUNT_BITS) for name in ("images", "rows", "cols", "beats")}
    row = {"row": ROW_BITS} if system.coding else {}
    return data.StructLayout({"address": ADDRESS, "scale": COUNT_BITS, "half": 1, **counts, **row})
