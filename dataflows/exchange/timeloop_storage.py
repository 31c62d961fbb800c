"""One storage of a Timeloop architecture as one of our levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataflows.exchange.source import Place, Reader
from dataflows.exchange.timeloop_tables import Tables
from dataflows.nest.rules import TENSORS

STORAGE = ("DRAM", "SRAM", "regfile", "smartbuffer", "storage")
COMPUTE = ("mac", "compute")
NETWORK = ("XY_NoC", "Legacy", "ReductionTree", "SimpleMulticast")
_SIZES = ("depth", "width", "datawidth", "entries", "sizeKB", "block_size", "cluster_size", "memory_depth", "memory_width")
_PORTS = {"read_bandwidth": "read_bandwidth", "write_bandwidth": "write_bandwidth", "shared_bandwidth": "bandwidth"}
_REST = ("technology", "global_cycle_seconds", "multiple_buffering", "reduction_supported", "type", "n_banks", "version")


def kept(read: Reader, data: Any, at: Place, tensor: Callable[[Any, Place], str], parallel: bool) -> set[str]:
    """Return the tensors that a storage can hold: all but those that bypass it; in parallel, those it keeps."""
    given = read.table(data or {}, at, "keep and bypass")
    read.unknown(given, ("keep", "bypass"), at)
    named = {key: read.items(given.get(key) or [], (*at, key), "a list of data spaces") for key in ("keep", "bypass")}
    lists = {key: {tensor(name, (*at, key)) for name in names} for key, names in named.items()}
    if parallel:
        if not lists["keep"]:
            raise read.unsupported(at, "no data spaces to keep", "keep: [...] for each storage in parallel", "add keep")
        return lists["keep"]
    return {tensor for tensor in TENSORS if tensor not in lists["bypass"]}


def entry_of(read: Reader, name: str, given: dict[str, Any], held: list[str], tables: Tables, at: Place) -> dict[str, Any]:
    """Return a level in our YAML form, without the array below it.

    A word has `datawidth` bits, an access moves a block of `block_size` words: energy is that of a block for every started
    block, as Timeloop has it.
    """
    known = (*_SIZES, *_PORTS, *_REST)
    read.unknown({key: value for key, value in given.items() if key not in known}, (), at)
    if "n_banks" in given:
        read.note((*at, "n_banks"), "not understood: n_banks; it changes only the energies that Accelergy gives")
    bits = read.whole(given.get("datawidth", 8), (*at, "datawidth"))
    if "datawidth" not in given:
        read.note(at, f"{name}: no datawidth, taken to be 8 bits")
    if read.whole(given.get("cluster_size", 1), (*at, "cluster_size")) != 1:
        raise read.unsupported((*at, "cluster_size"), given["cluster_size"], "1", "describe one memory per instance")
    block = _block(read, given, bits, at)
    entry: dict[str, Any] = {"name": name, "holds": held, "word_bits": bits, "block_words": block, "fanout": {"axes": []}}
    size = _words(read, given, block, at)
    if size is not None:
        entry["capacity_bits"] = size * bits
    copies = read.number(given.get("multiple_buffering", 1), (*at, "multiple_buffering"))
    if copies not in (1, 2):
        raise read.unsupported((*at, "multiple_buffering"), copies, "1 or 2", "choose one of these")
    entry["buffering"] = "double" if copies == 2 else "ideal"
    for key, ours in _PORTS.items():
        if given.get(key) is not None:
            entry[ours] = read.number(given[key], (*at, key))
    if given.get("reduction_supported", True) is not True:
        read.note(
            (*at, "reduction_supported"), "not understood: reduction_supported; every level that holds sums can add to them"
        )
    if name in tables:
        entry |= _energies(read, name, tables, block, held, at)
    return entry


def _block(read: Reader, given: dict[str, Any], bits: int, at: Place) -> int:
    """Return the words of one access."""
    width = given.get("width", given.get("memory_width"))
    if given.get("block_size") is not None:
        return read.whole(given["block_size"], (*at, "block_size"))
    if width is None:
        return 1
    wide = read.whole(width, (*at, "width"))
    if wide < bits:
        raise read.unsupported((*at, "width"), wide, f"at least datawidth, {bits}", "correct one of them")
    if wide % bits:
        read.note((*at, "width"), f"width {wide}: {wide % bits} bits of every access hold no whole word and stay unused")
    return wide // bits


def _words(read: Reader, given: dict[str, Any], block: int, at: Place) -> int | None:
    """Return the capacity in words; None is unlimited."""
    found = {key: given[key] for key in ("depth", "memory_depth", "entries", "sizeKB") if given.get(key) is not None}
    if not found:
        return None
    key = next(iter(found))
    if len(found) > 1:
        read.note((*at, key), f"{key} decides the size; not understood besides it: {', '.join(list(found)[1:])}")
    if key == "sizeKB":
        bits = read.whole(given.get("datawidth", 8), (*at, "datawidth"))
        return int(read.number(found[key], (*at, key)) * 8192) // bits
    return read.whole(found[key], (*at, key)) * (1 if key == "entries" else block)


def _energies(read: Reader, name: str, tables: Tables, block: int, held: list[str], at: Place) -> dict[str, Any]:
    found: dict[str, Any] = {}
    reads, writes, updates = (tables.energy(name, (action,)) for action in ("read", "write", "update"))
    if reads is not None:
        found["read_pj"] = reads / block
    if writes is not None or updates is not None:
        write = writes if writes is not None else updates or 0.0
        update = updates if updates is not None else write
        found["write_pj"] = {**dict.fromkeys(TENSORS[:2], write / block), TENSORS[2]: update / block}
        if write != update and "outputs" in held:
            read.note(at, f"{name}: outputs that come in from outside cost an update too, not a write")
    return found
