"""The arrays that are verified: small instances of the named dataflows, and random connectivity."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from dataflows.spatial import named
from dataflows.spatial.array import AXES, SpatialArray, SpatialAxis

MOST_PES = 18
NAMED = {
    "array_ws": named.weight_stationary(4, 3),
    "array_os": named.output_stationary(3, 4),
    "array_both": named.weight_or_output_stationary(3, 4),
    "array_is": named.input_stationary(3, 3),
    "array_rs": named.row_stationary(3, 4, words=(12, 6, 4)),
    "array_nlr": named.no_local_reuse(4, 3),
    "array_nvdla": named.nvdla(4, 3, stripe=4),
    "array_shidiannao": named.shidiannao(3, 3),
    "array_dw": named.depthwise(3, 4, words=(9, 12, 4)),
}
"""Small enough for many simulations, with room for more than one word where the dataflow has it."""


def random_array(rng: Random) -> SpatialArray:
    """One to three axes of any dimensions, systolic or broadcast; ports along any of them; registers or storage."""
    axes, pes = [], 1
    for name in AXES[: rng.choice((1, 2, 2, 2, 3))]:
        size = rng.choice([n for n in (1, 2, 3, 4, 5) if pes * n <= MOST_PES])
        pes *= size
        dims = "".join(rng.sample("NGKCPQRS", rng.randint(1, 4)))
        axes.append(SpatialAxis(name, size, dims, rng.choice((0, 1))))
    ports = [frozenset(axis.name for axis in axes if rng.random() < 0.4) for _ in range(3)]
    words = [rng.choice((1, 1, 2, 4, 9, 16)) for _ in range(3)]
    bits = [rng.choice((4, 8, 8, 16)) for _ in range(2)]
    return SpatialArray(
        tuple(axes), (words[0], words[1], words[2]), (ports[0], ports[1], ports[2]), *bits, rng.choice((32, 40)), tag_bits=6,
        pe_stages=rng.choice((0, 0, 1, 2)), tree_levels=rng.choice((0, 0, 1, 2)),
        zero_gating=rng.random() < 0.3,
    )  # fmt: skip


LINKED = {
    "shidiannao_links": named.shidiannao(3, 3, links=8),
    "shidiannao_columns": replace(named.shidiannao(3, 4, links=6), ports=named.shidiannao(3, 4).ports),
}
"""Arrays whose neighbours are linked: a port for every PE, and one for each column."""


def random_linked_array(rng: Random) -> SpatialArray:
    """Return an array with links along some of its broadcast axes, of which at least one is; most unroll a side of the window."""
    while True:
        array = random_array(rng)
        sides = rng.sample((rng.choice("PR"), rng.choice("QS"), ""), len(array.axes))
        axes = tuple(_across(axis, side, rng) for axis, side in zip(array.axes, sides, strict=True))
        links = [_depths(rng, axes) if rng.random() < chance else () for chance in (0.2, 0.95)]
        if any(links):
            words = [1 if linked else count for linked, count in zip([*links, ()], array.l1_words, strict=True)]
            return replace(array, axes=axes, l1_words=(words[0], words[1], words[2]), links=(links[0], links[1]))


def _across(axis: SpatialAxis, side: str, rng: Random) -> SpatialAxis:
    """Let an axis unroll one side of the window or none: where both dimensions of a side are unrolled, nothing moves in time."""
    others = "".join(dim for dim in axis.dims if dim in "NGKC" and rng.random() < 0.5)
    return replace(axis, dims=side + others or "K", delay=axis.delay and rng.choice((0, 1)))


def _depths(rng: Random, axes: tuple[SpatialAxis, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((axis.name, rng.choice((1, 3, 6, 16, 40))) for axis in axes if axis.delay == 0 and rng.random() < 0.8)


def short(array: SpatialArray) -> str:
    """Return an array in one line: its axes with s for systolic and b for broadcast, words of a PE, ports."""
    axes = " x ".join(f"{axis.size} {axis.dims} {'s' if axis.delay else 'b'}" for axis in array.axes)
    ports = "/".join("".join(name[0] for name in sorted(names)) or "-" for names in array.ports)
    stages = f"; stages {array.pe_stages}, tree {array.tree_levels}" if array.pe_stages or array.tree_levels else ""
    gated = "; zeros gated" if array.zero_gating else ""
    pairs = zip("wi", array.links, strict=True)
    links = ", ".join(f"{tensor} {name[0]}{depth}" for tensor, depths in pairs for name, depth in depths)
    gated += f"; links {links}" if links else ""
    return f"{axes}; words {'/'.join(map(str, array.l1_words))}; ports {ports}{stages}{gated}"
