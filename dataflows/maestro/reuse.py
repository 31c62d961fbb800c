"""Words that enter and leave the units of a level in one iteration: what is new, what stayed, what neighbours share.

The rules, with all their simplifications, are those of the tool. The main one: a tensor moves only when the innermost loop
that advanced is one of its own, even if an outer advance starts inner loops over again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dataflows.maestro.cases import Case, State, units_at_edge
from dataflows.maestro.levels import WINDOWS, Level, Loop, Problem

Volume = Callable[[bool, bool], int]
"""Words of a unit, from: is it the first unit, is it the partial one."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a unit holds of one dimension: all of it and the share that is new, in full iterations and at the edge."""

    full: int
    fresh: int
    edge: int
    edge_fresh: int


def parts_of(level: Level, problem: Problem) -> dict[str, Part]:
    """Return the parts by dimension, ``Y'`` and ``X'`` for output rows and columns."""
    found = {loop.dim: _part(loop, level.extents[loop.dim]) for loop in level.loops}
    for dim, taps in WINDOWS.items():
        loop, window, filt = level.find(dim), found[dim], found[taps]
        full, edge = window.full - filt.full + 1, window.edge - filt.edge + 1
        found[dim + "'"] = Part(full, min(loop.offset, loop.size), edge, min(loop.offset, edge))
    return found


def _part(loop: Loop, extent: int) -> Part:
    steps = (extent - loop.size) // loop.offset if extent >= loop.size else 0
    left = extent - (steps + 1) * loop.offset
    left = extent if left < 0 else left
    uneven = loop.size > extent or steps * loop.offset + loop.size < extent
    held = not loop.spatial and extent <= loop.size
    return Part(
        full=loop.size,
        fresh=0 if held else min(loop.size, loop.offset),
        edge=left if uneven else loop.size,
        edge_fresh=max(loop.offset - loop.size + left, 0),
    )


class Reuse:
    """Word counts of one level."""

    def __init__(self, level: Level, problem: Problem) -> None:
        self.level = level
        self.problem = problem
        self.parts = parts_of(level, problem)
        self.edge_units = units_at_edge(level)

    def ingress(self, tensor: str, case: Case) -> int:
        """Count the ``inputs`` or ``weights`` read for all units together; neighbours share what their parts overlap."""
        dims = self.problem.tensors[tensor]
        state = self._over_space(dims, case)
        if state is None:
            return self._moved(dims, case, True, False)
        return self._units(*state, lambda first, partial: self._moved(dims, case, first, partial), count_shared=True)

    def egress(self, case: Case) -> int:
        """Count the outputs written by all units together."""
        state = self._over_space(self.problem.tensors["outputs"], case)
        if state is None:
            return self._outputs(case, True, False)
        return self._units(*state, lambda first, partial: self._outputs(case, first, partial), count_shared=True)

    def macs(self, case: Case) -> int:
        """Count the multiply-accumulates of all units together."""
        states = [case.states[loop.dim] for loop in self.level.loops if loop.spatial]

        def volume(first: bool, partial: bool) -> int:
            return self._sums(case, first, partial) * self._outputs(case, first, partial, shared_edge=False)

        return self._units(any(state.edge for state in states), states[-1].partial, volume, count_shared=False)

    def critical(self, case: Case) -> int:
        """Count the multiply-accumulates of the unit that has most to do; 0 or less when the case has no outputs."""
        state = self._over_space(self.problem.tensors["outputs"], case)
        partial = state is not None and state[0] and state[1] and self.edge_units == 1
        return self._sums(case, True, partial) * self._outputs(case, True, partial)

    def held(self, tensor: str) -> int:
        """Count the words of a tensor that one unit holds; outputs are given the room of the input rows and columns."""
        return math.prod(self.parts[dim].full for dim in self.problem.tensors[tensor])

    def below(self, case: Case, *, partial: bool) -> dict[str, int]:
        """Return the sizes that a unit gets to work on."""
        sizes: dict[str, int] = {}
        for loop in self.level.loops:
            state, part = case.states[loop.dim], self.parts[loop.dim]
            short = state.edge and (not loop.spatial or self.edge_units == 1 or partial)
            sizes[loop.dim] = part.edge if short else part.full
        return sizes

    def _over_space(self, dims: tuple[str, ...], case: Case) -> tuple[bool, bool] | None:
        """Return whether the tensor's iteration over space is short, and its last unit partial; None if it has no such loop."""
        states = [case.states[dim] for dim in dims if self.level.find(dim).spatial]
        return (any(state.edge for state in states), states[-1].partial) if states else None

    def _units(self, short: bool, partial: bool, volume: Volume, *, count_shared: bool) -> int:
        """Add over the units in use: the first, those like it, and the partial one; `count_shared` if overlaps come once."""
        other = volume(not count_shared, False)
        if not short:
            return volume(True, False) + (self.level.units - 1) * other
        used = self.edge_units
        total = volume(True, used == 1 and partial)
        if used > 1:
            total += max(used - partial - 1, 0) * other + partial * volume(False, True)
        return total

    def _moved(self, dims: tuple[str, ...], case: Case, first: bool, partial: bool) -> int:
        """Words of inputs or weights that one unit has to be sent."""
        loops = self.level.loops
        advanced = max((i for i, loop in enumerate(loops) if case.states[loop.dim].position != "init"), default=-1)
        if advanced < 0:
            return self._all(dims, case, first, partial)
        if loops[advanced].dim not in dims:
            return 0
        restarted = any(loop.dim in dims and not case.states[loop.dim].whole for loop in loops[advanced + 1 :])
        words = 1
        for i, loop in enumerate(loops):
            if loop.dim not in dims:
                continue
            state, part = case.states[loop.dim], self.parts[loop.dim]
            advances = i == advanced and not restarted
            if not loop.spatial:
                kept = part.edge if state.edge and state.position == "init" else part.full
                words *= max(part.fresh, 1) if advances else kept
            else:
                overlaps = not first and (i > advanced if state.position == "init" else advances)
                words *= _of(part, partial, fresh=overlaps)
        return words

    def _all(self, dims: tuple[str, ...], case: Case, first: bool, partial: bool) -> int:
        """Words of a tensor that one unit holds in the very first iteration."""
        words = 1
        for loop in self.level.loops:
            if loop.dim not in dims:
                continue
            state, part = case.states[loop.dim], self.parts[loop.dim]
            if not state.edge:
                words *= part.full
            elif not loop.spatial:
                words *= part.edge
            elif self.edge_units > 1:
                words *= part.edge if partial else part.full
            elif first or partial:
                words *= part.edge
        return words

    def _sums(self, case: Case, first: bool, partial: bool) -> int:
        """Multiply-accumulates of one unit for each of its outputs."""
        total = 1
        for loop in self.level.loops:
            if loop.dim in self.problem.tensors["outputs"]:
                continue
            state, part = case.states[loop.dim], self.parts[loop.dim]
            if not loop.spatial:
                total *= part.edge if state.edge else part.full
            else:
                total *= self._short(state, part, part.edge, first, partial, shared=state.position == "edge")
        return total

    def _outputs(self, case: Case, first: bool, partial: bool, *, shared_edge: bool = True) -> int:
        """Count the outputs of one unit."""
        total = 1
        for dim in self.problem.tensors["outputs"]:
            state, part = case.states[dim], self.parts[dim + "'" if dim in WINDOWS else dim]
            if not self.level.find(dim).spatial:
                total *= part.edge if state.edge else part.full
                continue
            late = state.position == "edge"
            alone = self.parts[dim].edge if late else part.edge  # at a late edge the tool takes the input's rows
            total *= self._short(state, part, alone, first, partial, shared=late or shared_edge)
        return total

    def _short(self, state: State, part: Part, alone: int, first: bool, partial: bool, *, shared: bool) -> int:
        """Share of one unit along a loop over space; `alone` if it is the only unit in use."""
        if state.edge and (state.position == "edge" or partial):
            if self.edge_units == 1:
                return alone if first or partial else 1
            if partial:
                return part.edge_fresh if shared else part.edge
        return part.full if first else part.fresh or 1


def _of(part: Part, partial: bool, *, fresh: bool) -> int:
    if partial:
        return part.edge_fresh if fresh else part.edge
    return part.fresh if fresh else part.full


def sizes(problem: Problem) -> Mapping[str, int]:
    """Return the words of every tensor; outputs without regard to strides, as the tool counts them."""
    found = {name: math.prod(problem.extents[dim] for dim in dims) for name, dims in problem.tensors.items()}
    rows = {dim: problem.extents[dim] - problem.extents[taps] + 1 for dim, taps in WINDOWS.items()}
    found["outputs"] = math.prod(rows.get(dim, problem.extents[dim]) for dim in problem.tensors["outputs"])
    return found
