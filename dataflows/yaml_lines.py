"""YAML whose values remember the line they came from, so that errors can name it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dataflows.errors import SpecError

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    Attributes
    ----------
    data : object
        Plain lists, dictionaries and scalars.
    lines : dict
        Line (from 1) of every value, by its path: ``("layers", 0, "conv", "K")``.
    path : str
        File name.
    """

    data: Any
    lines: dict[Place, int]
    path: str

    def where(self, *keys: str | int) -> str:
        """Return ``file:line: field`` for a value, or for its nearest parent when it is absent."""
        known = keys
        while known and known not in self.lines:
            known = known[:-1]
        field = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        place = f"{self.path}:{self.lines.get(known, 1)}"
        return f"{place}: {field}" if field else place


def read_yaml(path: str | Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    SpecError
        Missing or unreadable file, malformed YAML, tags that would build objects, or a key given twice; with ``file:line``.
    """
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = {} if root is None else dict(_lines(root, (), name, set()))
        data = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise SpecError(name, "no such file", "a YAML file", "check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(name, str(error), "a readable UTF-8 text file", "check the file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise SpecError(f"{name}:{line}", problem, "well-formed YAML", "correct the line") from error
    except (ValueError, RecursionError) as error:  # a date that does not exist, or a thousand brackets
        raise SpecError(name, str(error), "well-formed YAML", "correct the value") from error
    return Document(data, lines, name)


def _lines(node: yaml.Node, path: Place, file: str, walked: set[int]) -> Iterator[tuple[Place, int]]:
    yield path, node.start_mark.line + 1
    if id(node) in walked:  # an alias: its anchor was walked, and nested aliases would take exponential time
        return
    walked.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _lines(child, (*path, index), file, walked)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            name = str(key.value)
            if name in seen:
                raise SpecError(f"{file}:{key.start_mark.line + 1}", name, "each key once", "remove one of the two")
            seen.add(name)
            yield from _lines(child, (*path, name), file, walked)
