"""Compact mapping text, input only: ``dram P28 K8 ; glb[IO] K4X ; rf K2 S7 C3X``, read the same for every architecture.

Levels go from the outermost to the innermost, by name or as ``L0`` (innermost), ``L1``, ..., separated by ``;``, ``|``, `` - ``
or a line break; a colon may follow the level, brackets the tensors that stay there. Loops go from outer to inner, X marks a
spatial one. A dash, or nothing, stands for no loops; levels without loops may be left out (codesign reference, 8.3 and 7.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from dataflows.errors import SpecError, suggestion

_ALIAS = r"L\d+"
_HELD = r"(?:\[[^\]]*\])?"
_LOOP = r"(?P<dim>PQ|[NGKCPQRS])(?P<extent>[1-9]\d{0,8})(?P<spatial>X?)"
_STRANGE = re.compile(rf"[\w.-]+{_HELD}\s*:?\s+{_LOOP}(?=[\s;|]|$)")
_PRINTED = re.compile(r"\|\s*(?:for|spatial)\s|\sin 0\.\.")
_YAML = re.compile(r"\s*(?:schema|levels|layers|mappings)\s*:")
_DASHES = ("-", "\u2013")


class Word(NamedTuple):
    """One loop: dimension, extent, and whether it is spatial."""

    dim: str
    extent: int
    spatial: bool

    def __str__(self) -> str:
        return f"{self.dim}{self.extent}{'X' if self.spatial else ''}"


class Part(NamedTuple):
    """One level: its index (0 is the outermost), how it was written, the brackets behind it, and its loops."""

    index: int
    label: str
    held: str
    words: tuple[Word, ...]


def is_compact(text: str, names: Sequence[str] = ()) -> bool:
    """Whether the text starts like a compact mapping for an architecture with levels of these names."""
    if _YAML.match(text) or _PRINTED.search(text):
        return False
    text = text.strip()
    return bool(re.match(rf"(?:{_labels(names)}){_HELD}\s*(?:[:;|\s]|$)", text) or _STRANGE.match(text))


def read_parts(text: str, names: Sequence[str], source: str) -> list[Part]:
    """Read compact text.

    Parameters
    ----------
    text : str
        Without comments.
    names : sequence of str
        Levels of the architecture, outermost first.
    source : str
        What messages call the text.

    Raises
    ------
    SpecError
        For text of another form and for levels that the architecture does not have.
    """
    label = _labels(names)
    pieces = re.split(rf"[;|\n]|\s[-\u2013]\s(?=\s*(?:{label})(?:[\[:;|\s]|$))", text)
    return [_part(piece.strip(), label, names, source) for piece in pieces if piece.strip()]


def level_index(name: str, names: Sequence[str], path: str) -> int:
    """Return the index of a level, outermost first, by its name or as ``L0`` (innermost), ``L1``, ...

    Raises
    ------
    SpecError
        If there is none.
    """
    if name in names:
        return list(names).index(name)
    aliases = [f"L{number}" for number in reversed(range(len(names)))]
    if name in aliases:
        return aliases.index(name)
    known = ", ".join(f"{alias} = {level}" for alias, level in zip(aliases, names, strict=True))
    raise SpecError(path, name, known, suggestion(name, names, "use the levels of this architecture"))


def _labels(names: Sequence[str]) -> str:
    """Return a pattern of all level labels, longest first, so that no name hides one that it begins."""
    return "|".join([*map(re.escape, sorted(names, key=len, reverse=True)), _ALIAS])


def _part(text: str, label: str, names: Sequence[str], source: str) -> Part:
    match = re.match(rf"(?P<label>{label})\s*(?P<held>{_HELD})(?=[:\s]|$)\s*:?", text)
    if not match:
        first = re.split(r"[\s:\[]", text)[0] or text
        level_index(first, names, f"{source}: level")
        raise SpecError(source, text, "a level such as 'L2: K4X P7'", "start every part with a level")
    level_index(match["label"], names, f"{source}: level")
    words = [_word(word, names, f"{source}: {match['label']}") for word in text[match.end() :].split() if word not in _DASHES]
    return Part(level_index(match["label"], names, source), match["label"], match["held"], tuple(words))


def _word(text: str, names: Sequence[str], path: str) -> Word:
    match = re.fullmatch(_LOOP, text)
    if not match:
        is_level = re.match(rf"(?:{_labels(names)})(?:[\[:]|$)", text)
        fix = f"write ; before {text}" if is_level else "write for example K32 or C16X"
        raise SpecError(path, text, "a dimension of N G K C P Q R S and its extent, X if spatial", fix)
    return Word(match["dim"], int(match["extent"]), bool(match["spatial"]))
