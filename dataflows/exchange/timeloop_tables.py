"""Energies of actions by component: the ``ERT`` that Accelergy writes, or that a user does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dataflows.exchange.source import Reader

_COUNT = re.compile(r"\[[^\]]*\]$")


@dataclass(frozen=True, slots=True)
class Tables:
    """pJ of every action, by component and action."""

    actions: dict[str, dict[str, float]]
    given: bool

    def __contains__(self, name: str) -> bool:
        return name in self.actions

    def energy(self, name: str, actions: Iterable[str]) -> float | None:
        """Return the energy of the first of these actions that a component has; None where it has none."""
        table = self.actions.get(name, {})
        return next((table[action] for action in actions if action in table), None)


def read_tables(read: Reader) -> Tables:
    """Read the ``ERT`` of a file, if there is one; an ``ART`` (areas) is noted only."""
    data, at = read.document.data, ("ERT",)
    if "ART" in data:
        read.note(("ART",), "not understood: ART; the area is not taken over")
    if "ERT" not in data:
        return Tables({}, False)
    top = read.table(data["ERT"], at, "tables by component")
    read.version(top, at)
    found: dict[str, dict[str, float]] = {}
    for place, entry in read.rows(top.get("tables"), (*at, "tables"), "{name, actions}"):
        name = _COUNT.sub("", str(entry.get("name"))).rpartition(".")[2]
        actions = found.setdefault(name, {})
        for where, action in read.rows(entry.get("actions"), (*place, "actions"), "{name, energy}"):
            actions.setdefault(str(action.get("name")), read.number(action.get("energy"), (*where, "energy")))
    return Tables(found, True)
