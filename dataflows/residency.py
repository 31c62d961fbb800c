"""Which tensors stay at a level of a mapping, written behind its name.

``glb[WI]`` keeps weights and inputs there and lets outputs pass by; ``glb[-O]`` keeps all that the level can hold but outputs;
``glb`` alone keeps all that it can hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from dataflows.nest.rules import LETTERS

_NAME = re.compile(r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<bypass>-?)(?P<letters>[WIO]*)\])?")


class Resident(NamedTuple):
    """A level's name and what is said about it: the tensors it holds (None: all it can), and those that pass it by."""

    name: str
    holds: frozenset[str] | None = None
    bypass: frozenset[str] = frozenset()

    def of(self, possible: frozenset[str]) -> frozenset[str]:
        """Return the tensors that stay at a level which can hold `possible`."""
        return (possible if self.holds is None else self.holds) - self.bypass

    @property
    def plain(self) -> bool:
        """Whether nothing is said but the name."""
        return self.holds is None and not self.bypass

    def __str__(self) -> str:
        if self.plain:
            return self.name
        return f"{self.name}[{letters(self.holds) if self.holds is not None else '-' + letters(self.bypass)}]"


def letters(tensors: Iterable[str]) -> str:
    """Return the letters of tensors in the order W, I, O."""
    found = set(tensors)
    return "".join(letter for letter, tensor in LETTERS.items() if tensor in found)


@lru_cache(maxsize=4096)
def resident(text: str) -> Resident | None:
    """Read ``NAME``, ``NAME[WI]`` or ``NAME[-O]``; None where the text has another form."""
    match = _NAME.fullmatch(text)
    if not match:
        return None
    if match["letters"] is None:
        return Resident(match["name"])
    tensors = frozenset(LETTERS[letter] for letter in match["letters"])
    return Resident(match["name"], None, tensors) if match["bypass"] else Resident(match["name"], tensors)
