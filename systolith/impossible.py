"""Warnings on standard error about figures that no hardware can reach."""

from __future__ import annotations

from typing import Any

from systolith import console

OWN_MODES = ("machine", "timeloop", "array")


def warn(results: list[dict[str, Any]]) -> None:
    """Name every figure in ``below_floor`` of costs in JSON form."""
    for row in results:
        if row["mode"] in OWN_MODES:
            advice = "the cost is wrong, please report it"
        else:
            advice = f"this is what {row['mode']} reports, do not compare with it"
        for each in row["below_floor"]:
            found = f"{row['layer']}: {each['figure']} {each['found']:,}"
            console.say(f"warning: {found}, but no hardware can do with fewer than {each['floor']:,}; {advice}")
