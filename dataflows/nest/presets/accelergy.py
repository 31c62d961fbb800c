"""Architectures with the energies that Accelergy gave for them, by parameters."""

from __future__ import annotations

from dataclasses import replace

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel, Triple
from dataflows.nest.presets.common import ALL, KB, positive, same

_W, _I, _O = "weights", "inputs", "outputs"


def gemmini_dosa(dim: int = 16, scratchpad_kb: int = 128, accumulator_kb: int = 64) -> Architecture:
    """Gemmini-like design of the DOSA data set: C on rows, K on columns, weights in registers, outputs per column.

    Energies of Accelergy and CACTI at 40 nm for 8-bit operands and 32-bit sums; area is a fit to 95 designs (median error
    5 %, worst 18 %) (codesign reference, 5.3).

    Parameters
    ----------
    dim : int
        Rows and columns.
    scratchpad_kb : int
        Scratchpad for weights and inputs.
    accumulator_kb : int
        Accumulators of all columns together.
    """
    positive("gemmini_dosa", dim=dim, scratchpad_kb=scratchpad_kb, accumulator_kb=accumulator_kb)
    accumulator = same(1.94 + 0.1005 * accumulator_kb / dim)
    scratchpad = same(0.49 + 0.02513 * scratchpad_kb)
    register = same(0.4875)
    area = 0.0138 + 0.00109 * dim + 0.000405 * dim**2 + 0.00260 * scratchpad_kb + 0.00555 * accumulator_kb
    return _sourced("codesign reference, 5.3", Architecture(
        name=f"gemmini_dosa-{dim}x{dim}",
        levels=(
            StorageLevel("dram", ALL, same(100.0), same(100.0), bandwidth=8, block_words=64),
            StorageLevel(
                "scratchpad", frozenset((_W, _I)), scratchpad, scratchpad, capacity_bits=scratchpad_kb * KB,
                bandwidth=2 * dim, fanout=Fanout((Axis("cols", dim, "K"),)),
            ),
            StorageLevel(
                "accumulator", frozenset((_O,)), accumulator, accumulator, word_bits=(8, 8, 32),
                capacity_bits=accumulator_kb * KB // dim, bandwidth=2, fanout=Fanout((Axis("rows", dim, "C"),)),
            ),
            StorageLevel("register", frozenset((_W,)), register, register, capacity_bits=8),
        ),
        mac_pj=0.5608,
        psum_bits=32,
        area_um2=area * 1e6,
        source="DOSA data set: Accelergy and CACTI, 40 nm, 8 bit",
        description="Gemmini-like designs of 8 bit. Area is a fit to 95 of them, off by 5 % (median) and 18 % (worst).",
    ))  # fmt: skip


def tri256() -> Architecture:
    """TRI-256, a plain architecture to compare mappers on: 16 x 16 PEs, one buffer, one register file per PE, 16-bit words.

    Energies are ratios: MAC 1, register file 1, buffer 6, DRAM 200 pJ; no limit on bandwidth, any dimension on either axis.
    """
    words = (16, 16, 16)
    array = Fanout((Axis("rows", 16), Axis("cols", 16)))
    return _sourced("made to compare mappers", Architecture(
        name="tri256",
        levels=(
            StorageLevel("dram", ALL, same(200.0), same(200.0), words),
            StorageLevel("glb", ALL, same(6.0), same(6.0), words, capacity_bits=65536 * 16, fanout=array),
            StorageLevel("rf", ALL, same(1.0), same(1.0), words, capacity_bits=256 * 16),
        ),
        mac_pj=1.0,
        source="comparison of mappers; energy ratios after Eyeriss",
        description="Made to compare mappers: ratios 1, 6, 200, no limit on bandwidth, any dimension on either axis.",
    ))  # fmt: skip


def gemmini(dim: int = 16, scratchpad_kb: int = 512, accumulator_kb: int = 256) -> Architecture:
    """Gemmini with the energies that FactorFlow uses for 16 x 16, 512 KB and 256 KB (codesign reference, 5.4).

    The energies stay those of the default sizes when the parameters change.
    """
    positive("gemmini", dim=dim, scratchpad_kb=scratchpad_kb, accumulator_kb=accumulator_kb)
    return _sourced("codesign reference, 5.4", Architecture(
        name=f"gemmini-{dim}x{dim}",
        levels=(
            StorageLevel("dram", ALL, same(64.0), same(64.0)),
            StorageLevel(
                "scratchpad", frozenset((_W, _I)), same(3.47), same(3.47), capacity_bits=scratchpad_kb * KB,
                fanout=Fanout((Axis("cols", dim, "K"),)),
            ),
            StorageLevel(
                "accumulator", frozenset((_O,)), same(4.01), same(4.01), word_bits=(8, 8, 32),
                capacity_bits=accumulator_kb * KB // dim, fanout=Fanout((Axis("rows", dim, "C"),)),
            ),
            StorageLevel("register", frozenset((_W,)), same(0.01), same(0.01), capacity_bits=8),
        ),
        mac_pj=0.28,
        psum_bits=32,
        source="Accelergy, as in FactorFlow: Gemmini 16x16",
        description="Energies are those of 16 x 16, 512 and 256 KB, whatever the parameters say.",
    ))  # fmt: skip


def eyeriss() -> Architecture:
    """Eyeriss: 14 x 12 PEs, 128 K entries of shared buffer that weights pass by, three buffers per PE (codesign reference, 5.4).

    Words count as 16 bit. Links between neighbours let the buffer send each input row once along a diagonal.
    """
    words = (16, 16, 16)
    array = Fanout((Axis("rows", 12), Axis("cols", 14)), links=True)
    buffers: Triple = (1.97, 0.69, 1.34)
    return _sourced("codesign reference, 5.4", Architecture(
        name="eyeriss",
        levels=(
            StorageLevel("dram", ALL, same(64.0), same(64.0), words),
            StorageLevel("glb", frozenset((_I, _O)), same(2.02), same(2.02), words, capacity_bits=131072 * 16, fanout=array),
            StorageLevel("pe", ALL, buffers, buffers, words, capacity_bits=(384 * 16, 24 * 16, 32 * 16)),
        ),
        mac_pj=0.21,
        source="Accelergy, as in FactorFlow: Eyeriss 14x12",
        description="Words count as 16 bit. The chip itself is eyeriss_v1.",
    ))  # fmt: skip


def simba() -> Architecture:
    """Simba: 16 PEs of 16 multipliers, 64 K entries of shared buffer that weights pass by (codesign reference, 5.4).

    The sizes of the PE buffers count as entries of one PE; words are 8 bit and sums 24 bit.
    """
    words = (8, 8, 24)
    buffers: Triple = (15.16, 30.26, 3.93)
    return _sourced("codesign reference, 5.4", Architecture(
        name="simba",
        levels=(
            StorageLevel("dram", ALL, same(64.0), same(64.0)),
            StorageLevel(
                "glb", frozenset((_I, _O)), same(1.85), same(1.85), capacity_bits=65536 * 8, fanout=Fanout((Axis("rows", 16),))
            ),
            StorageLevel(
                "pe", ALL, buffers, buffers, words, capacity_bits=(32768 * 8, 65536 * 8, 128 * 24),
                fanout=Fanout((Axis("cols", 16),)),
            ),
            StorageLevel("register", frozenset((_W,)), same(0.70), same(0.70), capacity_bits=8),
        ),
        mac_pj=0.32,
        psum_bits=24,
        source="Accelergy, as in FactorFlow: Simba 16 x 16",
        description="Sizes of the PE buffers count as entries of one PE; words are 8 bit and sums 24 bit.",
    ))  # fmt: skip


def tpu_v1() -> Architecture:
    """TPU v1: 256 x 256 PEs, 24 M entries of unified buffer, weights by a FIFO straight from DRAM (codesign reference, 5.4).

    The FIFO is four tiles of 256 x 256 words deep and the accumulators hold 4096 sums of 32 bit per column (dense reference, 6).
    """
    return _sourced("codesign reference, 5.4; dense reference, 6", Architecture(
        name="tpu_v1",
        levels=(
            StorageLevel("dram", ALL, same(560.0), same(560.0)),
            StorageLevel("unified_buffer", frozenset((_I, _O)), same(19.66), same(19.66), capacity_bits=24 * 2**20 * 8),
            StorageLevel(
                "weight_fifo", frozenset((_W,)), same(2.11), same(2.11), capacity_bits=4 * 65536 * 8,
                fanout=Fanout((Axis("cols", 256, "K"),)),
            ),
            StorageLevel(
                "accumulator", frozenset((_O,)), same(3.03), same(3.03), word_bits=(8, 8, 32), capacity_bits=4096 * 32,
                fanout=Fanout((Axis("rows", 256, "CRS"),)),
            ),
            StorageLevel("register", frozenset((_W,)), same(0.01), same(0.01), capacity_bits=8),
        ),
        mac_pj=0.15,
        psum_bits=32,
        clock_mhz=700,
        source="Accelergy, as in FactorFlow: TPU v1",
        description="FIFO of four tiles of 256 x 256 words, 4096 sums per column.",
    ))  # fmt: skip


def _sourced(source: str, arch: Architecture) -> Architecture:
    """Name the source of the sizes and energies of every level."""
    return replace(arch, levels=tuple(replace(level, source=source) for level in arch.levels))
