"""Ports of a ZigZag memory: how wide an access is, and how many there are in a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.exchange.source import Place, Reader

_TYPES = ("read", "write", "read_write")
_PORT = ("name", "type", "bandwidth_min", "bandwidth_max", "allocation")


@dataclass(frozen=True, slots=True)
class Ports:
    """Widths in bits.

    Attributes
    ----------
    read_width, write_width : int
        What an access of full width moves: its energy is `r_cost` or `w_cost`.
    rates : dict
        Bits in a cycle, as our bandwidth fields.
    """

    read_width: int
    write_width: int
    rates: dict[str, int]


def ports_of(read: Reader, data: dict[str, Any], at: Place) -> Ports:
    """Read the ports, in the form with bandwidths (2025) or with `r_bw`, `w_bw` and numbers of ports (2024)."""
    entries = read.items(data.get("ports") or [], (*at, "ports"), "a list of ports")
    if "r_bw" in data or "w_bw" in data or not all(isinstance(entry, dict) and "bandwidth_max" in entry for entry in entries):
        return _older(read, data, at)
    widths: dict[str, list[int]] = {kind: [] for kind in _TYPES}
    least = []
    for place, entry in read.rows(entries, (*at, "ports"), "{name, type, bandwidth_min, bandwidth_max, allocation}"):
        read.unknown(entry, _PORT, place)
        kind = read.word(entry.get("type"), (*place, "type"), _TYPES)
        widths[kind].append(read.whole(entry.get("bandwidth_max"), (*place, "bandwidth_max")))
        least.append(read.whole(entry.get("bandwidth_min", entry.get("bandwidth_max")), (*place, "bandwidth_min")))
    if not least:
        raise read.unsupported((*at, "ports"), "no port", "at least one", "add ports")
    _grain(read, max(least), (*at, "ports"))
    return _ports(read, widths, (*at, "ports"))


def _older(read: Reader, data: dict[str, Any], at: Place) -> Ports:
    wide = {key: read.whole(data.get(key), (*at, key)) for key in ("r_bw", "w_bw")}
    counts = {key: int(read.number(data.get(key, 0), (*at, key))) for key in ("r_port", "w_port", "rw_port")}
    widths = {
        "read": [wide["r_bw"]] * counts["r_port"],
        "write": [wide["w_bw"]] * counts["w_port"],
        "read_write": [max(wide.values())] * counts["rw_port"],
    }
    if not any(widths.values()):
        raise read.unsupported((*at, "r_port"), "no port", "at least one of r_port, w_port and rw_port", "add ports")
    grains = [read.whole(data[key], (*at, key)) for key in ("min_r_granularity", "min_w_granularity") if data.get(key)]
    _grain(read, max(grains or wide.values()), (*at, "ports"))
    return _ports(read, widths, (*at, "ports"))


def _grain(read: Reader, bits: int, at: Place) -> None:
    """Note a smallest access that is wider than a usual word: what is left of a row after a tile is not charged here."""
    if bits > 8:
        read.note(at, f"accesses of {bits} bits at least: energy and time are those of the bits that move, not rounded up")


def _ports(read: Reader, widths: dict[str, list[int]], at: Place) -> Ports:
    """Add up the ports: our levels have one for both directions, or one for each."""
    both, reads, writes = (sum(widths[kind]) for kind in ("read_write", "read", "write"))
    if sum(map(len, widths.values())) > 1 + bool(reads and writes and not both):
        read.note(at, "the widths of several ports are added up; which operand uses which is not understood")
    if both and not (reads or writes):
        rates = {"bandwidth": both}
    else:
        if both:
            read.note(at, "ports for both directions count as ports for each of them")
        if not (reads + both and writes + both):
            raise read.unsupported(at, "reads or writes only", "ports for both", "add a port")
        rates = {"read_bandwidth": reads + both, "write_bandwidth": writes + both}
    width = {kind: max([*widths[kind], *widths["read_write"]]) for kind in ("read", "write")}
    return Ports(width["read"], width["write"], rates)
