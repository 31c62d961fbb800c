"""The smallest change of the hardware with which layers can be mapped that cannot be mapped as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dataflows.arch import ARRAY_BITS, Accelerator
from dataflows.errors import SpecError
from dataflows.feasible import Change, Infeasible, InfeasibleError
from dataflows.nest.architecture import Architecture
from dataflows.nest.rules import TENSORS, Rules
from dataflows.workload import Layer
from mappers.base import prepare
from mappers.nest.base import Budget, Options
from mappers.nest.opening import opened
from mappers.nest.optimal import OptimalMapper as NestOptimal
from mappers.optimal import OptimalMapper

__all__ = ["machine_change", "nest_change"]

ROUNDS = 4
"""Changes upon changes: what a first one lets through may lack something else."""
Hardware = TypeVar("Hardware", Accelerator, Architecture)
WORDS = {
    "input_buffer": "input_words",
    "weight_buffer": "weight_words",
    "accumulator": "acc_words",
    "scale_buffer": "tile_blocks",
}


def machine_change(layers: Sequence[Layer], acc: Accelerator) -> Change | None:
    """Return what would make our own accelerator map all layers; None if they can be mapped, or no change is enough.

    A tile of one block and one output takes the least of every buffer at once, so what it takes is what there must be.
    """

    def mend(hardware: Accelerator, reason: Infeasible, layer: Layer) -> Accelerator | None:
        if reason.level in WORDS:
            return replace(hardware, **{WORDS[reason.level]: int(reason.demand)})
        if reason.level == "accelerator":
            return replace(hardware, channelwise=True)
        if reason.level != "array":
            return None
        array = hardware.array
        wide = [_wide(have, need) for have, need in ((array.input_bits, max(layer.input_bits, layer.output_bits or 0)),
                (array.weight_bits, layer.weight_bits))]  # fmt: skip
        inputs, weights = wide
        if inputs is None or weights is None:
            return None
        sums = max(array.acc_bits, inputs + weights)
        return replace(hardware, array=replace(array, input_bits=inputs, weight_bits=weights, acc_bits=sums))

    def ask(layer: Layer, hardware: Accelerator) -> None:
        prepare(layer, hardware, "latency")

    changed = _mended(layers, acc, ask, mend)
    if changed is None:
        return None
    mapper = OptimalMapper(seconds=0.0)
    for layer in layers:
        mapper.map(layer, changed, "latency")
    names = (*WORDS.values(), "channelwise")
    units = {"tile_blocks": "blocks", "channelwise": ""}
    fields = [(name, getattr(acc, name), getattr(changed, name), units.get(name, "words")) for name in names]
    bits = ("input_bits", "weight_bits", "acc_bits")
    fields += [(f"array.{name}", getattr(acc.array, name), getattr(changed.array, name), "bits") for name in bits]
    return Change(tuple(each for each in fields if each[1] != each[2]), len(layers))


def nest_change(
    layers: Sequence[Layer], arch: Architecture, rules: Rules | None = None, options: Options | None = None
) -> Change | None:
    """Return what would make a loop-nest architecture map all layers; None if they can be mapped, or no change is enough.

    With all loops at the outermost level every other level takes the least it can, so what it takes is what there must be.
    """
    rules, options = rules or Rules(), options or Options()

    def mend(hardware: Architecture, reason: Infeasible, _layer: Layer) -> Architecture | None:
        if reason.unit != "bits":
            return None
        levels = tuple(_enlarged(level, reason) for level in hardware.levels)
        return None if levels == hardware.levels else replace(hardware, levels=levels)

    def ask(layer: Layer, hardware: Architecture) -> None:
        opened(layer, hardware, "latency", rules, options)

    changed = _mended(layers, arch, ask, mend)
    if changed is None:
        return None
    for layer in layers:
        NestOptimal().map(layer, changed, "latency", rules=rules, options=replace(options, padded=False), budget=Budget(0.0))
    fields: list[tuple[str, int, int, str]] = []
    for old, new in zip(arch.levels, changed.levels, strict=True):
        for tensor, before, after in zip(TENSORS, _sizes(old.capacity_bits), _sizes(new.capacity_bits), strict=True):
            if before is not None and after is not None and before != after:
                name = f"{old.name}.capacity_bits" + (f".{tensor}" if isinstance(old.capacity_bits, tuple) else "")
                fields.append((name, before, after, "bits"))
    return Change(tuple(dict.fromkeys(fields)), len(layers))


def _mended(
    layers: Sequence[Layer], hardware: Hardware, ask: Callable[[Layer, Hardware], None],
    mend: Callable[[Hardware, Infeasible, Layer], Hardware | None],
) -> Hardware | None:  # fmt: skip
    """Return hardware on which nothing lacks any more; None if nothing lacked, or something cannot be mended."""
    before = hardware
    for _ in range(ROUNDS):
        lacks = [(layer, reason) for layer in layers for reason in _lacks(ask, layer, hardware)]
        if not lacks:
            return None if hardware is before else hardware
        # The largest demand of a level comes last, so that it is what stays.
        for layer, reason in sorted(lacks, key=lambda each: each[1].demand):
            try:
                found = mend(hardware, reason, layer)
            except SpecError:  # more than such an accelerator can have
                return None
            if found is None:
                return None
            hardware = found
    return None


def _lacks(ask: Callable[[Layer, Hardware], None], layer: Layer, hardware: Hardware) -> list[Infeasible]:
    try:
        ask(layer, hardware)
    except InfeasibleError as error:
        return error.reasons
    return []


def _enlarged(level: Any, reason: Infeasible) -> Any:
    """Return the level with as much room as the reason asks for, where it is about this level."""
    need = math.ceil(reason.demand)
    if isinstance(level.capacity_bits, tuple):
        sizes = tuple(
            need if reason.level == f"{level.name}.{tensor}" else size
            for tensor, size in zip(TENSORS, level.capacity_bits, strict=True)
        )
        return replace(level, capacity_bits=sizes)
    return replace(level, capacity_bits=need) if reason.level == level.name else level


def _sizes(size: int | tuple[int | None, ...] | None) -> tuple[int | None, ...]:
    return size if isinstance(size, tuple) else (size,) * len(TENSORS)


def _wide(have: int, need: int) -> int | None:
    """Return the width of an operand that is enough; None if the array cannot be so wide."""
    return max(have, next((bits for bits in ARRAY_BITS if bits >= need), 0)) if need <= ARRAY_BITS[-1] else None
