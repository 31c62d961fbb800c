"""The six dataflows of ISCA 2016 on equal area, with its energies (dense reference, 4).

Energies are relative to a MAC of 16 bits (1 stands for 1 pJ): register file 1, array 2, buffer 6, DRAM 200. A transfer is charged
to the more expensive of its two levels: filling a buffer or a register file is free, and sums are read and written.
"""

from __future__ import annotations

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel, Triple
from dataflows.nest.presets.common import ALL, near_square, positive, same
from dataflows.sram_tables import Curve

SOURCE = "Chen et al., ISCA 2016 (dense reference, 4.1 to 4.3)"
WORD = 16
AREA = Curve((8.0, 32.0, 64.0, 128.0, 256.0, 512.0, 4096.0), (14.0, 7.6, 4.6, 3.1, 2.1, 1.6, 1.0))
"""Area per byte of a memory against its bytes (4.2), read off the chart."""
FLIP_FLOP = 8.0
"""Area per byte of a memory of 2 bytes."""
RF_BYTES = {"rs": 512, "ws": 2, "osa": 94, "osb": 12, "osc": 2, "nlr": 0}
"""Register file of a PE. RS and OSA as charted (4.2), OSB what its charted buffer leaves, one word in WS and OSC, none in NLR."""
HOLDS = {
    "rs": ALL, "ws": {"weights"}, "osa": {"inputs", "outputs"}, "osb": {"inputs", "outputs"}, "osc": {"outputs"},
    "nlr": set[str](),
}  # fmt: skip
AXES = {
    "rs": ("RCKP", "PKC"), "ws": ("RCK", "SCK"), "osa": ("P", "QN"), "osb": ("PKN", "QKN"), "osc": ("KN", "KN"),
    "nlr": ("C", "K"),
}  # fmt: skip
"""Dimensions over rows and columns (4.3)."""


def area(size: float) -> float:
    """Return the normalised area of a memory of so many bytes (4.2)."""
    if size == 0:
        return 0.0
    return size * (FLIP_FLOP if size < AREA.kilobytes[0] else AREA(min(size, AREA.kilobytes[-1])))


def buffer_bytes(dataflow: str, pes: int) -> int:
    """Return the buffer that equal area leaves: PEs of 512 bytes and a buffer of 512 bytes for each, less register files."""
    budget = pes * area(512) + area(512 * pes)
    return int(budget - pes * area(RF_BYTES[dataflow])) // 2 * 2


def _build(dataflow: str, pes: int) -> Architecture:
    positive(f"isca16_{dataflow}", pes=pes)
    rows, cols = near_square(pes)
    over_rows, over_cols = AXES[dataflow]
    words = (WORD, WORD, WORD)
    sums: Triple = (0.0, 0.0, 1.0)
    axes = tuple(Axis(name, size, dims) for name, size, dims in (("rows", rows, over_rows), ("cols", cols, over_cols)))
    array = Fanout(axes, links=dataflow in ("rs", "osa", "osb"), hop_pj=2.0)
    size, held = RF_BYTES[dataflow], frozenset(HOLDS[dataflow])
    levels = [
        StorageLevel("dram", ALL, same(200.0), same(200.0), words, source="200 MACs (4.1)"),
        StorageLevel(
            "buffer", ALL, same(6.0), (0.0, 0.0, 6.0), words, capacity_bits=8 * buffer_bytes(dataflow, pes), fanout=array,
            source="6 MACs, array 2 (4.1); what equal area leaves (4.2)",
        ),
    ]  # fmt: skip
    if size:
        levels.append(
            StorageLevel("rf", held, same(1.0), sums, words, capacity_bits=8 * size, source=f"1 MAC (4.1); {size} bytes (4.2)")
        )
    title = {"rs": "row stationary", "ws": "weight stationary", "nlr": "no local reuse"}.get(dataflow, "output stationary")
    return Architecture(
        f"isca16_{dataflow}-{pes}", tuple(levels), mac_pj=1.0, psum_bits=WORD, source=SOURCE,
        description=f"{dataflow.upper()}, {title}, {pes} PEs. Energies in MACs. The axes' dimensions are a reading of the text.",
    )  # fmt: skip


def isca16_rs(pes: int = 256) -> Architecture:
    """Row stationary: 512 bytes per PE, all three kinds of reuse."""
    return _build("rs", pes)


def isca16_ws(pes: int = 256) -> Architecture:
    """Weight stationary: one weight per PE, sums pass between PEs and spill to the buffer."""
    return _build("ws", pes)


def isca16_osa(pes: int = 256) -> Architecture:
    """Output stationary, many pixels of one output channel."""
    return _build("osa", pes)


def isca16_osb(pes: int = 256) -> Architecture:
    """Output stationary, several pixels of several output channels."""
    return _build("osb", pes)


def isca16_osc(pes: int = 256) -> Architecture:
    """Output stationary, one pixel of many output channels."""
    return _build("osc", pes)


def isca16_nlr(pes: int = 256) -> Architecture:
    """No local reuse: the array holds nothing, sums meet across groups of PEs."""
    return _build("nlr", pes)
