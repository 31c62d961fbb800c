"""Energy, area and leakage of a memory hierarchy from a technology table.

What an architecture leaves out follows from what it says: the size, width, ports and buffering of every level, how many
instances there are, and the widths of the multipliers. The rules are in `docs/architectures.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataflows.errors import SpecError
from dataflows.nest.architecture import Architecture, Fanout, StorageLevel, Triple
from dataflows.nest.rules import TENSORS
from dataflows.tech import Technology, composable_ratios, dram

KINDS = ("registers", "sram", "dram")
REGISTER_BITS = 384
"""Largest memory of flip-flops if a level does not say: Eyeriss has registers of 24 x 16 bits, and SRAM for more."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a level leaves to the table, and how it is made.

    Attributes
    ----------
    read, write : frozenset of str
        Tensors whose energy is asked for.
    hop, add : bool
        Whether the energies of its network are.
    kind : str or None
        ``registers``, ``sram`` or ``dram``; None: DRAM for the outermost level, else by the size.
    dram : str or None
        Kind of DRAM, a key of `dataflows.tech.DRAM`; None: LPDDR4.
    """

    read: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    hop: bool = False
    add: bool = False
    kind: str | None = None
    dram: str | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """One instance of a level: pJ per access of every tensor, area and leakage, and what it was taken for."""

    read_pj: Triple
    write_pj: Triple
    area_um2: float
    leakage_mw: float
    source: str


def resolve(
    arch: Architecture, tech: Technology | None, wishes: Sequence[Wish], missing: frozenset[str], path: str
) -> Architecture:
    """Fill in what an architecture leaves out.

    Parameters
    ----------
    arch : Architecture
        With zeros where figures are missing.
    tech : Technology or None
        The table; None: only DRAM of a named kind can be filled in.
    wishes : sequence of Wish
        One per level.
    missing : frozenset of str
        Which of ``mac_pj``, ``area_um2`` and ``leakage_pj`` are missing.
    path : str
        Where errors are reported.

    Raises
    ------
    SpecError
        If the description does not say enough, such as a level without a capacity.
    """
    levels, prices = [], []
    for index, (level, wish) in enumerate(zip(arch.levels, wishes, strict=True)):
        asked = bool(wish.read or wish.write)
        price = price_level(level, wish, tech, outermost=index == 0, path=f"{path}.levels[{index}]", required=asked)
        filled = level if price is None or not asked else _filled(level, wish, price)
        levels.append(replace(filled, fanout=_network(arch, index, wish, tech)))
        prices.append(price)
    arch = replace(arch, levels=tuple(levels))
    if tech is None:
        return arch
    clock = arch.clock_mhz or tech.value("clock_mhz")
    arch = replace(arch, clock_mhz=clock, source=arch.source or f"{tech.name} technology table")
    if "mac_pj" in missing:
        arch = replace(arch, mac_pj=mac_pj(arch, tech, path))
    logic = _multiplier_area(arch, tech, path)
    if logic is None or None in prices:
        return arch
    parts = [(arch.instances(i), price) for i, price in enumerate(prices) if price is not None]
    if "area_um2" in missing:
        arch = replace(arch, area_um2=logic + math.fsum(n * price.area_um2 for n, price in parts))
    if "leakage_pj" in missing:
        power_mw = tech.logic_leakage_mw(logic) + math.fsum(n * price.leakage_mw for n, price in parts)
        arch = replace(arch, leakage_pj=1000 * power_mw / clock)  # mW over MHz is nJ per cycle
    return arch


def price_level(
    level: StorageLevel, wish: Wish, tech: Technology | None, *, outermost: bool, path: str, required: bool = True
) -> Price | None:
    """Price one instance of a level; None if it does not say enough and is not `required` to."""
    kind = wish.kind or ("dram" if outermost or wish.dram else None)
    if wish.dram is not None and (not outermost or kind != "dram"):
        raise SpecError(f"{path}.dram", wish.dram, "the outermost level, of kind dram", "remove it")
    if kind == "dram":
        if not outermost:
            raise SpecError(f"{path}.kind", "dram", "registers or sram below the outermost level", "correct it")
        return _dram(level, wish, tech, path, required)
    if tech is None:
        return _lacking(f"{path}.read_pj, write_pj", "nothing", "energies, or a technology to take them from", required)
    if not level.holds:
        return Price(_same(0.0), _same(0.0), 0.0, 0.0, "holds nothing")
    return _on_chip(level, kind, tech, path, required)


def _dram(level: StorageLevel, wish: Wish, tech: Technology | None, path: str, required: bool) -> Price | None:
    if tech is None and wish.dram is None:
        return _lacking(f"{path}.read_pj, write_pj", "nothing", "energies, a kind of dram, or a technology", required)
    name = wish.dram or "lpddr4"
    per_bit = dram(name, f"{path}.dram")
    weights, inputs, outputs = (per_bit.value * _width(level, at) for at in range(3))
    pj = (weights, inputs, outputs)
    return Price(pj, pj, 0.0, 0.0, f"{name}, {per_bit.value} pJ per bit: {per_bit.source}")


def _on_chip(level: StorageLevel, kind: str | None, tech: Technology, path: str, required: bool) -> Price | None:
    """Price a level whose tensors share one memory, or have one each."""
    held = [at for at, tensor in enumerate(TENSORS) if tensor in level.holds]
    size = level.capacity_bits
    sizes = [size[at] if isinstance(size, tuple) else size for at in held]
    if any(bits is None for bits in sizes):
        return _lacking(f"{path}.capacity_bits", "unlimited", "a size: energy and area follow from it", required)
    read, write, memories = [0.0] * 3, [0.0] * 3, []
    for at, bits in zip(held, sizes, strict=True):
        found = _memory(level, tech, kind, bits or 0, _width(level, at))
        read[at], write[at] = found.read_pj[0], found.write_pj[0]
        memories.append(found)
    if not isinstance(size, tuple):  # one memory, as wide as its widest word
        memories = [_memory(level, tech, kind, size or 0, max(_width(level, at) for at in held))]
    return Price(
        (read[0], read[1], read[2]), (write[0], write[1], write[2]), math.fsum(one.area_um2 for one in memories),
        math.fsum(one.leakage_mw for one in memories), f"{tech.name} table: " + ", ".join(one.source for one in memories),
    )  # fmt: skip


def _memory(level: StorageLevel, tech: Technology, kind: str | None, bits: int, width: int) -> Price:
    """Price one memory.

    Halves of a double buffer are apart, and so are banks: as many as accesses per cycle. What is cut in parts costs per
    access what a part of its size costs.
    """
    name = kind or ("registers" if bits <= REGISTER_BITS else "sram")
    if name == "registers":
        pj, area = _same(tech.register_pj(width)), tech.register_area_um2(bits)
        return Price(pj, pj, area, tech.logic_leakage_mw(area), f"{bits} bits of registers")
    both = level.read_bandwidth is not None or level.write_bandwidth is not None
    rate = max(level.read_bandwidth or 1, level.write_bandwidth or 1) if both else level.bandwidth or 1
    parts, ports = level.copies * math.ceil(rate), 2 if both else 1
    depth = max(bits / parts / width, 1.0)
    made = f"{parts} x " * (parts > 1) + f"{bits / 8192 / parts:.4g} KB of sram" + ", read and write ports" * both
    return Price(
        _same(tech.sram_read_pj(depth, width, ports)), _same(tech.sram_write_pj(depth, width, ports)),
        parts * tech.sram_area_um2(depth, width, ports), parts * tech.sram_leakage_mw(depth, width, ports), made,
    )  # fmt: skip


def _same(pj: float) -> Triple:
    return (pj, pj, pj)


def _width(level: StorageLevel, at: int) -> int:
    """Bits of one access: a row, or a word."""
    return level.row_bits or level.word_bits[at] or 0  # a level without rows has widths


def _lacking(path: str, found: str, allowed: str, required: bool) -> None:
    if required:
        raise SpecError(path, found, allowed, "add it")


def _filled(level: StorageLevel, wish: Wish, price: Price) -> StorageLevel:
    def choose(own: Triple, asked: frozenset[str], priced: Triple) -> Triple:
        weights, inputs, outputs = (pj if tensor in asked else old for tensor, old, pj in zip(TENSORS, own, priced, strict=True))
        return (weights, inputs, outputs)

    read, write = choose(level.read_pj, wish.read, price.read_pj), choose(level.write_pj, wish.write, price.write_pj)
    return replace(level, read_pj=read, write_pj=write, source="; ".join(filter(None, (level.source, price.source))))


def _network(arch: Architecture, index: int, wish: Wish, tech: Technology | None) -> Fanout:
    """Energies of a network: registers where it is systolic, adders where a multiplier's own does not add.

    The adder of a multiplier-accumulator adds what it multiplies: a reduction has adders of its own only above a level
    that holds sums. Wires are not in the table.
    """
    fan = arch.levels[index].fanout
    if tech is None or fan.size == 1:
        return fan
    sums = fan.reduction and any(set(axis.dims) & set("CRS") and axis.size > 1 for axis in fan.axes)
    weight_bits, input_bits, acc_bits = mac_widths(arch)
    if wish.hop and fan.skew == "systolic":
        fan = replace(fan, hop_pj=tech.register_pj(max(weight_bits, input_bits, acc_bits if sums else 0)))
    if wish.add and sums and any("outputs" in level.holds for level in arch.levels[index + 1 :]):
        fan = replace(fan, add_pj=tech.add_pj(acc_bits))
    return fan


def mac_widths(arch: Architecture) -> tuple[int, int, int]:
    """Return the bits of weights, inputs and sums at the multipliers.

    Those of the datapath; without one, of the words in the innermost levels that hold them, 8 if these follow the layer.
    """
    path = arch.datapath
    found = [8, 8, 32]
    for at, tensor in enumerate(TENSORS):
        inner = next(level for level in reversed(arch.levels) if tensor in level.holds)
        found[at] = inner.word_bits[at] or found[at]
    if path is not None:
        found = [path.weight_bits, path.input_bits, path.acc_bits]
    return found[0], found[1], arch.psum_bits or found[2]


def mac_pj(arch: Architecture, tech: Technology, path: str) -> float:
    """Return the energy of a multiply-accumulate at the native widths.

    A composable unit takes what the synthesis sheet says more than a fixed one; a bit-serial one as much as a parallel one,
    since it makes the same bit products, spread over time.
    """
    weight_bits, input_bits, acc_bits = mac_widths(arch)
    ratios = _ratios(arch)
    if ratios is None:
        raise SpecError(
            f"{path}.mac_pj", "nothing", "an energy: the table has composable units of 4 to 16 bits in 2-bit bricks", "add it"
        )
    return ratios[1] * tech.mac_pj(weight_bits, input_bits, acc_bits)


def _multiplier_area(arch: Architecture, tech: Technology, path: str) -> float | None:
    weight_bits, input_bits, _ = mac_widths(arch)
    ratios = _ratios(arch)
    return None if ratios is None else arch.pes * ratios[0] * tech.pe_area_um2(input_bits, weight_bits)


def _ratios(arch: Architecture) -> tuple[float, float] | None:
    """Area and energy of the multiplier over a fixed one; None where the table has none."""
    path = arch.datapath
    if path is None or path.scheme != "composable":
        return 1.0, 1.0
    return composable_ratios(path.weight_bits, path.input_bits, path.brick_bits)
