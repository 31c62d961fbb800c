"""The user's cache: one directory, safe against parallel writers and against being killed half-way."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflows.errors import SpecError

VARIABLE = "SYSTOLITH_CACHE"


def cache_dir(*parts: str) -> Path:
    """Return an existing directory of the cache, ``parts`` below its root.

    The root is ``$SYSTOLITH_CACHE``, else ``$XDG_CACHE_HOME/systolith``, else ``~/.cache/systolith``. Everything in it
    can be deleted at any time when nothing runs.

    Raises
    ------
    SpecError
        The directory cannot be made or written.
    """
    chosen = os.environ.get(VARIABLE)
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "systolith"
    path = base.expanduser().absolute().joinpath(*parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = f"{path} ({error.strerror})"
        raise SpecError(VARIABLE, found, "a directory that can be written", f"set {VARIABLE} to one") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SpecError(VARIABLE, str(path), "a directory that can be written", f"set {VARIABLE} to one")
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the system lets go of it when the process dies, however it dies."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_once(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return directory `target`, made by `fill` if it is not there yet.

    `fill` works in a scratch directory that is renamed when complete, so `target` is either whole or absent. A second
    process that wants the same target waits for the first. If `fill` raises, nothing is left behind.
    """
    if target.is_dir():
        return target
    with locked(target.with_name(f"{target.name}.lock")):
        if target.is_dir():
            return target
        for left_over in target.parent.glob(f"{target.name}.*.tmp"):
            shutil.rmtree(left_over, ignore_errors=True)
        scratch = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        scratch.mkdir()
        try:
            fill(scratch)
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


def prune(parent: Path, keep: int) -> None:
    """Delete all but the `keep` most recently touched directories in `parent`."""
    entries = sorted((p for p in parent.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for entry in entries[keep:]:
        shutil.rmtree(entry, ignore_errors=True)  # its lock file stays: deleting one that is held would undo it
