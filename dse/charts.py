"""Pictures of an exploration as inline SVG, drawn by Matplotlib from result.json."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dataflows.errors import SpecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Result = dict[str, Any]
WIDE, HALF = 9.0, 5.4  # inches; the page scales pictures to one column or to half of it
FAR = 4  # trials worse than the best by more than this factor are not shown
INK, FAINT, ACCENT, WARM = "#1d2733", "#b6c2cf", "#0b6e99", "#c8553d"
LEVELS = {
    "dram": "#c8553d", "input_buffer": "#0b6e99", "weight_buffer": "#4fa3c7", "accumulator": "#6b8e4e",
    "output_buffer": "#a7c080", "scale_buffer": "#d9b44a", "activation_table": "#8c6d31", "array": "#5b4b8a",
    "post": "#a393c9", "leakage": "#5d6b78",
}  # fmt: skip
OPERANDS = {
    "inputs": "#0b6e99", "weights": "#4fa3c7", "psums": "#6b8e4e", "outputs": "#a7c080", "scales": "#d9b44a",
    "tables": "#8c6d31", "program": "#9aa5b1", "macs": "#5b4b8a", "products": "#a393c9", "logic": "#5d6b78", "sram": "#b9a3a3",
}  # fmt: skip
STYLE: dict[Any, Any] = {
    "font.size": 9, "font.family": ["DejaVu Sans"], "svg.fonttype": "path", "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": "#7a8794", "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "legend.frameon": False,
    "axes.titlesize": 10, "axes.titlelocation": "left", "axes.axisbelow": True,
}  # fmt: skip
UNITS = {"edp": "pJ x cycles", "energy": "pJ", "latency": "cycles"}


def draw(size: tuple[float, float], paint: Callable[[Axes], None], name: str) -> str:
    """Return one picture of (width, height) inches as an ``<svg>`` element; its identifiers begin with `name`."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        fix = "install it with: pip install 'systolith[dse]'"
        raise SpecError("matplotlib", "not installed", "the matplotlib package, for the report", fix) from error
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        return _inline(figure, name)


def _inline(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # Identifiers are per page, not per picture; sizes are the page's business.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg xmlns:xlink="http://www.w3.org/1999/xlink" \1>', svg, count=1)


def front(result: Result) -> str:
    """Draw energy against cycles of all trials."""

    def paint(axes: Axes) -> None:
        trials, best = result["trials"], result["best"]
        for flow, colour in (("ws", ACCENT), ("os", "#6b8e4e")):
            points = [t for t in trials if t["dataflow"] == flow]
            if points:
                label = f"trial, {'weight' if flow == 'ws' else 'output'} stationary"
                _scatter(axes, points, s=12, color=colour, alpha=0.45, linewidths=0, label=label)
        axes.plot(*_xy(result["front"]), color=INK, linewidth=1, label="Pareto front", drawstyle="steps-post")
        _scatter(axes, result["baselines"], s=38, marker="D", color=WARM, label="human baseline, same mapper", zorder=4)
        _scatter(axes, [best], s=150, marker="*", color="#f2b705", edgecolors=INK, linewidths=0.7, label="winner", zorder=5)
        axes.set(xscale="log", yscale="log", xlabel="cycles of the network (log)", ylabel="energy of the network, mJ (log)")
        shown = [*trials, *result["baselines"], best]
        for which, limit in ((0, axes.set_xlim), (1, axes.set_ylim)):
            values = sorted(_xy(shown)[which])
            known = max(_xy([*result["baselines"], best])[which])
            limit(values[0] * 0.95, max(known, min(values[-1], values[0] * FAR)) * 1.05)
        _plain_ticks(axes)
        axes.grid(color="#e8edf2", which="both")
        axes.legend(loc="lower right", fontsize=8)

    return draw((HALF, 4.0), paint, "front")


def progress(result: Result) -> str:
    """Draw the objective of every trial and the best so far."""

    def paint(axes: Axes) -> None:
        objective = result["objective"]
        values = [_value(t, objective) for t in result["trials"]]
        axes.plot(range(1, len(values) + 1), values, ".", color=FAINT, markersize=3, label="trial")
        steps = result["search"]["best_so_far"]
        axes.step([s[0] for s in steps], [s[1] for s in steps], where="post", color=ACCENT, linewidth=1.8, label="best so far")
        base = result["baseline"]
        axes.axhline(base["value"], color=WARM, linewidth=1, linestyle="--", label=f"best baseline: {base['name']}")
        axes.set(yscale="log", xlabel="evaluations", ylabel=f"{objective}, {UNITS[objective]} (log)")
        axes.set_ylim(min(values) * 0.93, max(min(values) * FAR**2, base["value"] * 1.2))
        axes.grid(color="#e8edf2", which="both")
        axes.legend(loc="upper right", fontsize=8)

    return draw((HALF, 4.0), paint, "progress")


def layer_cycles(result: Result) -> str:
    """Draw where the cycles of each distinct layer go."""
    layers = result["best"]["layers"]
    parts = {
        "array busy": (ACCENT, [x["array_busy"] for x in layers]),
        "waiting for data": (WARM, [x["wait_load"] for x in layers]),
        "waiting for accumulators": ("#d9b44a", [x["wait_accumulator"] for x in layers]),
        "set-up, drain, last store": (
            FAINT, [x["cycles"] - x["array_busy"] - x["wait_load"] - x["wait_accumulator"] for x in layers]
        ),
    }  # fmt: skip
    scaled = {label: (c, [v * x["count"] / 1e3 for v, x in zip(vs, layers, strict=True)]) for label, (c, vs) in parts.items()}
    return _bars("thousand cycles, all occurrences", layers, scaled, "cycles")


def layer_energy(result: Result) -> str:
    """Draw the energy of each distinct layer by level."""
    layers = result["best"]["layers"]
    parts = {
        level.replace("_", " "): (
            colour,
            [x["count"] * sum(x["energy_by_level_pj"].get(level, {}).values()) / 1e6 for x in layers],
        )
        for level, colour in LEVELS.items()
    }
    return _bars("energy, uJ, all occurrences", layers, parts, "energy")


def level_energy(result: Result) -> str:
    """Draw the energy of the network by level and operand."""

    def paint(axes: Axes) -> None:
        energy = result["best"]["energy_by_level_pj"]
        names = [name for name in LEVELS if name in energy]
        left = [0.0] * len(names)
        for operand, colour in OPERANDS.items():
            widths = [energy[name].get(operand, 0.0) / 1e9 for name in names]
            if any(widths):
                axes.barh([name.replace("_", " ") for name in names], widths, left=left, color=colour, label=operand)
                left = [a + b for a, b in zip(left, widths, strict=True)]
        total = sum(left)
        for row, end in enumerate(left):
            axes.text(end + total / 200, row, f"{end:.3g} mJ, {end / total:.0%}", va="center", fontsize=8)
        axes.set(xlabel="energy of the network, mJ", xlim=(0, max(left) * 1.22))
        axes.invert_yaxis()
        axes.legend(loc="lower right", fontsize=8)

    return draw((WIDE, 3.1), paint, "levels")


def roofline(result: Result) -> str:
    """Draw achieved multiply-accumulates per cycle against multiply-accumulates per byte of DRAM traffic."""

    def paint(axes: Axes) -> None:
        best, bandwidth = result["best"], result["budget"]["bandwidth_bytes_per_cycle"]
        peak, layers = best["macs_per_cycle"], best["layers"]
        intensity = [x["macs"] / x["dram_bytes"] for x in layers]
        low, high = min([*intensity, peak / bandwidth]) / 2, max([*intensity, peak / bandwidth]) * 2
        roof = [low, peak / bandwidth, high]
        label = f"roof: {peak} MACs, {bandwidth:g} B per cycle"
        axes.plot(roof, [min(peak, x * bandwidth) for x in roof], color=INK, linewidth=1.2, label=label)
        kinds = {"conv": ACCENT, "depthwise": WARM, "gemm": "#6b8e4e", "grouped": "#5b4b8a"}
        for kind, colour in kinds.items():
            chosen = [(i, x) for i, x in zip(intensity, layers, strict=True) if x["kind"] == kind]
            if chosen:
                x, y = [i for i, _ in chosen], [layer["macs"] / layer["cycles"] for _, layer in chosen]
                sizes = [14 + 500 * layer["count"] * layer["cycles"] / best["cycles"] for _, layer in chosen]
                axes.scatter(x, y, s=sizes, color=colour, alpha=0.55, linewidths=0, label=kind)
        axes.set(xscale="log", yscale="log", xlabel="MACs per byte of DRAM traffic (log)", ylabel="MACs per cycle (log)")
        axes.grid(color="#e8edf2", which="major")
        legend = axes.legend(loc="lower right", fontsize=8)
        for handle in legend.legend_handles[1:]:
            if handle is not None:
                handle.set_sizes([36])  # type: ignore[attr-defined]

    return draw((WIDE, 4.2), paint, "roofline")


def _bars(label: str, layers: Sequence[Result], parts: dict[str, tuple[str, list[float]]], name: str) -> str:
    """Draw stacked horizontal bars, one row per distinct layer in order of execution."""

    def paint(axes: Axes) -> None:
        rows = range(len(layers))
        left = [0.0] * len(layers)
        for title, (colour, widths) in parts.items():
            axes.barh(rows, widths, left=left, color=colour, label=title, height=0.78)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        marks = [f"{_short(x['name'])}{' x' + str(x['count']) if x['count'] > 1 else ''}" for x in layers]
        axes.set_yticks(list(rows), marks, fontsize=8)
        axes.set(xlabel=label, ylim=(len(layers) - 0.4, -0.6))
        axes.grid(color="#e8edf2", axis="x")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4 if len(parts) > 4 else 2, fontsize=7.5)

    return draw((HALF, 1.1 + 0.19 * len(layers)), paint, name)


def _scatter(axes: Axes, points: Sequence[Result], **style: Any) -> None:
    axes.scatter(*_xy(points), **style)


def _xy(points: Sequence[Result]) -> tuple[list[float], list[float]]:
    return [p["cycles"] for p in points], [p["energy_pj"] / 1e9 for p in points]


def _plain_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
        axis.set_major_formatter(FuncFormatter(lambda value, _at: f"{value:.3g}" if value < 1e4 else f"{value / 1e6:g} M"))
        axis.set_minor_formatter(NullFormatter())


def _value(point: Result, objective: str) -> float:
    return {"edp": point["edp"], "energy": point["energy_pj"], "latency": point["cycles"]}[objective]


def _short(name: str) -> str:
    return name if len(name) <= 24 else "..." + name[-21:]
