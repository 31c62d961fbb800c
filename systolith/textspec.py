"""The short form ``HEAD:key=value,key=value`` of command-line arguments."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dataflows.errors import SpecError, suggestion


def split_head(text: str) -> tuple[str, str]:
    """Split ``HEAD:rest`` at the first colon; rest is empty when there is none."""
    head, _, rest = text.partition(":")
    return head.strip(), rest


def is_file(text: str) -> bool:
    """Whether the text is the path of a file; text that no path can be, such as a mapping, is none."""
    with suppress(OSError, ValueError):  # too long for a name, or with characters that names do not have
        return Path(text).is_file()
    return False


def is_own_yaml(text: str) -> bool:
    """Whether the text is the path of a YAML or JSON file that is not one of another tool."""
    from dataflows.exchange.source import recognised

    return is_file(text) and Path(text).suffix.lower() in (".yaml", ".yml", ".json") and recognised(text) is None


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
        if not known:
            raise SpecError(f"{argument}: {key}", value, "no parameters", f"write {argument.partition(':')[0]} alone")
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


def flag(text: str, path: str) -> bool:
    """Read ``true`` or ``false``."""
    if text not in {"true", "false"}:
        raise SpecError(path, text, "true or false", "correct the value")
    return text == "true"
