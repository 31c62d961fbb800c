"""Text of the form ``name:key=value,key=value`` and its reading, shared by the small value types of the cost model."""

from __future__ import annotations

from collections.abc import Mapping

from dataflows.errors import SpecError


def split_options(text: str, path: str) -> tuple[str, dict[str, int | str]]:
    """Split into the name and its options, digits as integers; raise `SpecError` for a part without ``=`` or a repeated key."""
    head, colon, body = text.partition(":")
    found: dict[str, int | str] = {}
    for part in body.split(",") if colon else ():
        key, equals, value = (word.strip() for word in part.partition("="))
        if not key or not equals or not value:
            raise SpecError(path, text, "name:key=value,key=value", f"give {part.strip() or 'the empty part'} as key=value")
        if key in found:
            raise SpecError(f"{path}.{key}", value, "each key once", "remove one of them")
        found[key] = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else value
    return head.strip(), found


def join_options(head: str, options: Mapping[str, object]) -> str:
    """Inverse of `split_options`."""
    body = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{head}:{body}" if body else head


def whole(value: object, path: str, low: int, high: int) -> int:
    """Return `value` if it is an integer from `low` to `high`; else raise `SpecError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(path, value, f"an integer from {low} to {high}", "change the value")
    return value
