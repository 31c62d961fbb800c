"""A layer's sizes in the form that the command line reads."""

from __future__ import annotations

from dataflows.workload import Layer


def sizes(layer: Layer) -> str:
    """Return ``conv:K=64,C=3,...`` or ``gemm:M=...``; input sizes where they do not follow from the others."""
    if layer.kind == "gemm" and layer.N == 1:
        return f"gemm:M={layer.Q},N={layer.K},K={layer.C}"
    parts = {"N": layer.N, "G": layer.G, "K": layer.G * layer.K, "C": layer.G * layer.C}
    parts |= {"P": layer.P, "Q": layer.Q, "R": layer.R, "S": layer.S}
    shown = [f"{name}={value}" for name, value in parts.items() if value > 1 or name in "KCPQ"]
    for name, pair in (("stride", layer.stride), ("dilation", layer.dilation)):
        if pair != (1, 1):
            shown.append(f"{name}={pair[0]}" if pair[0] == pair[1] else f"{name}={pair[0]}x{pair[1]}")
    if any(layer.padding):
        same = len(set(layer.padding)) == 1
        shown.append(f"padding={layer.padding[0]}" if same else f"padding={'x'.join(map(str, layer.padding))}")
    return "conv:" + ",".join(shown)
