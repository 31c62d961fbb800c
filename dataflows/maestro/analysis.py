"""From levels to cycles and words: cases of the outermost level, clusters inside it by recursion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflows.maestro.cases import Case, cases
from dataflows.maestro.levels import Level, Problem
from dataflows.maestro.machine import Machine
from dataflows.maestro.reuse import Reuse

MOVING = ("inputs", "weights")
Sizes = tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Tally:
    """What the cases of one level add up to.

    Attributes
    ----------
    cycles : int
        From the first word to the last.
    macs : int
        Multiply-accumulates as the tool counts them.
    words : Counter
        ``inputs`` and ``weights`` read from the level above the units, ``outputs`` written back.
    times : Counter
        Cycles of ``ingress``, ``compute``, ``egress`` and ``offchip`` if each had the time to itself.
    binding : Counter
        Cycles of the iterations in which each of them takes longest.
    """

    cycles: int = 0
    macs: int = 0
    words: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    binding: Counter[str] = field(default_factory=Counter)


class Analysis:
    """A layer under directives on a machine.

    Attributes
    ----------
    levels : tuple of Level
        Outermost first.
    reuse : list of Reuse
        Word counts of each level.
    """

    def __init__(self, problem: Problem, levels: tuple[Level, ...], machine: Machine) -> None:
        self.levels = levels
        self.machine = machine
        self.reuse = [Reuse(level, problem) for level in levels]
        self._known: dict[tuple[int, Sizes], int] = {}

    def run(self) -> Tally:
        """Go through the cases of the whole layer."""
        return self._level(0, self.levels[0].extents)

    def buffers(self) -> dict[str, int]:
        """Words that L1 and L2 must hold, twice where they are double buffered."""
        times = 2 if self.machine.double_buffered else 1
        tensors = (*MOVING, "outputs")
        first = next(cases(self.levels[0], self.levels[0].extents))
        return {
            "L2": times * sum(self._tile(tensor, first) for tensor in tensors),
            "L1": times * sum(self.reuse[-1].held(tensor) for tensor in tensors),
        }

    def tiles(self) -> dict[str, dict[str, int]]:
        """Words of each tensor that L2 and the L1 of one PE hold."""
        first = next(cases(self.levels[0], self.levels[0].extents))
        tensors = (*MOVING, "outputs")
        return {
            "L2": {tensor: self._tile(tensor, first) for tensor in tensors},
            "L1": {tensor: self.reuse[-1].held(tensor) for tensor in tensors},
        }

    def _tile(self, tensor: str, first: Case) -> int:
        reuse = self.reuse[0]
        return max(reuse.egress(first), 0) if tensor == "outputs" else reuse.ingress(tensor, first)

    def _level(self, index: int, extents: Mapping[str, int]) -> Tally:
        reuse, tally = self.reuse[index], Tally()
        offchip = self._offchip() if index == 0 else 0
        for case in cases(self.levels[index], extents):
            critical = reuse.critical(case)
            if critical <= 0:  # what a stride leaves over makes no output
                continue
            out, macs = reuse.egress(case), reuse.macs(case)
            tally.words["outputs"] += case.count * out
            moved = {tensor: reuse.ingress(tensor, case) for tensor in MOVING}
            tally.words.update({tensor: case.count * words for tensor, words in moved.items()})
            tally.macs += case.count * macs
            times = {
                "ingress": self.machine.travel(sum(moved.values())),
                "compute": self._compute(index, case, critical),
                "egress": self.machine.travel(out),
            }
            self._account(tally, case, times, offchip)
        return tally

    def _account(self, tally: Tally, case: Case, times: dict[str, int], offchip: int) -> None:
        """Add the iterations of one case: overlapped but for the first, or one after the other without double buffers."""
        if not self.machine.double_buffered:
            cycles = sum(times.values()) + offchip
        elif case.first:
            cycles = max(times["ingress"] + times["compute"], offchip)
        else:
            cycles = max(*times.values(), offchip)
        if offchip:
            times = {**times, "offchip": offchip}
        tally.cycles += case.count * cycles
        tally.times.update({name: case.count * time for name, time in times.items()})
        tally.binding[max(times, key=lambda name: (times[name], name == "compute"))] += case.count * cycles

    def _compute(self, index: int, case: Case, critical: int) -> int:
        if index == len(self.levels) - 1:
            return -(-critical // self.machine.simd)
        state = case.states[self.levels[index].spatial.dim]
        partial = state.edge and state.partial
        found = [self._inner(index + 1, self.reuse[index].below(case, partial=partial))]
        if partial and self.reuse[index].edge_units > 1:
            found.append(self._inner(index + 1, self.reuse[index].below(case, partial=False)))
        return max(found)

    def _inner(self, index: int, extents: Mapping[str, int]) -> int:
        key = (index, tuple(extents.items()))
        if key not in self._known:
            self._known[key] = self._level(index, extents).cycles
        return self._known[key]

    def _offchip(self) -> int:
        """Cycles to bring in, or take out, the tiles of one iteration; half of a double buffer at a time."""
        if self.machine.offchip_bw is None:
            return 0
        first = next(cases(self.levels[0], self.levels[0].extents))
        times = 2 if self.machine.double_buffered else 1
        loads = times * sum(self._tile(tensor, first) for tensor in MOVING) // self.machine.offchip_bw // times
        stores = times * self._tile("outputs", first) // self.machine.offchip_bw // times
        return max(loads, stores) if self.machine.double_buffered else loads + stores
