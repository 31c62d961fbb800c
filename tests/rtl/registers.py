"""Counting register writes in a recorded simulation, without any model of what should be written when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from dataflows.arch import MOST_PE_STAGES
from rtl.array import ArrayPlan

# Paths of registers that take something in every cycle, and of those that keep what they have until told otherwise.
PASSES = {
    "inputs": r"\.(pe_\d+\.act_o|west_\d+\.left|west_\d+_1)",
    "weights": r"\.(pe_\d+\.w_o|north_\d+_1|north_in_1)",
    "psums": r"\.pe_\d+\.sum_o",
    "products": r"\.pe_\d+\.product_held",
}
KEEPS = {"weights": r"\.pe_\d+\.(shadow|live)", "psums": r"\.pe_\d+\.(total|hold)"}

Changes = list[tuple[int, int]]


def distinct(like: np.ndarray, seed: int) -> np.ndarray:
    """Return as many numbers of 16 bits, all different and above zero, in the shape of `like`."""
    drawn = 1 + np.random.default_rng(seed).choice((1 << 15) - 1, like.size, replace=False)
    return drawn.reshape(like.shape).astype(like.dtype)


def recorded(path: Path) -> Iterator[tuple[str, Changes]]:
    """Yield every signal of a VCD file: its path, and (time, value) of its changes; what is unknown reads as 0."""
    scope: list[str] = []
    names: dict[str, str] = {}
    found: dict[str, Changes] = {}
    now = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "$scope":
            scope.append(words[2])
        elif words[0] == "$upscope":
            scope.pop()
        elif words[0] == "$var":
            names[".".join((*scope, words[4]))] = words[3]
        elif words[0][0] == "#":
            now = int(words[0][1:])
        elif words[0][0] == "b":
            found.setdefault(words[1], []).append((now, int(re.sub("[xz]", "0", words[0][1:]), 2)))
        elif words[0][0] in "01":
            found.setdefault(words[0][1:], []).append((now, int(words[0][0])))
    for name, code in names.items():
        yield name, found.get(code, [])


def written(path: Path, plan: ArrayPlan, period: int = 0, since: int = -1) -> dict[str, int]:
    """Count register writes by operand: lanes that are not zero, in every cycle or whenever they change.

    Parameters
    ----------
    path : Path
        VCD file of a simulation in which no two words of work are equal and none of their lanes is zero.
    plan : ArrayPlan
        The array.
    period : int
        Cycle time, if what the array idles on is zero: then a register that passes words on was written in every cycle
        that shows something, even if it is the same. Without it, only changes count.
    since : int
        Time until which changes do not count.
    """
    paths = dict(PASSES)
    if not plan.serialise and plan.rows > 1:  # Verilog names the last register of the edge after the port it leads to
        paths["inputs"] += rf"|\.row_{plan.rows - 1}__act"
    bits = {"inputs": plan.input_bits, "weights": plan.weight_bits, "psums": plan.acc_bits}
    if plan.pe_stages == MOST_PE_STAGES:
        bits["products"] = plan.input_bits + plan.weight_bits
    total = dict.fromkeys(bits, 0)
    for name, changes in recorded(path):
        for operand, width in bits.items():
            if re.search(f"({paths[operand]})$", name):
                total[operand] += _shown(changes, width, period) if period else _changed(changes, width, since)
            elif operand in KEEPS and re.search(f"{KEEPS[operand]}$", name):
                total[operand] += _changed(changes, width, since)
    return total


def _shown(changes: Changes, width: int, period: int) -> int:
    """Cycles in which lanes are not zero, one by one; the last value must be zero."""
    assert not changes or changes[-1][1] == 0, "the recording ends too early"
    return sum(
        (until - begin) // period * sum(lane != 0 for lane in _lanes(value, width))
        for (begin, value), (until, _) in pairwise(changes)
    )


def _changed(changes: Changes, width: int, since: int) -> int:
    """Lanes that became something else than they were, and not zero."""
    total = 0
    for (_, before), (time, after) in zip([(0, 0), *changes], changes, strict=False):
        if time > since:
            old, new = _lanes(before, width), _lanes(after, width)
            total += sum(lane not in (0, was) for lane, was in zip(new, old + [0] * (len(new) - len(old)), strict=False))
    return total


def _lanes(word: int, width: int) -> list[int]:
    return [word >> at & (1 << width) - 1 for at in range(0, word.bit_length(), width)]
