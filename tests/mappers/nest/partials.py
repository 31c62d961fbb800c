"""Every partial mapping of a tiny space, with its lower bounds, held against the best mapping that begins like it.

No search cuts anything off here: the steps of the proof are walked without a limit, and each bound they give on the way is noted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mappers.nest.proof.finish import finish
from mappers.nest.proof.front import Front, Held, beside, order_matters, pairs, priced, start
from mappers.nest.proof.lower import Lower
from mappers.nest.proof.problem import Problem
from mappers.nest.proof.search import Search, _Part
from mappers.nest.proof.walk import last, walk
from tests.mappers.nest.parts import GOALS, Listed

__all__ = ["Partials"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ROUNDED = 1 + 1e-9


@dataclass(slots=True)
class Endless(Search):
    """A search that nothing is too bad for."""

    def _below(self) -> float:
        return math.inf


@dataclass(slots=True)
class Partials:
    """All partial mappings of one residency, those that use a number of multipliers in a range.

    A *beginning* is a row of numbers: the way to unroll below a level and the tile there, from the innermost level outward, as
    far as they are known. Loops above a level that holds nothing are another mapping's loops inside it: mappings with such
    loops are left out.

    Attributes
    ----------
    space : Listed
    held : tuple of frozenset
        The residency.
    noted : list of (str, array, array)
        What bound it is, the beginnings (n, numbers), and the bounds (n, goals).
    """

    space: Listed
    held: Held
    noted: list[tuple[str, Ints, Floats]] = field(default_factory=list)

    def wrong(self) -> str:
        """Return which bound is above a mapping that begins so, nothing if none is."""
        case = self.space.case
        search = Endless(Problem(case.layer, case.arch, case.rules, "edp"))
        search._stop = lambda evaluated: False
        for part in _of(self.held, search):
            self.noted.clear()
            lower = search._lower(self.held)
            self._note(search, "part", np.zeros((1, 0), dtype=np.int64), lower.root(), np.array([part.most]))
            self._grow(search, part, lower, start(search.problem), 0)
            if found := self._above(search, part):
                return found
        return ""

    def _note(self, search: Search, what: str, beginning: Ints, sums: Floats, used: Ints) -> None:
        values = [search.problem.value(sums, used) for _ in _goals(search.problem)]
        self.noted.append((what, beginning, np.stack(values, axis=1)))

    def _grow(self, search: Search, part: _Part, lower: Lower, front: Front, level: int) -> None:
        problem, ways, top = search.problem, search.ways[level], search.problem.depth - 1
        for number, _ in enumerate(_goals(problem)):
            found = pairs(problem, front, ways, *search._bounds(front, lower, level, part))
            beginning = np.concatenate([_begun(front, level)[found.at], found.way[:, None]], axis=1)
            self._note_one("way", beginning, found.value, number)
        if not len(found):
            return
        grown = priced(problem, beside(problem, front, self.held, level, ways, found), self.held, level)
        if level == top:
            for number, _ in enumerate(_goals(problem)):
                done = last(problem, grown, self.held, math.inf)
                self._note_one("last", beginning[done.at], done.value, number)
        elif lower.outer is not None and level == top - 1:
            self._finish(search, grown, lower, beginning)
        else:
            rest = search._rest(level)
            for some in walk(problem, grown, self.held, level, lower, lambda: math.inf, rest):
                self._note(search, "tile", _begun(some, level + 1), lower.of(some, level), some.used * rest)
                self._grow(search, part, lower, some, level + 1)

    def _note_one(self, what: str, beginning: Ints, value: Floats, goal: int) -> None:
        """Note bounds for one goal; for the others nothing is said."""
        values = np.zeros((len(value), len(GOALS)))
        values[:, goal] = value
        self.noted.append((f"{what} {goal}", beginning, values))

    def _finish(self, search: Search, front: Front, lower: Lower, beginning: Ints) -> None:
        """Note what the ends of partial mappings are bound to cost, and their completions."""
        assert lower.outer is not None
        level = search.problem.depth - 2
        for number, _ in enumerate(_goals(search.problem)):
            ends = finish(search.problem, front, self.held, lower.outer, math.inf)
            for at in range(len(ends.at)):
                trail, value = search._completed(front, ends, at, lower.outer)
                whole = np.concatenate([np.tile(beginning[ends.at[at]], (len(trail), 1)), trail[:, level, 1:2]], axis=1)
                self._note_one("completed", whole, value, number)
                self._note_one("end", whole, np.full(len(whole), ends.value[at]), number)

    def _above(self, search: Search, part: _Part) -> str:
        """Hold the least bound of every beginning against the least value of the mappings that begin so."""
        rows, begun = self._mappings(search, part)
        figures = self.space.figures
        energy, cycles = figures.energy_pj[rows], figures.cycles[rows].astype(np.float64)
        values = np.stack([search.problem.worth(energy, cycles) for _ in _goals(search.problem)], axis=1)
        names = sorted({(what, beginning.shape[1]) for what, beginning, _ in self.noted})
        for what, length in names:
            some = [each for each in self.noted if each[0] == what and each[1].shape[1] == length]
            own, least = _least(np.concatenate([each[1] for each in some]), np.concatenate([each[2] for each in some]))
            theirs, best = _least(begun[:, :length], values)
            for row, bounds in zip(own.tolist(), least, strict=True):
                at = np.flatnonzero((theirs == row).all(axis=1))
                if len(at) and (bounds > best[at[0]] * ROUNDED).any():
                    goal = int(np.argmax(bounds > best[at[0]] * ROUNDED))
                    which = rows[(begun[:, :length] == row).all(axis=1) & (values[:, goal] == best[at[0], goal])][0]
                    mapping = self.space.points.mapping(self.space.case.arch, int(which))
                    return f"{what} at {row}: {bounds[goal]} above {best[at[0], goal]}, {GOALS[goal]}, {part}\n{mapping}"
        return ""

    def _mappings(self, search: Search, part: _Part) -> tuple[Ints, Ints]:
        """Return the numbers of the listed mappings that count, and how they begin."""
        problem, space = search.problem, self.space
        lattice, depth = problem.lattice, problem.depth
        held = np.array([[tensor in each for tensor in range(3)] for each in self.held])
        used = space.space.prod(axis=(1, 2))
        ok = space.figures.fits & (space.holds == held).all(axis=(1, 2)) & (used >= part.least) & (used <= part.most)
        for level in range(1, depth):
            if not order_matters(problem, self.held, level):
                ok &= (space.tile[:, level] == space.tile[:, level - 1] * space.space[:, level]).all(axis=1)
        rows = np.flatnonzero(ok)
        columns = []
        for level in range(depth):
            number = np.full(len(lattice), -1)
            number[lattice.flat(search.ways[level].positions)] = np.arange(len(search.ways[level].used))
            columns += [number[_flat(problem, space.space[rows, level])], _flat(problem, space.tile[rows, level])]
        return rows, np.stack(columns, axis=1)


def _goals(problem: Problem) -> Iterator[None]:
    """Give the problem one goal after the other."""
    for problem.objective, problem.price in GOALS:
        yield


def _of(held: Held, search: Search) -> Iterator[_Part]:
    """Yield the parts of a residency."""
    for most, least in search._bands():
        yield _Part(0.0, held, least, most)


def _begun(front: Front, levels: int) -> Ints:
    """Return how partial mappings begin, by what is known of the innermost levels."""
    return front.trail[:, :levels, :2].reshape(len(front), 2 * levels)


def _flat(problem: Problem, extents: Ints) -> Ints:
    lattice = problem.lattice
    return lattice.flat(np.stack([np.searchsorted(divs, own) for divs, own in zip(lattice.divs, extents.T, strict=True)], axis=1))


def _least(beginnings: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Return each beginning once, and the least values of those that are equal."""
    if not beginnings.shape[1]:
        return beginnings[:1], values.min(axis=0, keepdims=True, initial=np.inf)
    own, which = np.unique(beginnings, axis=0, return_inverse=True)
    least = np.full((len(own), values.shape[1]), np.inf)
    np.minimum.at(least, which.ravel(), values)
    return own, least
