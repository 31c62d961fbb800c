"""Output folders: checked before any work, filled at the end, with all files or none."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflows.errors import SpecError

HELD_BACK = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def output_folder(path: Path) -> Iterator[dict[str, str | bytes]]:
    """Create `path` and yield a dictionary of file name to content, written when the block ends without an error.

    All files are written to a temporary folder first, so that a full disk, an interrupt or a kill leaves none of them. A folder
    that was not there before is then put in its place by one rename. In one that was, each file is renamed, with interrupts
    held back until the last; what else lies in it stays.

    Raises
    ------
    SpecError
        Before the block runs, when the folder cannot be created or written to. Folders made for nothing are removed.
    """
    made = prepare(path)
    files: dict[str, str | bytes] = {}
    try:
        yield files
        _fill(path, files, fresh=bool(made))
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


def _fill(path: Path, files: Mapping[str, str | bytes], *, fresh: bool) -> None:
    """Write files to a temporary folder, beside `path` where that is `fresh` and inside it otherwise, and move them."""
    from dse.files import write

    for name in files:
        if (path / name).is_dir():
            raise SpecError(str(path / name), "a folder", "a file that can be written", "remove it or choose another -o")
    where, prefix = (path.parent, f".{path.name}.") if fresh else (path, ".systolith.")
    with tempfile.TemporaryDirectory(dir=where, prefix=prefix, ignore_cleanup_errors=True) as text:
        stage = Path(text)
        for name, content in files.items():
            try:
                write(stage / name, content)
            except SpecError as error:  # of the file that the user knows
                raise SpecError(str(path / name), error.found, error.allowed, error.fix) from None
        try:
            with _no_interrupt():
                _move(stage, path, files, fresh=fresh)
        except OSError as error:
            fix = "choose another folder"
            raise SpecError(str(path), error.strerror or str(error), "a folder that can be written to", fix) from None


def _move(stage: Path, path: Path, files: Mapping[str, str | bytes], *, fresh: bool) -> None:
    """Put written files in their place."""
    if fresh and not any(path.iterdir()):
        stage.chmod(path.stat().st_mode & 0o777)  # a temporary folder is closed to colleagues
        with suppress(OSError):  # some systems do not replace a folder, not even an empty one
            stage.replace(path)
            return
    for name in files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).replace(path / name)


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold Ctrl-C and requests to end back until the block is over; in threads other than the main one they do not come."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda found, _frame: came.append(found)) for number in HELD_BACK}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)
