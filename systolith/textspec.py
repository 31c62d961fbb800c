"""The short form ``HEAD:key=value,key=value`` of command-line arguments."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dataflows.errors import SpecError


def split_head(text: str) -> tuple[str, str]:
    """Split ``HEAD:rest`` at the first colon; rest is empty when there is none."""
    head, _, rest = text.partition(":")
    return head.strip(), rest


def pairs(rest: str, argument: str, allowed: Iterable[str]) -> dict[str, str]:
    """Read ``key=value,...``.

    Raises
    ------
    SpecError
        For an entry without ``=``, an unknown key (with the nearest known one) or a key given twice.
    """
    known = list(allowed)
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise SpecError(argument, part, "key=value entries separated by commas", "write for example rows=8")
        if key not in known:
            raise SpecError(f"{argument}: {key}", value, ", ".join(known), suggestion(key, known))
        if key in found:
            raise SpecError(f"{argument}: {key}", f"{found[key]} and {value}", "each key once", f"remove one {key}")
        found[key] = value
    return found


def integer(text: str, path: str) -> int:
    """Read an integer; underscores are allowed."""
    try:
        return int(text)
    except ValueError:
        raise SpecError(path, text, "an integer", "correct the value") from None


def suggestion(word: str, known: Iterable[str], otherwise: str = "remove or rename it") -> str:
    """Return ``did you mean 'x'?`` for the nearest known word."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else otherwise
