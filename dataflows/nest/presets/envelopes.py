"""Plain hierarchies that searches start from: the resource sets of NAAS, and Interstellar's energies."""

from __future__ import annotations

from typing import Any

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.presets.common import ALL, positive, same

_EVERY = ["weights", "inputs", "outputs"]


def _naas(name: str, size: tuple[int, int], l1: int, l2: int, dram: int, text: str) -> Architecture:
    """Build 8-bit PEs with `l1` bytes each around a buffer of `l2` bytes and a DRAM of `dram` bytes per cycle."""
    rows, cols = size
    axes = [{"name": "rows", "size": rows}, {"name": "cols", "size": cols}]
    words = {"weights": 8, "inputs": 8, "outputs": 8}
    data: dict[str, Any] = {
        "name": name, "technology": "45nm", "psum_bits": 32, "datapath": "parallel",
        "source": "NAAS-like resources (codesign reference, 1.5); 45 nm table",
        "description": f"{text} NAAS prints names, not numbers; any dimension on either axis. Rows of 64 bits assumed.",
        "levels": [
            {"name": "dram", "holds": _EVERY, "bandwidth": dram, "dram": "lpddr4", "source": f"{dram} bytes per cycle (1.5)"},
            {
                "name": "l2", "holds": _EVERY, "word_bits": words, "row_bits": 64, "capacity_bits": 8 * l2,
                "fanout": {"axes": axes}, "source": f"{l2:,} bytes (1.5)",
            },
            {"name": "l1", "holds": _EVERY, "word_bits": words, "capacity_bits": 8 * l1, "source": f"{l1} bytes (1.5)"},
        ],
    }  # fmt: skip
    return Architecture.from_dict(data)


def naas_edgetpu() -> Architecture:
    """EdgeTPU-class: 4096 PEs, 8 MB in all."""
    text = "64 x 64 PEs and 8 MB in all, 64 bytes of it in each PE: recalled and assumed."
    return _naas("naas_edgetpu", (64, 64), 64, (8 << 20) - 4096 * 64, 32, text)


def naas_nvdla1024() -> Architecture:
    """NVDLA with 1024 multipliers: 512 KB."""
    text = "64 x 16 PEs and a buffer of 512 KB as in NVDLA's large model; 64 bytes per PE beside it assumed."
    return _naas("naas_nvdla1024", (64, 16), 64, 512 << 10, 64, text)


def naas_nvdla256() -> Architecture:
    """NVDLA with 256 multipliers: 128 KB."""
    text = "16 x 16 PEs and a buffer of 128 KB as in nv_small_256; 64 bytes per PE beside it assumed."
    return _naas("naas_nvdla256", (16, 16), 64, 128 << 10, 32, text)


def naas_eyeriss() -> Architecture:
    """Eyeriss-class: 168 PEs of 512 bytes, 108,000 bytes shared."""
    return _naas(
        "naas_eyeriss", (12, 14), 512, 108_000, 8, "12 x 14 PEs of 512 bytes, 108,000 bytes shared, as in GAMMA's example."
    )


def naas_shidiannao() -> Architecture:
    """ShiDianNao-class: 64 PEs, 288 KB in all."""
    text = "8 x 8 PEs and 288 KB in all (recalled), 64 bytes of it in each PE (assumed)."
    return _naas("naas_shidiannao", (8, 8), 64, (288 << 10) - 64 * 64, 8, text)


def interstellar(rows: int = 16, cols: int = 16, rf_bytes: int = 512, buffer_kb: int = 256) -> Architecture:
    """Plain three-level hierarchy with Interstellar's energies for 16-bit words, 28 nm class (codesign reference, 5.5).

    The register file takes 0.96 pJ at 512 bytes and in proportion to its size, the buffer 20 pJ at 256 KB (131,072 words) and 1.5
    times as much when twice as large, DRAM 200 pJ, a hop between neighbours 0.035 pJ, a MAC 0.075 pJ (recalled).

    Parameters
    ----------
    rows, cols : int
        PEs.
    rf_bytes : int
        Register file of a PE.
    buffer_kb : int
        Shared buffer.
    """
    positive("interstellar", rows=rows, cols=cols, rf_bytes=rf_bytes, buffer_kb=buffer_kb)
    words = (16, 16, 16)
    register, buffer = same(0.96 * rf_bytes / 512), same(round(20 * (buffer_kb / 256) ** _LOG2_OF_1_5, 6))
    array = Fanout((Axis("rows", rows), Axis("cols", cols)), links=True, hop_pj=0.035)
    return Architecture(
        f"interstellar-{rows}x{cols}",
        (
            StorageLevel("dram", ALL, same(200.0), same(200.0), words, source="200 pJ (5.5)"),
            StorageLevel(
                "buffer", ALL, buffer, buffer, words, capacity_bits=buffer_kb * 8192, fanout=array,
                source="9, 13.5, 20 pJ for 32, 64, 128 K words (5.5)",
            ),
            StorageLevel("rf", ALL, register, register, words, capacity_bits=8 * rf_bytes, source="0.96 pJ at 512 bytes (5.5)"),
        ),
        mac_pj=0.075,
        source="Interstellar, ASPLOS 2020 (codesign reference, 5.5)",
        description="Any dimension on either axis. Units of the buffer are taken for 16-bit words.",
    )  # fmt: skip


_LOG2_OF_1_5 = 0.5849625007211562
