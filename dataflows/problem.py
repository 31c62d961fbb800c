"""One layer on one accelerator: the sizes that all closed forms share, worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dataflows.arch import Accelerator
from dataflows.tiling import Blocking, Tiling
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class Problem:
    """What no tiling changes.

    Attributes
    ----------
    blocking : Blocking
        How channels fall into array blocks.
    walks_groups : bool
        Whether a tile's blocks are blocks of groups (`Blocking.walks_groups`).
    out_blocks : int
        Output blocks of the layer, over all groups, for one image.
    folds : int
        Folds needed to compute every output block once at one tile of pixels: out_blocks x c_blocks x R x S.
    outputs : int
        Output words of the layer.
    live_rows : int
        Array rows that get a weight word in a fold; channel by channel, weight words read for a fold.
    weight_words : int
        Words of all weights, or factors, once.
    input_reads : int
        Words read from the input buffer: one for every pixel and fold whose tap lies in the image.
    input_beats, weight_beats, scale_beats, output_beats : int
        Memory beats of one word of each tensor.
    """

    blocking: Blocking
    walks_groups: bool
    out_blocks: int
    folds: int
    outputs: int
    live_rows: int
    weight_words: int
    input_reads: int
    input_beats: int
    weight_beats: int
    scale_beats: int
    output_beats: int


@dataclass(frozen=True, slots=True)
class Tiles:
    """What a tiling makes of it.

    Attributes
    ----------
    blocks, channels, p, q : int
        Sizes of a full tile, no larger than the layer: output blocks, input-channel blocks, output rows and columns.
    last_blocks, last_p, last_q : int
        Sizes of the last tile.
    number : dict
        Tiles by dimension.
    c_tiles, pixel_tiles, channel_tiles : int
        Tiles over C, over P and Q, over G, K and C.
    shapes : tuple of (int, int)
        Pixels of a tile and how many tiles of the output plane have so many.
    """

    blocks: int
    channels: int
    p: int
    q: int
    last_blocks: int
    last_p: int
    last_q: int
    number: dict[str, int]
    c_tiles: int
    pixel_tiles: int
    channel_tiles: int
    shapes: tuple[tuple[int, int], ...]

    def pixel_blocks(self, rows: int) -> int:
        """Return the groups of at most `rows` pixels over all tiles of the output plane."""
        return sum(number * -(-pixels // rows) for pixels, number in self.shapes)


@lru_cache(maxsize=1024)
def problem(layer: Layer, acc: Accelerator) -> Problem:
    """Return the sizes of `layer` on `acc`."""
    bk = Blocking.of(layer, acc)
    out_blocks = bk.group_blocks * bk.k_blocks
    taps = taps_in_image(layer, 0) * taps_in_image(layer, 1)
    return Problem(
        blocking=bk,
        walks_groups=bk.walks_groups,
        out_blocks=out_blocks,
        folds=out_blocks * bk.c_blocks * layer.R * layer.S,
        outputs=layer.N * out_blocks * layer.P * layer.Q,
        live_rows=bk.packed * layer.C if bk.packed > 1 and layer.op == "mac" else bk.weight_rows,
        weight_words=out_blocks * bk.c_blocks * layer.R * layer.S * bk.weight_rows * (layer.N if layer.op == "multiply" else 1),
        input_reads=layer.N * out_blocks * bk.c_blocks * taps,
        input_beats=acc.beats(acc.input_word_bits),
        weight_beats=acc.beats(acc.weight_word_bits),
        scale_beats=acc.beats(acc.scale_word_bits),
        output_beats=acc.beats(acc.output_word_bits),
    )


@lru_cache(maxsize=64)
def tiles(layer: Layer, acc: Accelerator, tiling: Tiling) -> Tiles:
    """Return the sizes of a tiling; kept for as long as one evaluation needs them."""
    one = problem(layer, acc)
    bk = one.blocking
    blocks, k_tiles, last_blocks = _cut(bk.walked, tiling.blocks)
    channels, c_tiles, _ = _cut(bk.c_blocks, tiling.c_blocks)
    p, p_tiles, last_p = _cut(layer.P, tiling.p)
    q, q_tiles, last_q = _cut(layer.Q, tiling.q)
    g_tiles, k_tiles = (k_tiles, 1) if one.walks_groups else (bk.group_blocks, k_tiles)
    corners = (
        (p * q, (p_tiles - 1) * (q_tiles - 1)),
        (p * last_q, p_tiles - 1),
        (last_p * q, q_tiles - 1),
        (last_p * last_q, 1),
    )
    return Tiles(
        blocks, channels, p, q, last_blocks, last_p, last_q,
        {"N": layer.N, "G": g_tiles, "K": k_tiles, "P": p_tiles, "Q": q_tiles, "C": c_tiles},
        c_tiles, p_tiles * q_tiles, g_tiles * k_tiles * c_tiles, tuple(each for each in corners if each[1]),
    )  # fmt: skip


def _cut(whole: int, tile: int) -> tuple[int, int, int]:
    """Return (size of a full tile, how many tiles, size of the last one)."""
    if tile >= whole:
        return whole, 1, whole
    number = -(-whole // tile)
    return tile, number, whole - (number - 1) * tile


def taps_in_image(layer: Layer, axis: int) -> int:
    """Return how many (output, tap) pairs of one axis read inside the image."""
    size, outputs, taps = ((layer.H, layer.P, layer.R), (layer.W, layer.Q, layer.S))[axis]
    stride, dilation, pad = layer.stride[axis], layer.dilation[axis], layer.padding[axis]
    inside = 0
    for tap in range(taps):
        offset = tap * dilation - pad  # 0 <= output * stride + offset < size
        first = max(0, -(offset // stride))
        last = min(outputs - 1, (size - 1 - offset) // stride)
        inside += max(0, last - first + 1)
    return inside
