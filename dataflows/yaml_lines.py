"""YAML that people write: read strictly, with every value remembering the line it came from.

PyYAML keeps the last of two equal keys without a word; here the second is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dataflows.errors import SpecError

Loc = tuple[str | int, ...]
MOST_BYTES = 64 << 20
TAG = "!"
"""Key under which a mapping with a tag carries the tag's name."""


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
        File name as the user gave it.
    """

    data: Any
    lines: dict[Loc, int]
    path: str

    def where(self, *keys: str | int) -> str:
        """Return ``file:line: field`` for a value, or for its nearest parent when it is absent."""
        known = keys
        while known and known not in self.lines:
            known = known[:-1]
        field = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        place = f"{self.path}:{self.lines.get(known, 1)}"
        return f"{place}: {field}" if field else place

    def part(self, key: str) -> Document:
        """Return the document below a top-level key."""
        lines = {loc[1:]: line for loc, line in self.lines.items() if loc[:1] == (key,)}
        return Document(self.data[key], lines, self.path)


def read_text(path: str | Path, what: str) -> str:
    """Read a UTF-8 file; every way this can fail is a `SpecError` naming the file and `what` was expected."""
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise SpecError(str(path), f"{size} bytes", f"{what} of at most {MOST_BYTES} bytes", "check the file name")
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(str(path), "no such file", what, "check the path") from None
    except UnicodeDecodeError:
        raise SpecError(str(path), "bytes that are not UTF-8 text", what, "check the file name") from None
    except OSError as error:
        raise SpecError(str(path), error.strerror or str(error), f"a readable file: {what}", "check the path") from None


def read_yaml(path: str | Path, what: str = "a YAML file") -> Document:
    """Read a YAML (or JSON) file.

    Raises
    ------
    SpecError
        Missing or unreadable file, malformed YAML, tags that would build objects, or a key given twice; with ``file:line``.
    """
    return parse_yaml(read_text(path, what), str(path))


def parse_yaml(text: str, source: str, tags: Collection[str] = ()) -> Document:
    """Parse YAML text; errors as for `read_yaml`, a syntax error with ``source:line:column``.

    Mappings with one of the `tags` get a key `TAG` with the tag's name; other tags are refused.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is not None and tags:
            _untag(root, tags, set())
        lines = {} if root is None else dict(_lines(root, (), source, {}))
        data = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise SpecError(place, error.problem or "broken YAML", "well-formed YAML", "correct this place") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a control character, a date that does not exist, ...
        raise SpecError(source, str(error).splitlines()[0], "well-formed YAML", "correct the file") from None
    return Document(data, lines, source)


def _untag(node: yaml.Node, tags: Collection[str], seen: set[int]) -> None:
    """Turn tags of mappings into entries."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for _, child in node.value:
            _untag(child, tags, seen)
        if node.tag in tags:
            name = node.tag.removeprefix("!")
            pair = [yaml.ScalarNode("tag:yaml.org,2002:str", word, node.start_mark, node.start_mark) for word in (TAG, name)]
            node.value.append((pair[0], pair[1]))
            node.tag = "tag:yaml.org,2002:map"
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _untag(child, tags, seen)


def _lines(node: yaml.Node, path: Loc, file: str, finished: dict[int, bool]) -> Iterator[tuple[Loc, int]]:
    """Yield the line of every value and refuse repeated keys.

    `finished` holds the nodes seen so far, false while their children are walked: an alias is walked once only (nested
    aliases would take exponential time), and one that leads back into itself is refused.
    """
    yield path, node.start_mark.line + 1
    if id(node) in finished:
        if not finished[id(node)]:
            place = f"{file}:{node.start_mark.line + 1}"
            raise SpecError(place, "an alias that contains itself", "a finite document", "remove it")
        return
    finished[id(node)] = False
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _lines(child, (*path, index), file, finished)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, child in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                place = f"{Document(None, {(*path, name): line}, file).where(*path, name)}"
                raise SpecError(place, "the same key twice", "each key once", f"remove this one or the one on line {seen[name]}")
            seen[name] = line
            yield from ((loc, line if loc == (*path, name) else at) for loc, at in _lines(child, (*path, name), file, finished))
    finished[id(node)] = True
