"""Random small layers, architectures and mappings, drawn so that every kind occurs often; and what of it occurred."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from dataflows.datapath import Datapath
from dataflows.mapping import Level, Loop, Mapping
from dataflows.nest.accesses import per_word, width
from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.counts import count
from dataflows.nest.nest import Nest
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer

LETTER = {"weights": "W", "inputs": "I", "outputs": "O"}
MOST_MACS = 96
MOST_PES = 8


def draw_layer(rng: Random) -> Layer:
    """A layer of a few dozen multiply-accumulates: convolution, a single row, grouped, depthwise, GEMM, pointwise."""
    kind = rng.choice(("conv", "line", "line", "grouped", "depthwise", "gemm", "pointwise"))
    steps = (1, 1, 2) if kind == "line" else (1, 1, 2, 3)
    stride, dilation = [(rng.choice(steps), rng.choice(steps)) for _ in range(2)]
    sizes = dict.fromkeys("NGKCPQRS", 1)
    open_dims = {
        "conv": "NKCPQRSPQRS", "line": "KQSQSQS",
        "grouped": "GGKCPQRS", "depthwise": "GGNPQRSPQRS", "gemm": "KCQKCQ", "pointwise": "NKCPQPQ",
    }[kind]  # fmt: skip
    if kind in ("grouped", "depthwise"):
        sizes["G"] = 2
    for _ in range(8):
        dim = rng.choice(open_dims)
        sizes[dim] += rng.choice((1, 1, 2))
        if _volume(sizes) > MOST_MACS:
            sizes[dim] = 1 + (dim == "G")
    bits = {name: rng.choice((3, 4, 8, 8, 12, 16)) for name in ("weight_bits", "input_bits")}
    bits["output_bits"] = rng.choice((None, None, 6, 24, 32))
    return Layer(kind, stride=stride, dilation=dilation, **bits, **sizes)


def draw_architecture(rng: Random) -> Architecture:
    """Two to four levels; any of them may leave out tensors, have its own buffer per tensor, any network below."""
    levels = []
    count, pes = rng.choice((2, 3, 3, 4)), 1
    for index in range(count):
        axes = []
        for name in ("rows", "cols"):
            size = rng.choice((1, 1, 2, 3, 4))
            if size > 1 and pes * size <= MOST_PES:
                axes.append(Axis(name, size))
                pes *= size
        fanout = Fanout(tuple(axes), multicast=rng.random() < 0.7, reduction=rng.random() < 0.7, links=rng.random() < 0.4)
        holds = frozenset(TENSORS) if index == 0 else frozenset(t for t in TENSORS if rng.random() < 0.65)
        shared, in_rows = rng.random() < 0.5, rng.random() < 0.4
        along = [rng.choice(options) for options in (("K", "C", "KC", "KCRS", ""), ("C", "NC", "G", ""), ("K", "KPQ", "Q", ""))]
        levels.append(
            StorageLevel(
                f"level{count - 1 - index}", holds, capacity_bits=1 << 20 if shared else (1 << 20,) * 3, fanout=fanout,
                word_bits=rng.choice(((8, 8, 32), (None, None, None))) if in_rows else (8, 8, 32),
                row_bits=rng.choice((12, 16, 24, 64)) if in_rows else None, row_dims=tuple(along),
                block_words=64 if index == 0 else 1,
            )
        )  # fmt: skip
    path = rng.choice((None, Datapath(weight_bits=16, input_bits=16, storage=rng.choice(("tight", "rounded")))))
    return Architecture("random", tuple(levels), 1.0, psum_bits=32, datapath=path)


def draw_mapping(rng: Random, layer: Layer, arch: Architecture) -> Mapping:
    """Split every dimension over the levels, now and then past its size; order loops at random; skip levels now and then."""
    count = len(arch.levels)
    loops: list[list[Loop]] = [[] for _ in range(count)]
    room = {(i, axis.name): axis.size for i, level in enumerate(arch.levels) for axis in level.fanout.axes}
    total = 1
    for dim in "NGKCPQRS":
        left = getattr(layer, dim)
        while left > 1:
            extent = rng.choice((2, 2, 3, left, left))
            places = [place for place, free in room.items() if free >= extent]
            padded = -(-left // extent)
            if total * extent * padded > 3 * MOST_MACS:
                extent = left
                padded = 1
                places = []
            total *= extent
            if places and rng.random() < 0.6:
                index, axis = rng.choice(places)
                room[index, axis] //= extent
                loops[index].append(Loop(dim, extent, 1, axis))
            else:
                loops[rng.randrange(count)].append(Loop(dim, extent))
            left = padded
    levels = []
    for level, nest in zip(arch.levels, loops, strict=True):
        rng.shuffle(nest)
        name = level.name
        if level is not arch.levels[0] and rng.random() < 0.3:  # residency of this mapping alone
            name += f"[{''.join(LETTER[t] for t in TENSORS if t in level.holds and rng.random() < 0.6)}]"
        levels.append(Level(name, tuple(nest)))
    return Mapping(tuple(levels))


def draw_rules(rng: Random) -> Rules:
    """Any combination of switches."""
    return Rules(rng.choice(("timeloop", "physical")), rng.choice(("box", "exact")), rng.choice(("timeloop", "strict")))


def features(nest: Nest, rules: Rules) -> Counter[str]:
    """What one case exercises, each at most once."""
    ly, found = nest.layer, Counter()
    inner = nest.storage[:-1]
    spread = [(level, s.dim) for level, spreads in enumerate(nest.spreads) for s in spreads]
    chains = {tensor: tuple(i for i, holds in enumerate(nest.holds) if tensor in holds) for tensor in TENSORS}
    found["strided"] = ly.stride != (1, 1) and (ly.P > 1 or ly.Q > 1)
    found["dilated"] = ly.dilation != (1, 1) and (ly.R > 1 or ly.S > 1)
    found["grouped"] = ly.kind == "grouped"
    found["depthwise"] = ly.kind == "depthwise"
    found["gemm"] = ly.kind == "gemm"
    found["padded"] = any(nest.tiles[-1][dim] > getattr(ly, dim) for dim in "NGKCPQRS")
    found["bypass"] = any(holds != set(TENSORS) for holds in nest.holds)
    found["uneven"] = len(set(chains.values())) > 1
    found["own buffers"] = any(isinstance(level.capacity_bits, tuple) for level in inner)
    found["bypass by mapping"] = any(held != level.holds for held, level in zip(nest.holds, nest.storage, strict=True))
    for depth in (2, 3, 4):
        found[f"{depth} levels"] = len(nest.storage) == depth
    found["reduction in space"] = any(dim in "CRS" for _, dim in spread)
    found["without reduction"] = any(dim in "CRS" and not nest.storage[level].fanout.reduction for level, dim in spread)
    found["without multicast"] = any(dim in "KNPQ" and not nest.storage[level].fanout.multicast for level, dim in spread)
    found["linked windows"] = any(dim in "PQRS" and nest.storage[level].fanout.links for level, dim in spread)
    found["both axes"] = any(len(spreads) > 1 for spreads in nest.spreads)
    found["sums go back"] = len(chains["outputs"]) > 1 and any(t.dim in "CRS" for trips in nest.trips[1:] for t in trips)
    found["sliding window"] = len(chains["inputs"]) > 1 and any(
        trips and trips[0].dim in "PQRS" for trips in nest.trips[chains["inputs"][0] + 1 :]
    )
    other = replace(rules, halo="physical" if rules.halo == "timeloop" else "timeloop")
    found["halo rules differ"] = count(nest, rules) != count(nest, other)
    rows = [level for level in nest.storage if level.row_bits is not None]
    found["packed words"] = bool(rows)
    found["widths of the layer"] = any(level.word_bits[0] is None for level in rows)
    path = nest.arch.datapath
    odd = any(bits not in (4, 8, 16) for bits in (ly.weight_bits, ly.input_bits))
    found["rounded widths"] = found["widths of the layer"] and odd and path is not None and path.storage == "rounded"
    found["outputs of their own width"] = found["widths of the layer"] and ly.output_bits is not None
    counts = count(nest, rules)
    found["rows of several words"] = any(words > 1 for unit in counts.units for words in unit.values())
    found["rows that words do not fill"] = any(
        per_word(level, words, width(nest, at, tensor, rules).partial)[0] * level.row_bits
        > per_word(level, words, width(nest, at, tensor, rules).partial)[1] * width(nest, at, tensor, rules).partial
        for at, level in enumerate(nest.storage)
        for tensor, words in counts.units[at].items()
    )
    found["rows narrower than words"] = any(
        level.row_bits < width(nest, at, tensor, rules).partial
        for at, level in enumerate(nest.storage)
        for tensor in counts.units[at]
    )
    for name in ("halo", "window", "psums"):
        found[f"{name} {getattr(rules, name)}"] = True
    return +found


def _volume(sizes: dict[str, int]) -> int:
    volume = 1
    for size in sizes.values():
        volume *= size
    return volume
