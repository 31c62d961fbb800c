"""Hypothesis strategies for small layers, accelerators and tilings."""

from __future__ import annotations

from hypothesis import strategies as st

from dataflows.arch import MOST_PE_STAGES, Accelerator, Array, Memory
from dataflows.tiling import OUTER_DIMS, Blocking, Tiling
from dataflows.workload import OPS, Layer


@st.composite
def layers(draw: st.DrawFn, most: int = 6) -> Layer:
    """Convolutions of every kind: grouped, depthwise, strided, dilated, padded beyond the filter's reach."""
    kind = draw(st.sampled_from(("conv", "grouped", "depthwise", "gemm")))
    if kind == "gemm":
        return Layer.gemm("gemm", M=draw(st.integers(1, 20)), N=draw(st.integers(1, 12)), K=draw(st.integers(1, 12)))
    groups = 1 if kind == "conv" else draw(st.integers(2, 9))
    channels = (1, 1) if kind == "depthwise" else (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    taps, stride, dilation = draw(pair), draw(pair), draw(pair)
    padding = draw(st.tuples(*[st.integers(0, 5)] * 4))
    out = draw(st.tuples(st.integers(1, most), st.integers(1, most)))
    extra = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    reach = [(out[i] - 1) * stride[i] + (taps[i] - 1) * dilation[i] + 1 for i in range(2)]
    image = [max(1, reach[i] - padding[i] - padding[i + 2]) + extra[i] for i in range(2)]
    return Layer(
        kind, N=draw(st.integers(1, 2)), G=groups, C=channels[0], K=channels[1], P=out[0], Q=out[1], R=taps[0], S=taps[1],
        H=image[0], W=image[1], stride=stride, dilation=dilation, padding=padding,
    )  # fmt: skip


@st.composite
def operations(draw: st.DrawFn, most: int = 6) -> Layer:
    """Operations channel by channel: two tensors added or multiplied, pools, all of any stride and padding."""
    op = draw(st.sampled_from(OPS[1:]))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    taps, dilation = (draw(pair), draw(pair)) if op in ("max", "average") else ((1, 1), (1, 1))
    stride, padding = draw(pair), draw(st.tuples(*[st.integers(0, 5)] * 4))
    out = draw(st.tuples(st.integers(1, most), st.integers(1, most)))
    reach = [(out[i] - 1) * stride[i] + (taps[i] - 1) * dilation[i] + 1 for i in range(2)]
    image = [max(1, reach[i] - padding[i] - padding[i + 2]) + draw(st.integers(0, 2)) for i in range(2)]
    return Layer(
        op, N=draw(st.integers(1, 3)), G=draw(st.integers(1, 20)), C=2 if op == "add" else 1, K=1, P=out[0], Q=out[1], R=taps[0],
        S=taps[1], H=image[0], W=image[1], stride=stride, dilation=dilation, padding=padding, op=op,
    )  # fmt: skip


@st.composite
def accelerators(draw: st.DrawFn) -> Accelerator:
    """Small arrays of any shape with buffers large enough for every tile of `layers`."""
    rows, cols = draw(st.sampled_from((1, 2, 3, 4, 8))), draw(st.sampled_from((1, 2, 3, 4, 8)))
    return Accelerator(
        "small",
        Array(rows, cols, draw(st.sampled_from(("ws", "os"))), pe_stages=draw(st.integers(0, MOST_PE_STAGES))),
        Memory(draw(st.sampled_from((4, 8, 16))), draw(st.integers(1, 3)), draw(st.integers(1, 40))),
        input_words=1 << 14, weight_words=1 << 14, acc_words=1 << 12, post_lanes=draw(st.integers(1, cols)), tile_blocks=64,
    )  # fmt: skip


@st.composite
def tilings(draw: st.DrawFn, layer: Layer, acc: Accelerator) -> Tiling:
    """Any tile sizes in any order."""
    blocking = Blocking.of(layer, acc)
    return Tiling(
        blocks=draw(st.integers(1, blocking.walked)),
        c_blocks=draw(st.integers(1, blocking.c_blocks)),
        p=draw(st.integers(1, layer.P)),
        q=draw(st.integers(1, layer.Q)),
        order=tuple(draw(st.permutations(OUTER_DIMS))),
    )


@st.composite
def jobs(draw: st.DrawFn, of: st.SearchStrategy[Layer] | None = None) -> tuple[Layer, Accelerator, Tiling]:
    """A layer, a convolution or GEMM unless others are asked for, an accelerator and a tiling of one on the other."""
    layer, acc = draw(layers() if of is None else of), draw(accelerators())
    return layer, acc, draw(tilings(layer, acc))


def any_layers(most: int = 6) -> st.SearchStrategy[Layer]:
    """Everything that the accelerator can run."""
    return st.one_of(layers(most), layers(most), operations(most))


def any_jobs() -> st.SearchStrategy[tuple[Layer, Accelerator, Tiling]]:
    """The same on an accelerator under a tiling."""
    return jobs(any_layers())
