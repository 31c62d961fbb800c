"""Tilings: the mappings our accelerator's sequencer accepts, as integers.

The sequencer walks tiles in DRAM order over N, G, K, P, Q in any order, with C innermost because partial sums of a
tile stay in the accumulator until they are complete. Inside a tile the array walks blocks: `rows` input channels by
`cols` output channels. Where a layer has groups small enough, several share one block (block-diagonal weights), so a
depthwise layer keeps a full row or column of PEs busy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dataflows.arch import ARRAY_BITS, Accelerator
from dataflows.compact import level_index
from dataflows.errors import SpecError
from dataflows.feasible import Infeasible, InfeasibleError
from dataflows.limits import program_limits
from dataflows.mapping import Level, Loop, Mapping
from dataflows.residency import resident
from dataflows.workload import Layer

LEVELS = ("dram", "buffer", "array")
"""Levels of a mapping on our own hardware, outermost first."""
OUTER_DIMS = ("N", "G", "K", "P", "Q")

RELEVANT = {"inputs": frozenset("NGCPQ"), "weights": frozenset("GKC"), "scales": frozenset("GK")}
"""Tile loops whose index selects another tile of a loaded tensor, for layers with weights of their own; see `relevant`."""
_OF_IMAGES = RELEVANT | {"weights": frozenset("NG")}


def relevant(layer: Layer) -> dict[str, frozenset[str]]:
    """Return the tile loops whose index selects another tile of a loaded tensor: factors of `multiply` are an image's own."""
    return _OF_IMAGES if layer.op == "multiply" else RELEVANT


@dataclass(frozen=True, slots=True)
class Blocking:
    """How a layer's channels fall into array blocks.

    Attributes
    ----------
    packed : int
        Groups that share one block (block-diagonal); 1 when a group has blocks of its own. Channel by channel, the
        channels of a block.
    group_blocks : int
        Blocks (packed) or groups (not packed) that the G loop walks.
    k_blocks, c_blocks : int
        Blocks per group along K and C; both 1 when packed, but 2 along C where two tensors are added.
    weight_rows : int
        Weight words stored for one block and filter tap: 0 where an operation has no weights.
    """

    packed: int
    group_blocks: int
    k_blocks: int
    c_blocks: int
    weight_rows: int

    @classmethod
    def of(cls, layer: Layer, acc: Accelerator) -> Blocking:
        """Block `layer` for the array of `acc`; channel by channel, a block is min(rows, cols) channels."""
        rows, cols = acc.array.rows, acc.array.cols
        if layer.op != "mac":
            lanes = min(rows, cols, layer.G)
            return cls(lanes, math.ceil(layer.G / lanes), 1, layer.C, int(layer.op == "multiply"))
        packed = min(rows // layer.C, cols // layer.K, layer.G)
        if packed >= 2:
            return cls(packed, math.ceil(layer.G / packed), 1, 1, layer.C)
        return cls(1, layer.G, math.ceil(layer.K / cols), math.ceil(layer.C / rows), min(layer.C, rows))

    @property
    def walks_groups(self) -> bool:
        """Whether the blocks of a tile are blocks of groups, each with one plane of inputs; else they are of output channels."""
        return self.packed > 1 and self.c_blocks == 1

    @property
    def walked(self) -> int:
        """Blocks that the block loop walks, a tile's `blocks` at a time: of groups (`walks_groups`) or of output channels."""
        return self.group_blocks if self.walks_groups else self.k_blocks


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tile sizes and tile order.

    Attributes
    ----------
    blocks : int
        Output blocks per tile: K blocks, or G blocks when groups are packed.
    c_blocks : int
        Input-channel blocks per tile (1 when packed).
    p, q : int
        Output rows and columns per tile.
    order : tuple of str
        Permutation of N, G, K, P, Q, outermost first; C follows as the innermost tile loop.
    """

    blocks: int
    c_blocks: int
    p: int
    q: int
    order: tuple[str, ...] = OUTER_DIMS

    def counts(self, layer: Layer, blocking: Blocking) -> dict[str, int]:
        """Return how many tiles each dimension has."""
        groups = blocking.walks_groups
        return {
            "N": layer.N,
            "G": math.ceil(blocking.group_blocks / self.blocks) if groups else blocking.group_blocks,
            "K": 1 if groups else math.ceil(blocking.k_blocks / self.blocks),
            "P": math.ceil(layer.P / self.p),
            "Q": math.ceil(layer.Q / self.q),
            "C": math.ceil(blocking.c_blocks / self.c_blocks),
        }


def channels_of_block(layer: Layer, acc: Accelerator) -> int:
    """Input channels of a group in one block: `rows`; channel by channel 1, the others of the block being other groups'."""
    return acc.array.rows if layer.op == "mac" else 1


def window(layer: Layer, axis: int, outputs: int) -> int:
    """Input rows (axis 0) or columns (axis 1) that `outputs` adjacent outputs reach, padding included."""
    taps = (layer.R, layer.S)[axis]
    return (outputs - 1) * layer.stride[axis] + (taps - 1) * layer.dilation[axis] + 1


def tile_words(layer: Layer, blocking: Blocking, tiling: Tiling) -> dict[str, int]:
    """Return the words one full tile takes in each buffer."""
    planes = tiling.blocks if blocking.walks_groups else tiling.c_blocks
    height = min(layer.H, window(layer, 0, tiling.p))
    width = min(layer.W, window(layer, 1, tiling.q))
    return {
        "input_buffer": planes * height * width,
        "weight_buffer": tiling.blocks * tiling.c_blocks * layer.R * layer.S * blocking.weight_rows,
        "accumulator": tiling.blocks * tiling.p * tiling.q,
        "scale_buffer": tiling.blocks,
    }


def capacity(acc: Accelerator) -> dict[str, int]:
    """Return the words a tile may take in each buffer (scale buffer: blocks)."""
    return {
        "input_buffer": acc.input_words,
        "weight_buffer": acc.weight_words,
        "accumulator": acc.acc_words,
        "scale_buffer": acc.tile_blocks,
    }


REMEDY = {
    "input_buffer": "raise input_words, or use smaller p, q or c_blocks",
    "weight_buffer": "raise weight_words, or use smaller blocks or c_blocks",
    "accumulator": "raise acc_words, or use smaller blocks, p or q",
    "scale_buffer": "raise tile_blocks, or use smaller blocks",
}


def violations(layer: Layer, acc: Accelerator, tiling: Tiling) -> list[Infeasible]:
    """Return every buffer that `tiling` overfills, operand widths the array and sizes the layer program does not have."""
    blocking, room = Blocking.of(layer, acc), capacity(acc)
    pitch = min(layer.W, window(layer, 1, tiling.q))
    found = width_violations(layer, acc) + program_limits(layer, blocking.k_blocks, blocking.c_blocks, pitch)
    if layer.op != "mac" and not acc.channelwise:
        remedy = "use a design with channelwise: true"
        found.append(Infeasible("accelerator", 1, 0, f"channel-wise paths for {layer.op}", remedy, layer.name))
    for level, demand in tile_words(layer, blocking, tiling).items():
        if demand > room[level]:
            unit = "blocks" if level == "scale_buffer" else "words"
            found.append(Infeasible(level, demand, room[level], unit, REMEDY[level], layer.name))
    return found


def width_violations(layer: Layer, acc: Accelerator) -> list[Infeasible]:
    """Return operand-width mismatches; the array computes at one width."""
    found = []
    for operand in ("input_bits", "weight_bits") if layer.op in {"mac", "multiply"} else ("input_bits",):
        need, have = getattr(layer, operand), getattr(acc.array, operand)
        if need > have:
            wide = next(bits for bits in ARRAY_BITS if bits >= need)
            found.append(Infeasible("array", need, have, "bits", f"use an array with {operand}: {wide}", layer.name))
    need, have = layer.output_bits or 0, acc.array.input_bits
    if need > have:  # outputs are stored as inputs of the next layer
        found.append(Infeasible("array", need, have, "output bits", "requantise outputs to the width of inputs", layer.name))
    return found


def axis_violations(loops: Iterable[Loop], acc: Accelerator, subject: str) -> list[Infeasible]:
    """Return the axes of the array that are shorter than the loops on them."""
    found = []
    spatial = list(loops)
    for axis, size in (("rows", acc.array.rows), ("cols", acc.array.cols)):
        used = math.prod(loop.extent for loop in spatial if loop.axis == axis)
        if used > size:
            remedy = f"unroll at most {size} there, or use an array with {axis}: {used}"
            found.append(Infeasible("array", used, size, f"instances on {axis}", remedy, subject))
    return found


def smallest(layer: Layer, acc: Accelerator) -> list[Infeasible]:
    """Return why not even the smallest tile fits (empty when one does)."""
    return violations(layer, acc, Tiling(1, 1, 1, 1))


def mapping_of(layer: Layer, acc: Accelerator, tiling: Tiling) -> Mapping:
    """Write a tiling as the loop nest the hardware walks."""
    blocking = Blocking.of(layer, acc)
    counts = tiling.counts(layer, blocking)
    rows, cols = acc.array.rows, acc.array.cols
    packed, groups = blocking.packed > 1, blocking.walks_groups
    depth = channels_of_block(layer, acc)
    step = {"N": 1, "P": min(tiling.p, layer.P), "Q": min(tiling.q, layer.Q), "K": layer.K, "C": layer.C}
    step["G"] = min((tiling.blocks if groups else 1) * blocking.packed, layer.G)
    if not groups:
        step["K"] = min(tiling.blocks * cols, layer.K)
        step["C"] = min(tiling.c_blocks * depth, layer.C)
    dram = [Loop(dim, counts[dim], step[dim]) for dim in (*tiling.order, "C")]
    fold = Loop("G", tiling.blocks, blocking.packed) if groups else Loop("K", tiling.blocks, min(cols, layer.K))
    channel = Loop("C", tiling.c_blocks, min(depth, layer.C))
    taps = [channel, Loop("R", layer.R), Loop("S", layer.S)]
    lanes_k = [Loop("G", blocking.packed, axis="cols")] if packed else []
    lanes_k.append(Loop("K", min(cols, layer.K), axis="cols"))
    lanes_c = [Loop("G", blocking.packed, axis="rows")] if packed else []
    lanes_c.append(Loop("C", blocking.weight_rows, axis="rows"))
    if layer.op != "mac":  # past the array: a lane of an input word to the accumulator of the same column
        buffer = [fold, *taps, Loop("P", step["P"]), Loop("Q", step["Q"])]
        spatial = lanes_k
    elif not acc.array.outputs_stay:
        buffer = [fold, *taps, Loop("P", step["P"]), Loop("Q", step["Q"])]
        spatial = [*lanes_c, *lanes_k]
    else:
        pixels = step["P"] * step["Q"]
        within = [Loop("G", blocking.packed)] if packed else []
        within.append(Loop("C", blocking.weight_rows))
        buffer = [fold, Loop("PQ", math.ceil(pixels / rows), rows), *taps, *within]
        spatial = [Loop("PQ", min(rows, pixels), axis="rows"), *lanes_k]
    return Mapping((Level("dram", tuple(dram)), Level("buffer", tuple(buffer)), Level("array", tuple(spatial))))


def tiling_of(layer: Layer, acc: Accelerator, mapping: Mapping) -> Tiling:
    """Read a mapping back.

    Loops of one iteration may be left out: a dimension without a tile loop is one tile. Levels may be called ``L2``, ``L1``,
    ``L0``.

    Raises
    ------
    SpecError
        For a nest the sequencer does not accept.
    InfeasibleError
        If an axis of the array is shorter than the loops on it.
    """
    mapping = by_name(mapping)
    if reasons := axis_violations([loop for level in mapping.levels[:3] for loop in level.loops], acc, layer.name):
        raise InfeasibleError(reasons)
    blocking = Blocking.of(layer, acc)
    given = mapping.level("dram").loops
    dims = tuple(loop.dim for loop in given)
    if len(set(dims)) < len(dims) or set(dims) - {*OUTER_DIMS, "C"} or "C" in dims[:-1]:
        raise SpecError("mapping.dram", dims, "each of N, G, K, P, Q once in any order, then C", "reorder the tile loops")
    order = tuple(dict.fromkeys(dim for dim in (*dims, *OUTER_DIMS) if dim != "C"))
    step = {dim: getattr(layer, dim) for dim in (*OUTER_DIMS, "C")} | {loop.dim: loop.step for loop in given}
    if blocking.walks_groups:
        blocks, c_blocks = math.ceil(step["G"] / blocking.packed), 1
    else:
        blocks, c_blocks = math.ceil(step["K"] / acc.array.cols), math.ceil(step["C"] / channels_of_block(layer, acc))
    tiling = Tiling(blocks, c_blocks, step["P"], step["Q"], order)
    expected = mapping_of(layer, acc, tiling)
    for got, want in zip(mapping.levels, expected.levels, strict=False):
        if got.name != want.name or not _same_walk(got.loops, want.loops):
            found, allowed = ([str(loop) for loop in level.loops] for level in (got, want))
            raise SpecError(f"mapping.{got.name}", found, str(allowed), "use the nest of docs/mappings.md")
    if len(mapping.levels) != len(expected.levels):
        raise SpecError("mapping.levels", len(mapping.levels), "dram, buffer, array", "give all three levels")
    return tiling


def fixed_residency(name: str, path: str) -> None:
    """Raise `SpecError` for a level of our own hardware whose name says which tensors stay there."""
    said = resident(name)
    if said is None or not said.plain:
        found = name if said is None else f"{name}, tensors that stay at a level"
        fix = "leave out brackets, holds and bypass; architectures of mode timeloop take them"
        raise SpecError(path, found, "the level's name alone: what our hardware keeps at a level is fixed", fix)


def by_name(mapping: Mapping) -> Mapping:
    """Return a mapping for our own hardware with its levels by name, which may be given as ``L2``, ``L1`` or ``L0``.

    Raises
    ------
    SpecError
        For levels that there are not, and for levels that say which tensors stay there.
    """
    levels = []
    for number, level in enumerate(mapping.levels):
        path = f"mapping.levels[{number}]"
        fixed_residency(level.name, path)
        levels.append(Level(LEVELS[level_index(level.name, LEVELS, path)], level.loops))
    return Mapping(tuple(levels))


def _same_walk(got: tuple[Loop, ...], want: tuple[Loop, ...]) -> bool:
    """Whether `got` is `want`, up to loops of one iteration that it leaves out."""
    rest = iter(got)
    loop = next(rest, None)
    for expected in want:
        if loop == expected:
            loop = next(rest, None)
        elif expected.extent > 1:
            return False
    return loop is None
