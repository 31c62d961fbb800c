"""Layer programs: what the sequencer reads to run one layer, as plain integers.

A program is a header (magic, family and version, length) followed by one 32-bit little-endian word per field of the
engine family; `dataflows.fields` lists those of the dense family.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dataflows.arch import MOST_TABLE_BITS, Accelerator
from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.fields import DENSE_FIELDS, LEVELS, SIGNED_FIELDS
from dataflows.mapping import Mapping
from dataflows.rounding import ROUNDINGS, Rounding
from dataflows.tiling import Blocking, Tiling, mapping_of, relevant, violations, window
from dataflows.workload import OPS, Layer

MAGIC = 0x54535953  # "SYST"
VERSION = 1
FAMILY_DENSE = 1
HEADER_WORDS = 3
WORD_BYTES = 4
DIM_CODES = ("N", "G", "K", "P", "Q", "C")

PROGRAM_WORDS = HEADER_WORDS + len(DENSE_FIELDS)


def program_beats(acc: Accelerator, table: bool = False) -> int:
    """Memory beats that one program takes, and the activation table behind it."""
    return math.ceil(PROGRAM_WORDS * WORD_BYTES / acc.memory.bus_bytes) + (acc.table_beats if table else 0)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a layer's tensors lie in memory, in beats.

    Attributes
    ----------
    program, scales, weights, inputs, outputs : int
        Where each begins. For ``multiply``, `weights` is the second tensor, of one value per image and channel.
    end : int
        The beat behind the last one, if they lie one after the other.
    other : int
        For ``add``: where the second tensor begins.
    """

    program: int
    scales: int
    weights: int
    inputs: int
    outputs: int
    end: int
    other: int = 0


@dataclass(frozen=True, slots=True)
class Postprocess:
    """Layer-wide constants of quantisation.

    Attributes
    ----------
    input_zero, output_zero, low, high : int
        Zero points and clip bounds, of the operand width.
    other_zero : int
        Zero point of the second tensor of ``add`` and ``multiply``.
    coefficients : tuple of int
        For ``add``: what the two tensors, less their zero points, are multiplied by; signed, 16 bits each.
    table : bool
        Whether clipped values are looked up in the table that lies behind the program (docs/hardware.md, "Table").
    rounding : str
        How the final shift rounds, see `dataflows.rounding`.
    """

    input_zero: int = 0
    output_zero: int = 0
    low: int = -128
    high: int = 127
    other_zero: int = 0
    coefficients: tuple[int, int] = (1, 1)
    table: bool = False
    rounding: Rounding = "single"


@dataclass(frozen=True, slots=True)
class LayerProgram:
    """Field values of one layer of the dense family, in the order of `DENSE_FIELDS`."""

    values: tuple[int, ...]

    def __getitem__(self, name: str) -> int:
        return self.values[_INDEX[name]]

    def words(self) -> list[int]:
        """Return the 32-bit words as they lie in memory."""
        header = [MAGIC, FAMILY_DENSE << 16 | VERSION, PROGRAM_WORDS]
        return header + [value & 0xFFFFFFFF for value in self.values]

    @classmethod
    def from_words(cls, words: list[int]) -> LayerProgram:
        """Read back what `words` wrote; raise `SpecError` for anything else."""
        header = [MAGIC, FAMILY_DENSE << 16 | VERSION, PROGRAM_WORDS]
        if list(words[:HEADER_WORDS]) != header or len(words) < PROGRAM_WORDS:
            found = [hex(word) for word in words[:HEADER_WORDS]]
            raise SpecError("program", found, f"header {[hex(word) for word in header]}", "recompile the layer")
        values = []
        for (name, bits), word in zip(DENSE_FIELDS, words[HEADER_WORDS:], strict=False):
            value = word & ((1 << bits) - 1)
            values.append(value - (1 << bits) if name in SIGNED_FIELDS and value >> (bits - 1) else value)
        return cls(tuple(values))

    def tiling(self, acc: Accelerator) -> Tiling:
        """Return the tiling that the program walks."""
        dims = [DIM_CODES[self["level_dims"] >> (4 * level) & 15] for level in range(LEVELS)]
        packed = self["packed"] > 1
        return Tiling(
            self["blocks_full"], 1 if packed else self["c_full"], self["p_full"], self["q_full"], tuple(reversed(dims[1:]))
        )

    def mapping(self, layer: Layer, acc: Accelerator) -> Mapping:
        """Return the loop nest that the program walks."""
        return mapping_of(layer, acc, self.tiling(acc))


_INDEX = {name: index for index, (name, _bits) in enumerate(DENSE_FIELDS)}


def place(layer: Layer, acc: Accelerator, tiling: Tiling, base: int = 0, table: bool = False) -> Placement:
    """Lay program (with `table`, its table too), scales, weights, inputs and outputs one after the other from beat `base`."""
    blocking = Blocking.of(layer, acc)
    out_blocks = blocking.group_blocks * blocking.k_blocks
    in_planes = layer.N * blocking.group_blocks * blocking.c_blocks
    counts = tiling.counts(layer, blocking)
    padded_blocks = layer.N * out_blocks if layer.op == "multiply" else tiling.blocks * counts["K"] * counts["G"]
    weight_words = padded_blocks * blocking.c_blocks * layer.R * layer.S * blocking.weight_rows
    sizes = (
        program_beats(acc, table),
        out_blocks * acc.post_groups * acc.beats(acc.scale_word_bits),
        weight_words * acc.beats(acc.weight_word_bits),
        in_planes * layer.H * layer.W * acc.beats(acc.input_word_bits),
        layer.N * out_blocks * layer.P * layer.Q * acc.beats(acc.output_word_bits),
    )
    starts = [base]
    for size in sizes:
        starts.append(starts[-1] + size)
    return Placement(*starts, other=starts[3] + sizes[3] // 2 if layer.op == "add" else 0)


def compile_layer(
    layer: Layer, acc: Accelerator, tiling: Tiling, placement: Placement, post: Postprocess | None = None
) -> LayerProgram:
    """Compile one layer; raise `InfeasibleError` if a tile does not fit or a field cannot hold the layer."""
    post = post or Postprocess()
    reasons = violations(layer, acc, tiling) + (table_violations(layer, acc) if post.table else [])
    if reasons:
        raise InfeasibleError(reasons)
    if post.rounding not in ROUNDINGS:
        raise SpecError(f"{layer.name}.rounding", post.rounding, ", ".join(ROUNDINGS), "round in one of these ways")
    values: dict[str, int] = {}
    values |= _loops(layer, acc, tiling, placement)
    values |= _tile_sizes(layer, acc, tiling)
    values |= _array_fields(layer, acc, tiling)
    values |= {
        "input_zero": post.input_zero, "output_zero": post.output_zero, "clip_low": post.low, "clip_high": post.high,
        "table": int(post.table), "rounding": ROUNDINGS.index(post.rounding),
    }  # fmt: skip
    values |= _channelwise_fields(layer, acc, placement, post)
    for name, bits in DENSE_FIELDS:
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if name in SIGNED_FIELDS else (0, (1 << bits) - 1)
        if bits < 32 and not low <= values[name] <= high:
            raise SpecError(f"{layer.name}.{name}", values[name], f"{low} to {high}", "use smaller tiles or split the layer")
    return LayerProgram(tuple(values[name] for name, _bits in DENSE_FIELDS))


def table_violations(layer: Layer, acc: Accelerator) -> list[Infeasible]:
    """Return why `acc` cannot look the outputs of `layer` up in a table: it has none."""
    if acc.table_entries:
        return []
    if acc.array.input_bits > MOST_TABLE_BITS:
        remedy = f"tables are for inputs of at most {MOST_TABLE_BITS} bits: use a narrower design"
    else:
        remedy = "set table: true in the design"
    return [Infeasible("activation_table", 1 << acc.array.input_bits, 0, "entries", remedy, layer.name)]


def _loops(layer: Layer, acc: Accelerator, tiling: Tiling, place_at: Placement) -> dict[str, int]:
    """Extents, address strides and relevance of the tile loops."""
    blocking = Blocking.of(layer, acc)
    groups = blocking.walks_groups
    counts = tiling.counts(layer, blocking)
    dims = ("C", *reversed(tiling.order))
    strides = _strides(layer, acc, tiling, blocking, place_at.other - place_at.inputs)
    values: dict[str, int] = {}
    inner = dict.fromkeys(strides, 0)
    for level, dim in enumerate(dims):
        values[f"extent_{level}"] = counts[dim]
        for tensor, by_dim in strides.items():
            values[f"{tensor}_delta_{level}"] = by_dim.get(dim, 0) - inner[tensor]
            inner[tensor] += (counts[dim] - 1) * by_dim.get(dim, 0)
    for tensor, needed in relevant(layer).items():
        moving = [level for level, dim in enumerate(dims) if dim in needed and counts[dim] > 1]
        values[f"{tensor.removesuffix('s')}_relevant"] = sum(1 << level for level in moving)
    beats = acc.beats(acc.input_word_bits)
    return values | {
        "input_base": place_at.inputs - (layer.padding[0] * layer.W + layer.padding[1]) * beats,
        "weight_base": place_at.weights, "scale_base": place_at.scales, "output_base": place_at.outputs,
        "y_base": -layer.padding[0], "x_base": -layer.padding[1],
        "level_block": dims.index("G" if groups else "K"), "level_p": dims.index("P"), "level_q": dims.index("Q"),
        "level_dims": sum(DIM_CODES.index(dim) << (4 * level) for level, dim in enumerate(dims)),
    }  # fmt: skip


def _strides(layer: Layer, acc: Accelerator, tiling: Tiling, blocking: Blocking, other: int) -> dict[str, dict[str, int]]:
    """Beats (or input rows and columns) from one tile to the next, per tensor and dimension; `other`: to the second operand."""
    g_step = tiling.blocks if blocking.walks_groups else 1
    adds = layer.op == "add"  # the channel blocks are not planes of one tensor, but of two
    c_planes = 1 if adds else blocking.c_blocks
    in_beats, out_beats = acc.beats(acc.input_word_bits), acc.beats(acc.output_word_bits)
    w_beats, s_beats = acc.beats(acc.weight_word_bits), acc.beats(acc.scale_word_bits)
    plane = layer.H * layer.W * in_beats
    out_plane = layer.P * layer.Q * out_beats
    taps = layer.R * layer.S * blocking.weight_rows * w_beats
    k_tiles = tiling.counts(layer, blocking)["K"]
    down, right = tiling.p * layer.stride[0], tiling.q * layer.stride[1]
    return {
        "input": {
            "N": blocking.group_blocks * c_planes * plane, "G": g_step * c_planes * plane,
            "C": other if adds else tiling.c_blocks * plane, "P": down * layer.W * in_beats, "Q": right * in_beats,
        },
        # A tensor of factors lies as whatever made it left it.
        "weight": {"N": blocking.group_blocks * w_beats, "G": g_step * w_beats} if layer.op == "multiply" else {
            "G": tiling.blocks * k_tiles * blocking.c_blocks * taps, "K": tiling.blocks * blocking.c_blocks * taps,
            # A last K tile with fewer blocks keeps the stride of the others: addresses stay affine, a gap stays unread.
            "C": tiling.blocks * tiling.c_blocks * taps,
        },
        "scale": {
            "G": g_step * blocking.k_blocks * acc.post_groups * s_beats, "K": tiling.blocks * acc.post_groups * s_beats,
        },
        "output": {
            "N": blocking.group_blocks * blocking.k_blocks * out_plane, "G": g_step * blocking.k_blocks * out_plane,
            "K": tiling.blocks * out_plane, "P": tiling.p * layer.Q * out_beats, "Q": tiling.q * out_beats,
        },
        "y": {"P": down},
        "x": {"Q": right},
    }  # fmt: skip


def _tile_sizes(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Sizes of full and of last tiles, in blocks, pixels and beats."""
    blocking = Blocking.of(layer, acc)
    blocks, c_blocks = _edge(blocking.walked, tiling.blocks), _edge(blocking.c_blocks, tiling.c_blocks)
    p, q = _edge(layer.P, tiling.p), _edge(layer.Q, tiling.q)
    taps = layer.R * layer.S * blocking.weight_rows * acc.beats(acc.weight_word_bits)
    scale = acc.post_groups * acc.beats(acc.scale_word_bits)
    values = {"packed": blocking.packed if blocking.walks_groups else 1}
    for name, (full, edge) in {"blocks": blocks, "c": c_blocks, "p": p, "q": q}.items():
        values |= {f"{name}_full": full, f"{name}_edge": edge}
    for first in range(2):
        values[f"window_h_{_SIZES[first]}"] = window(layer, 0, p[first])
        values[f"window_w_{_SIZES[first]}"] = window(layer, 1, q[first])
        values[f"scale_beats_{_SIZES[first]}"] = blocks[first] * scale
        for second in range(2):
            suffix = _SIZES[first][0] + _SIZES[second][0]
            values[f"weight_beats_{suffix}"] = blocks[first] * c_blocks[second] * taps
            values[f"pixels_{suffix}"] = p[first] * q[second]
    beats, out_beats = acc.beats(acc.input_word_bits), acc.beats(acc.output_word_bits)
    return values | {
        "height": layer.H, "width": layer.W,
        "input_row_pitch": layer.W * beats, "input_plane_pitch": layer.H * layer.W * beats,
        "output_row_pitch": layer.Q * out_beats, "output_plane_pitch": layer.P * layer.Q * out_beats,
    }  # fmt: skip


def _array_fields(layer: Layer, acc: Accelerator, tiling: Tiling) -> dict[str, int]:
    """Fields that steer the walk inside a tile."""
    blocking = Blocking.of(layer, acc)
    packed = blocking.walks_groups
    pitch = min(layer.W, window(layer, 1, tiling.q))
    plane = pitch * min(layer.H, window(layer, 0, tiling.p))
    return {
        "tile_pitch": pitch, "tile_plane": plane, "block_plane": plane if packed else 0,
        "filter_r": layer.R, "filter_s": layer.S, "stride_y": layer.stride[0], "stride_x": layer.stride[1],
        "dilation_y": layer.dilation[0], "dilation_x": layer.dilation[1],
        "stride_y_pitch": layer.stride[0] * pitch, "dilation_y_pitch": layer.dilation[0] * pitch,
        "weight_rows": blocking.weight_rows,
        "group_rows": layer.C if packed else blocking.weight_rows,
        "group_lanes": layer.K if packed else acc.array.cols,
    }  # fmt: skip


def _channelwise_fields(layer: Layer, acc: Accelerator, place_at: Placement, post: Postprocess) -> dict[str, int]:
    """Fields of the path past the array: `*_0` for the first term of a sum, `other_zero` and `*_1` for the terms after it."""
    two = layer.op in {"add", "multiply"}
    values = {"op": OPS.index(layer.op), "other_zero": post.other_zero if two else post.input_zero}
    for number, coefficient in enumerate(post.coefficients if layer.op == "add" else (1, 1)):
        values[f"coefficient_{number}"] = coefficient
    if layer.op == "add":
        values["input_plane_pitch"] = place_at.other - place_at.inputs
    return values


_SIZES = ("full", "edge")


def _edge(total: int, tile: int) -> tuple[int, int]:
    """Return the size of full tiles and of the last tile."""
    full = min(tile, total)
    return full, total - (math.ceil(total / full) - 1) * full
