"""A layer's sizes in the form that the command line reads."""

from __future__ import annotations

from dataflows.workload import Layer

_GEMM = ("C", "K", "Q", "G")


def sizes(layer: Layer) -> str:
    """Return ``gemm:M=...``, ``conv:K=64,C=3,...`` by output or else by input size, or ``nest:...`` where nothing less says it.

    Operations channel by channel are nests.

    Operand widths, signs, densities and activations are left out.
    """
    own = {name: getattr(layer, name) for name in _GEMM}
    gemm = Layer.gemm("", M=own["Q"], N=own["K"], K=own["C"], G=own["G"])
    if layer.op == "mac" and _loops(gemm) == _loops(layer):
        return f"gemm:M={layer.Q},N={layer.K},K={layer.C}" + (f",G={layer.G}" if layer.G > 1 else "")
    parts = {"N": layer.N, "G": layer.G, "K": layer.G * layer.K, "C": layer.G * layer.C}
    plane = {"P": layer.P, "Q": layer.Q}
    kind, same = "conv", all(_outputs(layer, axis, (layer.H, layer.W)[axis]) == plane["PQ"[axis]] for axis in (0, 1))
    if not same or layer.op != "mac":
        kind, parts, plane = "nest", parts | {"K": layer.K, "C": layer.C}, {**plane, "H": layer.H, "W": layer.W}
    elif (layer.H, layer.W) != (_least(layer, 0), _least(layer, 1)):
        plane = {"H": layer.H, "W": layer.W}
    parts |= {**plane, "R": layer.R, "S": layer.S}
    shown = [f"{name}={value}" for name, value in parts.items() if value > 1 or name in "KCPQHW"]
    if layer.op != "mac":
        shown.append(f"op={layer.op}")
    for name in ("stride", "dilation", "padding"):
        values = getattr(layer, name)
        if len(set(values)) > 1:
            shown.append(f"{name}={'x'.join(map(str, values))}")
        elif values[0] != (name != "padding"):
            shown.append(f"{name}={values[0]}")
    return f"{kind}:{','.join(shown)}"


def _loops(layer: Layer) -> tuple[object, ...]:
    return layer.shape[:13]


def _least(layer: Layer, axis: int) -> int:
    """Return the input rows (axis 0) or columns that the outputs need."""
    reach = ((layer.P, layer.Q)[axis] - 1) * layer.stride[axis] + ((layer.R, layer.S)[axis] - 1) * layer.dilation[axis] + 1
    return max(1, reach - layer.padding[axis] - layer.padding[axis + 2])


def _outputs(layer: Layer, axis: int, size: int) -> int:
    """Return the output rows or columns that follow from an input size."""
    span = size + layer.padding[axis] + layer.padding[axis + 2] - ((layer.R, layer.S)[axis] - 1) * layer.dilation[axis] - 1
    return span // layer.stride[axis] + 1
