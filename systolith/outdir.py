"""Output folders: checked before any work, filled at the end, each file whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflows.errors import SpecError


def write_atomic(path: Path, text: str) -> None:
    """Write a file under a temporary name in the same folder and rename it: readers see the old or the new text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # mkstemp gives 0600, which a colleague could not read
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def output_folder(path: Path) -> Iterator[dict[str, str]]:
    """Create `path` and yield a dictionary of file name to text, written when the block ends without an error.

    Raises
    ------
    SpecError
        Before the block runs, when the folder cannot be created or written to. Folders made for nothing are removed.
    """
    made = prepare(path)
    files: dict[str, str] = {}
    try:
        yield files
        write_all(path, files)
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def write_all(path: Path, files: Mapping[str, str]) -> None:
    """Write every file of a dictionary below `path`."""
    for name, text in files.items():
        try:
            write_atomic(path / name, text)
        except OSError as error:
            raise SpecError(
                str(path / name), error.strerror or str(error), "a writable file", "free the space or choose another -o"
            ) from None


def prepare(path: Path) -> list[Path]:
    """Create the folder, prove that it can be written to, and return the folders that were made, innermost first."""
    missing = []
    try:
        for folder in (path, *path.parents):
            if folder.exists():
                break
            missing.append(folder)
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise SpecError(str(path), error.strerror or str(error), "a folder that can be written to", "choose another -o") from None
    return missing
