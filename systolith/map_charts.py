"""Charts of a mapped network: layers under the roofs of memory and multipliers, and where their energy goes."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from systolith import console

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dataflows.arch import Accelerator
    from dataflows.nest.architecture import Architecture
    from dataflows.nest.cost import NestCost
    from mappers.nest.network import NestNetwork
    from mappers.network import NetworkMapping

HUES = {"dram": "#c8553d", "array": "#5b4b8a", "mac": "#5b4b8a", "network": "#9c5ba8", "leakage": "#5d6b78", "post": "#a393c9"}
OTHERS = ("#0b6e99", "#6b8e4e", "#c99a2e", "#3c8d8a", "#a3637a", "#7a6f5d")
SHADES = (0.0, 0.32, 0.58, 0.76)
"""How far towards white the parts of a level go, largest part first."""
SMALL = 0.005
"""Share of the network's energy below which a part of a level is drawn with the rest."""
REST = "rest"
LABELS = 12
"""Points that get a name."""
Parts = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Point:
    """A distinct layer.

    Attributes
    ----------
    name, count : str, int
        What it is called, and how often it occurs.
    macs, cycles : int
        Of one occurrence.
    dram_bytes : float
        To and from memory, of one occurrence.
    energy : dict
        ``{(level, part): pJ}`` of one occurrence.
    """

    name: str
    count: int
    macs: int
    cycles: int
    dram_bytes: float
    energy: Parts


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and what it shows."""

    title: str
    svg: str
    caption: str


def of_machine(mapped: NetworkMapping, acc: Accelerator) -> list[Chart]:
    """Draw layers on our own accelerator."""
    points = []
    for each in mapped.layers:
        cost = each.result.cost
        beats = sum(count for tensor in cost.levels["dram"].values() for count in tensor.values())
        energy = _parts(cost.energy_by_level)
        points.append(Point(each.name, each.count, cost.macs, cost.latency_cycles, beats * acc.memory.bus_bytes, energy))
    return charts(points, acc.array.macs, acc.memory.bus_bytes / acc.memory.interval)


def of_nests(found: NestNetwork, arch: Architecture) -> list[Chart]:
    """Draw layers on a loop-nest architecture."""
    points = []
    for name, count, result in found.layers:
        cost = result.cost
        points.append(Point(name, count, cost.macs, cost.cycles, _bytes(cost), _parts(cost.energy_by_level)))
    memory = arch.levels[0]
    ports = [port for port in (memory.read_bandwidth, memory.write_bandwidth) if port is not None]
    rate = memory.bandwidth or (sum(ports) if len(ports) == 2 else None)
    wide = max(_access_bits(arch, at) for at in range(3)) / 8
    return charts(points, arch.pes, None if rate is None else rate * wide)


def charts(points: Sequence[Point], peak: int, bandwidth: float | None) -> list[Chart]:
    """Return the roofline and the energies; nothing, and a note, where Matplotlib is not installed.

    Parameters
    ----------
    points : sequence of Point
        Distinct layers in order of execution.
    peak : int
        Multiply-accumulates per cycle at most.
    bandwidth : float or None
        Bytes per cycle to and from memory at most.
    """
    if importlib.util.find_spec("matplotlib") is None:
        console.say("charts are left out of the page: install matplotlib with: pip install 'systolith[dse]'")
        return []
    points = [point for point in points if point.cycles]
    found = [_roofline([point for point in points if point.macs and point.dram_bytes], peak, bandwidth)] if points else []
    return [*found, *([_energy(points)] if any(point.energy for point in points) else [])]


def _parts(by_level: dict[str, dict[str, float]]) -> Parts:
    return {(level, part): pj for level, parts in by_level.items() for part, pj in parts.items() if pj}


def _bytes(cost: NestCost) -> float:
    """Return the bytes of all accesses to the outermost level."""
    from dataflows.nest.rules import TENSORS

    accesses = cost.accesses[cost.arch.levels[0].name]
    wide = {tensor: _access_bits(cost.arch, at) / 8 for at, tensor in enumerate(TENSORS)}
    return sum(float(reads + writes) * wide[tensor] for tensor, (reads, writes) in accesses.items())


def _access_bits(arch: Architecture, tensor: int) -> int:
    memory = arch.levels[0]
    return memory.row_bits or memory.word_bits[tensor] or 1


def _roofline(points: Sequence[Point], peak: int, bandwidth: float | None) -> Chart:
    """Draw achieved multiply-accumulates per cycle against multiply-accumulates per byte."""
    from dse.charts import ACCENT, INK, WARM, WIDE, draw

    total = sum(point.count * point.cycles for point in points) or 1
    intensity = [point.macs / point.dram_bytes for point in points]
    reached = [point.macs / point.cycles for point in points]

    def paint(axes: Axes) -> None:
        knee = [] if bandwidth is None else [peak / bandwidth]
        low, high = min([*intensity, *knee]) / 2, max([*intensity, *knee]) * 2
        if bandwidth is not None:
            label = f"memory, {bandwidth:g} B per cycle"
            axes.plot([low, *knee], [low * bandwidth, peak], color=WARM, linewidth=1.3, label=label)
        axes.plot([*(knee or [low]), high], [peak, peak], color=INK, linewidth=1.3, label=f"{peak:,} multipliers")
        shares = [point.count * point.cycles / total for point in points]
        sizes = [16 + 500 * share for share in shares]
        axes.scatter(intensity, reached, s=sizes, color=ACCENT, alpha=0.5, linewidths=0, label="a layer; area: share of cycles")
        # The slowest and the longest are those to look at.
        order = sorted(range(len(points)), key=lambda at: (reached[at] > peak / 2, -shares[at]))[:LABELS]
        for x, y, text in _labels([(intensity[at], reached[at], points[at].name) for at in order], low, high):
            axes.annotate(text, (x, y), xytext=(0, -11), textcoords="offset points", fontsize=6.5, ha="center", va="top")
        axes.set(xscale="log", yscale="log", xlabel="MACs per byte to and from memory (log)", ylabel="MACs per cycle (log)")
        axes.set(xlim=(low, high), ylim=(min(reached) / 2.2, peak * 1.5))
        axes.grid(color="#e8edf2", which="major")
        legend = axes.legend(loc="lower right", fontsize=8)
        handle = legend.legend_handles[-1]
        if handle is not None:
            handle.set_sizes([36])  # type: ignore[attr-defined]

    caption = "Each point is a distinct layer under its mapping. "
    if bandwidth is None:
        caption += "The memory's bandwidth has no limit here, so there is one roof."
    else:
        caption += (
            "Under the slanted roof the memory's port limits it, under the flat one the multipliers; how far it stays below "
            "is what mapping, padding and waiting cost."
        )
    return Chart("Roofline", draw((WIDE, 4.2), paint, "map-roofline"), caption)


def _labels(named: list[tuple[float, float, str]], low: float, high: float) -> list[tuple[float, float, str]]:
    """Return the names that do not lie upon those before them."""
    taken: list[tuple[float, float]] = []
    kept = []
    for x, y, text in named:
        at = math.log(x / low) / math.log(high / low), math.log(y)
        if all(abs(at[0] - u) > 0.13 or abs(at[1] - v) > 0.22 for u, v in taken):
            taken.append(at)
            kept.append((x, y, _short(text)))
    return kept


def _energy(points: Sequence[Point]) -> Chart:
    """Draw the energy of each layer by level and tensor."""
    from dse.charts import WIDE, draw

    parts = _order(points)
    colours = _colours(list(parts))

    def paint(axes: Axes) -> None:
        rows, left = range(len(points)), [0.0] * len(points)
        for part, members in parts.items():
            widths = [point.count * sum(point.energy.get(each, 0.0) for each in members) / 1e6 for point in points]
            label = " ".join(part).strip().replace("_", " ")
            axes.barh(rows, widths, left=left, color=colours[part], label=label, height=0.78)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        marks = [_short(point.name) + (f" x{point.count}" if point.count > 1 else "") for point in points]
        axes.set_yticks(list(rows), marks, fontsize=8)
        axes.set(xlabel="energy, uJ, all occurrences", ylim=(len(points) - 0.4, -0.6))
        axes.grid(color="#e8edf2", axis="x")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=7.5)

    caption = f"Parts of less than {SMALL:.1%} of the network's energy are drawn together as rest."
    return Chart("Energy by level and tensor", draw((WIDE, max(2.6, 0.9 + 0.19 * len(points))), paint, "map-energy"), caption)


def _order(points: Sequence[Point]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return what is drawn, in levels' order and the largest part of a level first, and what each is the sum of."""
    sums: Parts = {}
    for point in points:
        for part, pj in point.energy.items():
            sums[part] = sums.get(part, 0.0) + point.count * pj
    total = sum(sums.values())
    levels = list(dict.fromkeys(level for level, _ in sums))
    shown = sorted((part for part in sums if sums[part] >= SMALL * total), key=lambda part: (levels.index(part[0]), -sums[part]))
    rest = [part for part in sums if part not in shown]
    return {part: [part] for part in shown} | ({(REST, ""): rest} if rest else {})


def _colours(parts: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return a hue per level, lighter for its smaller parts."""
    found, free, number = {}, iter(OTHERS * len(parts)), dict[str, int]()
    hues: dict[str, str] = {}
    for level, part in parts:
        if level not in hues:
            hues[level] = "#c9d1d9" if level == REST else HUES.get(level) or next(free)
        at = number[level] = number.get(level, -1) + 1
        found[level, part] = _lighter(hues[level], SHADES[min(at, len(SHADES) - 1)])
    return found


def _lighter(colour: str, share: float) -> str:
    channels = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(each + (255 - each) * share):02x}" for each in channels)


def _short(name: str) -> str:
    return name if len(name) <= 24 else "..." + name[-21:]
