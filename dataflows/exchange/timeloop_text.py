"""The short texts in Timeloop's mappings and constraints: factors and permutations."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from dataflows.exchange.source import Place, Reader

_FACTOR = re.compile(r"\s*(?P<dim>[A-Za-z_]\w*?)\s*(?P<relation>=|<=|>=)?\s*(?P<size>\d+)(?:,(?P<last>\d+))?(?=[\s,]|$)[\s,]*")


class Factor(NamedTuple):
    """A dimension's extent at one place; `last` is the size of the last iteration, where it is another (Ruby)."""

    dim: str
    relation: str
    size: int
    last: int | None


def factors(read: Reader, data: Any, at: Place) -> list[Factor]:
    """Read ``C=16 K=1``, ``C16 K1``, or a list of such; a comma may separate them."""
    texts = data if isinstance(data, list) else [data]
    found = []
    for text in texts:
        rest = str(text)
        while rest.strip():
            match = _FACTOR.match(rest)
            if match is None:
                raise read.unsupported(at, rest.strip(), "factors such as C=16 K=1", "correct the text")
            last = None if match["last"] is None else int(match["last"])
            found.append(Factor(match["dim"], match["relation"] or "=", int(match["size"]), last))
            rest = rest[match.end() :]
    return found


def permutation(read: Reader, data: Any, dims: Collection[str], at: Place) -> list[str]:
    """Read an order of dimensions, innermost first: a list, words, or letters put together."""
    if isinstance(data, list):
        found = [str(word) for word in data]
    else:
        text = str(data)
        words = [word for word in re.split(r"[\s,]+", text) if word]
        found = words if all(word in dims for word in words) else [letter for word in words for letter in word]
    for word in found:
        if word not in dims:
            raise read.unsupported(at, word, f"the dimensions {', '.join(dims)}", "correct the order")
    if twice := next((word for word in found if found.count(word) > 1), None):
        raise read.unsupported(at, f"{twice} twice", "each dimension once", "remove one")
    return found
