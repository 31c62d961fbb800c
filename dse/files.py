"""Files that are whole or absent."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.errors import SpecError


def write(path: Path, content: str | bytes) -> Path:
    """Write text or bytes under a temporary name in the same folder and rename; raise `SpecError` when that is not possible."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # mkstemp gives 0600, which a colleague could not read
        Path(name).replace(path)
    except OSError as error:
        fix = "free the space or choose another folder"
        raise SpecError(str(path), error.strerror or str(error), "a writable file", fix) from None
    finally:
        if name:
            with suppress(OSError):
                Path(name).unlink()
    return path


def write_json(path: Path, data: Any) -> Path:
    """Write JSON; NaN and infinity are refused."""
    return write(path, json.dumps(data, indent=1, allow_nan=False, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; raise `SpecError` for a missing or damaged file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        fix = "run `systolith explore SPEC -o DIR` first"
        raise SpecError(str(path), "no such file", "the result of an exploration", fix) from None
    except (OSError, ValueError) as error:
        raise SpecError(str(path), str(error), "the result of an exploration", "run the exploration again") from None


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic,)):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
