"""How one of our levels is cut into Timeloop's storages and containers: the names that its export has."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture, Axis, StorageLevel
from dataflows.nest.rules import TENSORS
from dataflows.workload import Layer


class Part(NamedTuple):
    """One storage: its name, the tensors that it can hold, bits of a word, and of all; None is unlimited."""

    name: str
    tensors: tuple[str, ...]
    word: int
    bits: int | None


def container(level: StorageLevel, axis: Axis) -> str:
    """Return the name of the container that an axis becomes."""
    return f"{level.name}_{axis.name}"


def axes_of(level: StorageLevel) -> list[tuple[Axis, str]]:
    """Return the axes with more than one instance, each with Timeloop's direction; X before a second X."""
    order = ("rows", "cols", "planes")
    axes = sorted((axis for axis in level.fanout.axes if axis.size > 1), key=lambda axis: order.index(axis.name))
    return [(axis, "meshY" if axis.name == "rows" else "meshX") for axis in axes]


def wordwise(arch: Architecture, layer: Layer | None = None) -> Architecture:
    """Return the architecture with rows turned into words, where no row has room for two.

    A word of several rows costs as many accesses, whatever it is delivered with.
    """
    return replace(arch, levels=tuple(_wordwise(level, arch, layer) for level in arch.levels))


def _wordwise(level: StorageLevel, arch: Architecture, layer: Layer | None) -> StorageLevel:
    row = level.row_bits
    if row is None or (layer is None and None in level.word_bits):
        return level
    words = [_word(level, at, arch, layer) for at in range(3)]
    held = [at for at, tensor in enumerate(TENSORS) if tensor in level.holds]
    takes = [-(-bits // row) for bits in words]
    if any(2 * words[at] <= row for at in held) or (level.limited and len({takes[at] for at in held}) > 1):
        return level
    each = takes[held[0]] if held else 1
    ports = (None if rate is None else rate / each for rate in (level.bandwidth, level.read_bandwidth, level.write_bandwidth))
    reads, writes = ([pj * n for pj, n in zip(costs, takes, strict=True)] for costs in (level.read_pj, level.write_pj))
    shared, read, write = ports
    return replace(
        level, row_bits=None, word_bits=(words[0], words[1], words[2]), read_pj=(reads[0], reads[1], reads[2]),
        write_pj=(writes[0], writes[1], writes[2]), bandwidth=shared, read_bandwidth=read, write_bandwidth=write,
    )  # fmt: skip


def targets(level: StorageLevel, arch: Architecture, layer: Layer | None = None) -> list[Part]:
    """Return the storages that mappings speak of: as `parts`, and the level itself where its architecture has no export."""
    try:
        return parts(level, arch, layer)
    except SpecError:
        return [Part(level.name, tuple(tensor for tensor in TENSORS if tensor in level.holds), 1, None)]


def parts(level: StorageLevel, arch: Architecture, layer: Layer | None = None) -> list[Part]:
    """Cut a level: one storage, or one per tensor where these differ; raise `SpecError` for what Timeloop cannot say."""
    _sayable(level, arch)
    held = [at for at, tensor in enumerate(TENSORS) if tensor in level.holds]
    words = {at: _word(level, at, arch, layer) for at in held}
    size = level.capacity_bits
    if not held:
        return [Part(level.name, (), 8, size if not isinstance(size, tuple) else None)]
    alike = {(words[at], level.read_pj[at], level.write_pj[at]) for at in held}
    if len(alike) == 1 and not isinstance(size, tuple):
        return [Part(level.name, tuple(TENSORS[at] for at in held), words[held[0]], size)]
    if len(held) == 1:
        bits = size[held[0]] if isinstance(size, tuple) else size
        return [Part(level.name, (TENSORS[held[0]],), words[held[0]], bits)]
    where, remedy = f"{arch.name}.{level.name}", "give each tensor a level of its own"
    if level.name == arch.levels[0].name:
        raise SpecError(where, "an outermost level whose tensors differ", "what Timeloop can say: one width and energy", remedy)
    if size is not None and not isinstance(size, tuple):
        raise SpecError(where, "a capacity that tensors of different words share", "what Timeloop can say: equal words", remedy)
    if level.limited:
        raise SpecError(where, "a port that tensors of different words share", "what Timeloop can say: equal words", remedy)
    sizes = size if isinstance(size, tuple) else (None, None, None)
    return [Part(f"{level.name}_{TENSORS[at]}", (TENSORS[at],), words[at], sizes[at]) for at in held]


def _word(level: StorageLevel, at: int, arch: Architecture, layer: Layer | None) -> int:
    bits = level.word_bits[at]
    if bits is None and layer is not None:
        bits = (layer.weight_bits, layer.input_bits, layer.output_width)[at]
        bits = bits if arch.datapath is None else arch.datapath.stored_bits(bits)
    if bits is None:
        raise SpecError(f"{level.name}.word_bits", "layer", "what Timeloop can say: a number", "give the layer too")
    return bits


def _sayable(level: StorageLevel, arch: Architecture) -> None:
    """Raise for what changes figures and has no place in a Timeloop architecture."""
    where, fan = f"{arch.name}.{level.name}", level.fanout
    found: dict[str, object] = {
        "row_bits": level.row_bits,
        "formats": next((str(form) for form in level.formats if form.kind != "dense"), None),
        "buffering": level.buffering if level.buffering == "single" else None,
        "fanout.links": fan.links,
        "fanout.hop_pj": fan.hop_pj,
        "fanout.add_pj": fan.add_pj,
    }
    for name, value in found.items():
        if value:
            raise SpecError(f"{where}.{name}", value, "nothing: Timeloop's architectures do not say this", "leave it out")
