"""What reaches the terminal: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rich.box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 150  # columns of a table that goes into a file or a pipe
QUIET_SECONDS = 10
Tick = Callable[[int, int, str], None]
_live: list[Console] = []


def _console(*, stderr: bool) -> Console:
    """Open a console on the stream of this moment (tests replace them)."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def say(text: str) -> None:
    """Print one message to standard error, above the progress bar if there is one."""
    (_live[-1] if _live else _console(stderr=True)).print(text, soft_wrap=True)


def show(text: str) -> None:
    """Print plain result text to standard output."""
    _console(stderr=False).print(text, soft_wrap=True)


def show_styled(text: Text) -> None:
    """Print a line of styled result text to standard output; plain where that is no terminal."""
    _console(stderr=False).print(text, soft_wrap=True)


def width() -> int:
    """Columns of standard output, `PIPE_WIDTH` where it is no terminal."""
    return _console(stderr=False).width


def show_json(data: Any) -> None:
    """Print a result as JSON to standard output; NaN and infinity are refused, they are not JSON."""
    print(json.dumps(data, indent=2, allow_nan=False, default=_plain))


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and paths into JSON values."""
    return value.item() if hasattr(value, "item") else str(value)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table to standard output; numbers are aligned right and grouped by thousands."""
    body = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = bool(body) and all(isinstance(row[i], (int, float)) for row in body)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        table.add_row(*(cell(value) for value in row))
    _console(stderr=False).print(table)


def cell(value: object) -> str:
    """Return a value as tables show it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.4e}"
    return str(value)


@contextmanager
def progress(title: str) -> Iterator[Tick]:
    """Yield ``tick(done, total, text)``: a bar on a terminal, a line every `QUIET_SECONDS` in a pipe."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=1)

        def tick(done: int, total: int, text: str = "") -> None:
            bars.update(task, completed=done, total=max(total, 1), description=text or title)

        _live.append(console)
        try:
            yield tick
        finally:
            _live.remove(console)


def _lines() -> Tick:
    last = time.monotonic()

    def tick(done: int, total: int, text: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= QUIET_SECONDS:
            last = time.monotonic()
            say(f"{done}/{total} {text}".rstrip())

    return tick
