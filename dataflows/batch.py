"""Many tilings of one layer at once: bound cycles and energy as NumPy arrays, equal to the scalar closed forms.

Everything that no tiling changes is worked out once per layer and accelerator; the rest is a few array operations.
Integers are int64: exact below 2**63, which the counts of any layer that finishes within a century stay under.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.bound import turns
from dataflows.cost import rates
from dataflows.problem import problem
from dataflows.tech import Technology
from dataflows.tiling import relevant, window
from dataflows.workload import Layer

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What `Batch.figures` returns, one entry per tiling.

    Attributes
    ----------
    bound_cycles : ndarray, int64
        As `dataflows.bound.Bound.cycles`.
    energy_pj : ndarray, float64
        As `dataflows.cost.Cost.energy_pj`.
    switched_pj : ndarray, float64
        The same without what leaks in `bound_cycles`.
    compute, dram_beats : ndarray, int64
        As `Bound.compute` and `Counts.dram_beats`.
    """

    bound_cycles: Ints
    energy_pj: Floats
    switched_pj: Floats
    compute: Ints
    dram_beats: Ints


@dataclass(frozen=True, slots=True)
class Features:
    """All that figures depend on, one entry per tiling; no figure falls when one of them grows.

    So figures of features that are each too small bound those of the tilings from below (`mappers.boxes`).

    Attributes
    ----------
    words : dict
        Words fetched from DRAM of ``inputs``, ``weights``, ``scales``.
    channel_tiles, c_tiles, pixel_tiles : ndarray, int64
        Tiles over G, K and C; over C; over P and Q.
    waves : ndarray, int64
        Over all tiles of the output plane. Weight stationary: the longer of a tile's pixels and the array's rows. Output
        stationary: groups of at most `rows` pixels. Channel by channel it is not looked at.
    first_load, first_tile : ndarray, int64
        Beats of program and first step; cycles in which the first output tile is issued.
    last : ndarray, int64
        Words of the last output tile.
    """

    words: dict[str, Ints]
    channel_tiles: Ints
    c_tiles: Ints
    pixel_tiles: Ints
    waves: Ints
    first_load: Ints
    first_tile: Ints
    last: Ints


class Batch:
    """Evaluate tilings of one layer on one accelerator.

    Parameters
    ----------
    layer : Layer
        The layer as it is mapped.
    acc : Accelerator
        The hardware.
    tech : Technology
        Energy table.
    program_beats : int
        Beats of the layer program.
    """

    def __init__(self, layer: Layer, acc: Accelerator, tech: Technology, program_beats: int = 0) -> None:
        self.layer, self.acc, self.program_beats = layer, acc, program_beats
        self.one = one = problem(layer, acc)
        self.blocking, self.walks_groups, self.block_total = one.blocking, one.walks_groups, one.blocking.walked
        self.out_blocks, self.folds, self.outputs = one.out_blocks, one.folds, one.outputs
        self.beats = {
            "inputs": one.input_beats, "weights": one.weight_beats, "scales": one.scale_beats, "outputs": one.output_beats,
        }  # fmt: skip
        self.rate = rates(acc, tech)
        self.fixed_pj = self._fixed_energy()

    def _fixed_energy(self) -> float:
        """Energy of what no tiling changes: input reads, post-processing, outputs, multiply-accumulates, program."""
        layer, rate = self.layer, self.rate.levels
        return (
            self.one.input_reads * rate["input_buffer"][0]
            + self.outputs * (sum(rate["output_buffer"]) + self.rate.post_pj)
            + self.outputs * self.acc.post_groups * rate["scale_buffer"][0]
            + self.outputs * self.beats["outputs"] * rate["dram"][1]
            + self.program_beats * rate["dram"][0]
            + layer.macs * (self.rate.mac_pj if layer.op == "mac" else self.rate.lane_pj)
        )

    def figures(self, blocks: Ints, c_blocks: Ints, p: Ints, q: Ints, order: tuple[str, ...]) -> Figures:
        """Evaluate tilings that share an order; the four arrays broadcast against each other."""
        return self.price(self.features(blocks, c_blocks, p, q, order))

    def features(self, blocks: Ints, c_blocks: Ints, p: Ints, q: Ints, order: tuple[str, ...]) -> Features:
        """Return what the figures of such tilings depend on."""
        layer, bk = self.layer, self.blocking
        k_blocks, full_c = np.minimum(blocks, self.block_total), np.minimum(c_blocks, bk.c_blocks)
        full_p, full_q = np.minimum(p, layer.P), np.minimum(q, layer.Q)
        block_tiles = -(-self.block_total // k_blocks)
        c_tiles, p_tiles, q_tiles = -(-bk.c_blocks // full_c), -(-layer.P // full_p), -(-layer.Q // full_q)
        tiles = {
            "N": layer.N, "C": c_tiles,
            "G": block_tiles if self.walks_groups else bk.group_blocks, "K": 1 if self.walks_groups else block_tiles,
            "P": p_tiles, "Q": q_tiles,
        }  # fmt: skip
        edge_p, edge_q = layer.P - (p_tiles - 1) * full_p, layer.Q - (q_tiles - 1) * full_q
        return Features(
            words=self._fetched(tiles, order, full_p, full_q),
            channel_tiles=tiles["G"] * tiles["K"] * c_tiles,
            c_tiles=c_tiles,
            pixel_tiles=p_tiles * q_tiles,
            waves=self.waves(full_p, full_q),
            first_load=self.first_load(k_blocks, full_c, full_p, full_q),
            first_tile=self.first_tile(k_blocks, full_p * full_q, c_tiles),
            last=(self.block_total - (block_tiles - 1) * k_blocks) * edge_p * edge_q,
        )

    def price(self, features: Features) -> Figures:
        """Return the figures of tilings by their features."""
        layer, acc, words, last = self.layer, self.acc, features.words, features.last
        if layer.op != "mac":
            compute, energy = self._channelwise(features.pixel_tiles)
        elif not acc.array.outputs_stay:
            compute, energy = self._weight_stationary(features)
        else:
            compute, energy = self._output_stationary(features)
        loads = sum((n * self.beats[tensor] for tensor, n in words.items()), np.int64(0))
        dram = loads + self.program_beats + self.outputs * self.beats["outputs"]
        steps = layer.N * features.channel_tiles * features.pixel_tiles
        alternate = turns(layer, acc, np.asarray(steps), np.asarray(loads), compute)
        chain = np.maximum(
            self._port(features.first_load)
            + np.maximum(compute + last * acc.post_groups, features.first_tile + self.outputs * acc.post_groups),
            self.program_beats + alternate + last * acc.post_groups,
        ) + self._port(last * self.beats["outputs"])
        cycles = np.maximum(self._port(dram), chain)
        levels = self.rate.levels
        for tensor, level in (("inputs", "input_buffer"), ("weights", "weight_buffer"), ("scales", "scale_buffer")):
            energy = energy + words[tensor] * (levels[level][1] + self.beats[tensor] * levels["dram"][0])
        switched = energy + self.fixed_pj
        energy = switched + sum(self.rate.leakage.values()) * cycles
        return Figures(*np.broadcast_arrays(cycles, energy, switched, compute, dram))

    def waves(self, p: Ints, q: Ints) -> Ints:
        """Return `Features.waves` of tiles of p x q outputs."""
        layer, rows = self.layer, self.acc.array.rows
        p_tiles, q_tiles = -(-layer.P // p), -(-layer.Q // q)
        edge_p, edge_q = layer.P - (p_tiles - 1) * p, layer.Q - (q_tiles - 1) * q
        classes = (
            ((p_tiles - 1) * (q_tiles - 1), p * q), (p_tiles - 1, p * edge_q), (q_tiles - 1, edge_p * q),
            (np.int64(1), edge_p * edge_q),
        )  # fmt: skip
        stay = self.acc.array.outputs_stay
        return np.asarray(sum(n * (-(-pixels // rows) if stay else np.maximum(pixels, rows)) for n, pixels in classes))

    def _fetched(self, tiles: dict, order: tuple[str, ...], p: Ints, q: Ints) -> dict[str, Ints]:
        """Words fetched from DRAM per tensor: the whole tensor times the irrelevant loops that repeat it."""
        layer, bk = self.layer, self.blocking
        planes = layer.N * bk.group_blocks * bk.c_blocks
        whole = {
            "inputs": planes * self.windows(0, p) * self.windows(1, q),
            "weights": self.one.weight_words,
            "scales": self.out_blocks * self.acc.post_groups,
        }
        for tensor, needed in relevant(layer).items():
            moved = np.False_  # has a relevant loop been seen inside?
            for dim in ("C", *reversed(order)):
                if dim in needed:
                    moved = moved | (tiles[dim] > 1)
                else:
                    whole[tensor] = whole[tensor] * np.where(moved, tiles[dim], 1)
        return whole

    def windows(self, axis: int, tile: Ints) -> Ints:
        """Return input rows or columns of all tiles of one pass: ends minus starts, both clipped to the image."""
        layer = self.layer
        size, outputs = ((layer.H, layer.P), (layer.W, layer.Q))[axis]
        tiles = -(-outputs // tile)
        advance, pad = tile * layer.stride[axis], layer.padding[axis]
        whole = window(layer, axis, outputs) - pad  # where the last tile's window ends
        reach = window(layer, axis, 1) + (tile - 1) * layer.stride[axis] - pad
        ends = _clipped(reach, advance, tiles - 1, size) + np.clip(whole, 0, size)
        return ends - _clipped(np.asarray(-pad), advance, tiles, size)

    def first_load(self, blocks: Ints, c_blocks: Ints, p: Ints, q: Ints) -> Ints:
        """Return the beats of program and first step, for sizes no larger than the layer."""
        layer = self.layer
        rows, cols = (
            np.clip(window(layer, axis, 1) + (tile - 1) * layer.stride[axis] - layer.padding[axis], 0, size)
            for axis, (size, tile) in enumerate(((layer.H, p), (layer.W, q)))
        )
        weights = blocks * c_blocks * (layer.R * layer.S * self.blocking.weight_rows * self.beats["weights"])
        scales = blocks * (self.acc.post_groups * self.beats["scales"])
        inputs = (blocks if self.walks_groups else c_blocks) * (rows * cols * self.beats["inputs"])
        return inputs + weights + scales + self.program_beats

    def first_tile(self, blocks: Ints, pixels: Ints, c_tiles: Ints) -> Ints:
        """Return the cycles in which the first output tile is issued, all its C tiles."""
        rows = self.acc.array.rows
        folds = blocks * (self.blocking.c_blocks * self.layer.R * self.layer.S)
        if self.layer.op != "mac":
            return folds * pixels
        if self.acc.array.outputs_stay:
            return -(-pixels // rows) * folds * rows + c_tiles * rows
        return c_tiles * (rows + pixels) + (folds - c_tiles) * np.maximum(pixels, rows)

    def _port(self, beats: Ints | np.int64) -> Ints:
        return np.asarray((beats - 1) * self.acc.memory.interval + 1)

    def _weight_stationary(self, features: Features) -> tuple[Ints, Any]:
        layer, rate, rows = self.layer, self.rate, self.acc.array.rows
        pixel_tiles, channel_tiles, longest = features.pixel_tiles, features.channel_tiles, features.waves
        compute = layer.N * (channel_tiles * (pixel_tiles * rows + layer.P * layer.Q) + (self.folds - channel_tiles) * longest)
        array, cols = self.acc.array, self.acc.array.cols
        slots = layer.N * self.folds * layer.P * layer.Q
        per_pe_pj = sum(pj for operand, pj in rate.array.items() if operand != "weights")
        slot_pj = array.macs * per_pe_pj + rows * (rows - 1) // 2 * rate.array["inputs"]
        loads = layer.N * self.folds * pixel_tiles
        shifts_pj = ((rows + 2) * array.macs + rows * cols * (cols - 1) // 2) * rate.array["weights"]
        updates = self.outputs * self.blocking.c_blocks * layer.R * layer.S
        energy = (
            loads * (self.one.live_rows * rate.levels["weight_buffer"][0] + shifts_pj)
            + updates * sum(rate.levels["accumulator"])
            + slots * slot_pj
        )
        return compute, energy

    def _channelwise(self, pixel_tiles: Ints) -> tuple[Ints, Any]:
        layer, rate = self.layer, self.rate
        words = layer.N * self.folds * layer.P * layer.Q
        factors = layer.N * self.folds * pixel_tiles * self.one.live_rows
        lanes_pj = words * self.acc.channel_lanes * sum(rate.lanes.values())
        energy = factors * rate.levels["weight_buffer"][0] + words * sum(rate.levels["accumulator"]) + lanes_pj
        return np.broadcast_to(np.int64(words), np.shape(pixel_tiles)), energy

    def _output_stationary(self, features: Features) -> tuple[Ints, Any]:
        layer, rate, rows = self.layer, self.rate, self.acc.array.rows
        pixel_blocks, c_tiles = layer.N * features.waves, features.c_tiles
        compute = pixel_blocks * (self.folds * rows) + layer.N * features.channel_tiles * features.pixel_tiles * rows
        array, cols = self.acc.array, self.acc.array.cols
        slots = pixel_blocks * (self.folds * rows)
        slot_pj = (
            array.macs * sum(rate.array.values())
            + rows * (rows + 1) // 2 * rate.array["inputs"]
            + cols * (cols + 1) // 2 * rate.array["weights"]
        )
        drains = pixel_blocks * c_tiles * (self.out_blocks * (array.macs + cols * rows * (rows + 1) // 2))
        energy = (
            pixel_blocks * (self.folds * self.one.live_rows * rate.levels["weight_buffer"][0])
            + self.outputs * c_tiles * sum(rate.levels["accumulator"])
            + slots * slot_pj
            + drains * rate.array["psums"]
        )
        return compute, energy


def _clipped(start: Ints, step: Ints, terms: Ints, top: int) -> Ints:
    """Sum of ``start + i*step`` clipped to 0..top over i in 0..terms-1."""

    def above(offset: Ints) -> Ints:
        first = np.clip(-(offset // step), 0, terms)
        left = terms - first
        return left * (offset + first * step) + step * left * (left - 1) // 2

    return above(start) - above(start - top)
