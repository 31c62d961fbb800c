"""The picture as text: a printed loop nest that can be read back, with everything else behind ``#``.

Lines are pieces with a kind, so that a terminal can colour what a file gets plain.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from dataflows.picture.model import LETTERS, MEANING, Band, Line, Picture, Store, energy, percent, shares, size

Piece = tuple[str, str]
"""Text, and its kind: ``level``, ``loop``, ``space``, ``note``, ``head``, ``bar``, ``empty``, or a mark."""

NARROW, WIDEST = 80, 120
"""Columns that are expected, and that running text fills at most."""
BAR = 20
NAMES = ("weights", "inputs", "outputs")


def render(picture: Picture, width: int = NARROW) -> str:
    """Return the picture in lines of at most `width` characters, as long as the nest itself fits."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines(picture, width))


def lines(picture: Picture, width: int = NARROW) -> list[list[Piece]]:
    """Return the picture as lines of pieces; see `render`."""
    blank: list[Piece] = [("#", "note")]
    out: list[list[Piece]] = [[(text, "head")] for text in _wrap(picture.title, width)]
    out += [*_nest(picture, width), blank, *_legend(picture, width), blank, *_table(picture.stores, width), blank]
    for name, text in foot(picture):
        out += [[(line, "note")] for line in _wrap(f"{name:<8}{text}", width, hang=8)]
    return out


def foot(picture: Picture) -> list[tuple[str, str]]:
    """Return what binds, where the energy goes, and how full the array is."""
    needs = sorted(picture.limits.items(), key=lambda item: -item[1])
    limits = ", ".join(f"{name} {percent(took / picture.cycles)}" for name, took in needs if took)
    parts = ", ".join(f"{name} {percent(part)}" for name, part in shares(picture.energy_pj))
    used = f"{picture.macs_used:,} of {picture.macs:,} multipliers in use"
    return [
        ("cycles", f"{picture.cycles:,}, bound by {picture.bound}; busy: {limits}"),
        ("energy", f"{energy(sum(picture.energy_pj.values()))}: {parts}"),
        ("array", f"{used}; {percent(picture.utilization)} of all multiplier cycles do useful work"),
    ]


def _nest(picture: Picture, width: int) -> list[list[Piece]]:
    """Draw the nest with the longer titles and the wider indentation that fit."""
    drawn: list[list[Piece]] = []
    for titles, indent in ((NAMES, 2), (LETTERS, 2), (LETTERS, 1), (LETTERS, 0)):
        drawn = _loops(picture.bands, indent, titles)
        if max(sum(len(text) for text, _ in line) for line in drawn) <= width:
            break
    return drawn


def _loops(bands: Sequence[Band], indent: int, names: Sequence[str]) -> list[list[Piece]]:
    first = max(len(band.name) for band in bands)
    every = [line for band in bands for line in band.lines]
    heads = [" " * indent * depth + _head(line) for depth, line in enumerate(every)]
    left = max(map(len, heads), default=0)
    digits = max((len(str(line.extent)) for line in every), default=1)
    ends = [f" in 0..{line.extent:<{digits}}" for line in every]
    steps = [f" step {line.step}" if line.step != 1 else "" for line in every]
    right = max(map(len, steps), default=0)
    columns = [max(len(name), *(len(line.marks[at]) for line in every)) if every else 1 for at, name in enumerate(names)]
    titles = "  ".join(f"{name:<{column}}" for name, column in zip(names, columns, strict=True))
    gap = " " * (first + len(" | ") + left + len(" in 0..") + digits + right + len("  # ") - 1)
    out: list[list[Piece]] = [[("#" + gap, "note"), (titles.rstrip(), "head")]]
    rows = iter(zip(every, heads, ends, steps, strict=True))
    for band in bands:
        name = f"{band.name:<{first}}"
        if not band.lines:
            out.append([(name, "level"), (" |", "note")])
        for _ in band.lines:
            line, head, end, step = next(rows)
            body = f"{head:<{left}}{end}{step:<{right}}"
            marks: list[Piece] = []
            for mark, column in zip(line.marks, columns, strict=True):
                marks += [(f"{mark:<{column}}", mark), ("  ", "note")]
            kind = "space" if line.axis else "loop"
            out.append([(name, "level"), (" | ", "note"), (body, kind), ("  # ", "note"), *marks[:-1]])
            name = " " * first
    return out


def _head(line: Line) -> str:
    return f"spatial on {line.axis} {line.dim}" if line.axis else f"for {line.dim}"


def _legend(picture: Picture, width: int) -> list[list[Piece]]:
    """Say what the marks mean, as many to a line as fit."""
    out: list[list[Piece]] = []
    room = 0
    for mark in picture.marks:
        text = f"{mark}: {MEANING[mark]}"
        if len(text) + 3 > room:
            out.append([("#", "note")])
            room = min(width, WIDEST) - 1
        else:
            out[-1].append((";", "note"))
            room -= 1
        out[-1] += [(" ", "note"), (mark, mark), (text[len(mark) :], "note")]
        room -= len(text) + 1
    return out


def _table(stores: Sequence[Store], width: int) -> list[list[Piece]]:
    """Draw what the levels hold; the bar, then the instances, give way where there is no room."""
    tensors = [*LETTERS, *dict.fromkeys(name for store in stores for name in store.words if name not in LETTERS)]
    tensors = [name for name in tensors if any(name in store.words for store in stores)]
    titles = {letter: f"{letter} words" for letter in LETTERS}
    columns: list[list[str]] = [["level", *(store.name for store in stores)]]
    if any(store.available > 1 for store in stores):
        columns.append(["instances", *(f"{store.instances:,} of {store.available:,}" for store in stores)])
    for name in tensors:
        cells = [f"{store.words[name]:,}" if name in store.words else "" for store in stores]
        columns.append([titles.get(name, name), *cells])
    columns.append(["used", *("" if store.size_bits is None else size(store.used_bits) for store in stores)])
    columns.append(["size", *("unlimited" if store.size_bits is None else size(store.size_bits) for store in stores)])
    columns.append(["full", *("" if store.full is None else percent(store.full).replace("\u00a0", " ") for store in stores)])
    if columns[1][0] == "instances" and _wide(columns) > width:
        del columns[1]
    bar = _wide(columns) + 2 + BAR <= width
    widths = [max(map(len, column)) for column in columns]
    out: list[list[Piece]] = []
    for at, cells in enumerate(zip(*columns, strict=True)):
        padded = [f"{cells[0]:<{widths[0]}}", *(f"{cell:>{wide}}" for cell, wide in zip(cells[1:], widths[1:], strict=True))]
        line: list[Piece] = [("# " + "  ".join(padded), "note" if at else "head")]
        full = stores[at - 1].full if at else None
        if bar and full is not None:
            done = min(BAR, round(BAR * full))
            line += [("  ", "note"), ("=" * done, "bar"), ("." * (BAR - done), "empty")]
        out.append(line)
    return out


def _wide(columns: Sequence[Sequence[str]]) -> int:
    return 2 * len(columns) + sum(max(map(len, column)) for column in columns)


def _wrap(text: str, width: int, hang: int = 2) -> list[str]:
    """Wrap a comment; continued lines hang by `hang`. Spaces that must not break end up as plain ones."""
    room = min(width, WIDEST) - 2
    wrapped = textwrap.wrap(text, room, subsequent_indent=" " * hang, break_on_hyphens=False, break_long_words=False)
    return ["# " + line.replace("\u00a0", " ") for line in wrapped]
