"""How much of a 16 x 16 array ResNet-50 uses, layer by layer: docs/utilisation.md.

Run with ``python -m benchmarks.utilisation``. Every layer takes the better of the two dataflows, mapped for latency; cycles are
those of the exact schedule, which equals the Verilog.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataflows.networks import network
from dataflows.schedule import schedule
from mappers.network import map_network
from mappers.search import SearchMapper
from systolith.specs import accelerator

NETWORK = "resnet50"
ARCHS = ("ws-16x16", "os-16x16")
GEMMINI_FRAMES, GEMMINI_HZ = 22.8, 1e9
PAGE = Path(__file__).parent.parent / "docs" / "utilisation.md"
HEAD = """# ResNet-50 on 256 multipliers

`python -m benchmarks.utilisation` writes this page ({date}). Batch 1, int8, {archs}, buffers and memory of the
presets (16 bytes a cycle); every layer takes the better dataflow, mapped for latency. Cycles are exact: the Verilog
takes as many.

**{total:,} cycles, {share:.1%} of the array's peak**: {frames:.1f} frames a second at 1 GHz. Gemmini's 16 x 16 array with
im2col in hardware is quoted with 22.8 frames a second at 1 GHz (dense reference, 9.5, marked there as from memory),
{gemmini:.1%} of the same peak. That figure includes its host and its memory system; ours has the memory profile of the
preset, and no pooling, additions and softmax.

| layer | times | K x C x R x S, P x Q | dataflow | cycles | utilisation | limited by |
|---|---|---|---|---|---|---|
"""


def reason(row: dict[str, Any], layer: Any) -> str:
    """Say what keeps a layer from the peak."""
    if row["utilization"] > 0.97:
        return "-"
    if row["bound"] != "compute":
        return f"{row['bound']}: more words than the port moves beside the work"
    if layer.C < 16:
        return f"{layer.C} of 16 rows have an input channel"
    if layer.P * layer.Q < 16:
        return f"{layer.P * layer.Q} pixels: weights are reloaded faster than they are used"
    edges = [f"{name} = {size} leaves {size % 16} of 16" for name, size in (("K", layer.K), ("C", layer.C)) if size % 16]
    return "; ".join(edges) or "first load, weight changes, last store"


def main() -> None:
    """Map, choose, write."""
    net = network(NETWORK)
    found = []
    for arch in ARCHS:
        acc = accelerator(arch)
        mapped = map_network(net, acc, SearchMapper(), "latency", exact_cycles=lambda *job: schedule(*job).cycles)
        found.append(mapped.to_dict(acc)["layers"])
    layers = {layer.name: layer for layer, _ in net.distinct()}
    lines, total = [], 0
    for rows in zip(*found, strict=True):
        best = min(range(len(ARCHS)), key=lambda at: rows[at]["cycles"])
        row, layer = rows[best], layers[rows[best]["name"]]
        total += row["cycles"] * row["count"]
        shape = f"{layer.K} x {layer.C} x {layer.R} x {layer.S}, {layer.P} x {layer.Q}"
        share = layer.macs / (256 * row["cycles"])
        lines.append(
            f"| {layer.name} | {row['count']} | {shape} | {ARCHS[best][:2]} | {row['cycles']:,} | {share:.1%} | "
            f"{reason({**row, 'utilization': share}, layer)} |\n"
        )
    head = HEAD.format(
        date=datetime.now(UTC).date(), archs=" and ".join(ARCHS), total=total, share=net.macs / (256 * total), frames=1e9 / total,
        gemmini=net.macs * GEMMINI_FRAMES / (256 * GEMMINI_HZ),
    )  # fmt: skip
    PAGE.write_text(head + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
