"""Output folders: checked before any work, filled at the end, each file whole or absent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflows.errors import SpecError


@contextmanager
def output_folder(path: Path) -> Iterator[dict[str, str | bytes]]:
    """Create `path` and yield a dictionary of file name to content, written when the block ends without an error.

    Raises
    ------
    SpecError
        Before the block runs, when the folder cannot be created or written to. Folders made for nothing are removed.
    """
    made = prepare(path)
    files: dict[str, str | bytes] = {}
    try:
        yield files
        from dse.files import write

        for name, content in files.items():
            write(path / name, content)
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


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
