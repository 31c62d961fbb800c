"""Finished trials on disk: kept through kill -9, and enough to go on exactly where a search stopped.

The optimiser itself is not stored. It is a deterministic function of the seed and of the values it was told, and a trial is
a deterministic function of its accelerator; so a search that is run again and finds its trials here asks for the same
points, gets the same values and ends with the same answer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from dse.evaluate import Trial

FILE = "trials.sqlite"
SOURCES = ("dataflows", "mappers")
"""Rooms whose code decides the figures of a trial."""

_TABLES = """
create table if not exists study (key text not null, search text not null);
create table if not exists trials (point text primary key, record text not null);
"""


class Study:
    """The trials of one search.

    Parameters
    ----------
    folder : Path
        An existing folder; the trials lie in `FILE` in it.
    search : dict
        Everything the answer depends on except the number of evaluations: a longer search continues a shorter one.
    resume : bool
        Whether trials of an earlier run may be there.

    Raises
    ------
    SpecError
        The folder holds trials and `resume` is not set, or trials of another search, or a file that is no study.
    """

    def __init__(self, folder: Path, search: dict[str, Any], *, resume: bool) -> None:
        self.path = folder / FILE
        text = json.dumps(search, sort_keys=True)
        key = hashlib.sha256(f"{text} {code_hash()}".encode()).hexdigest()
        try:
            self.db = sqlite3.connect(self.path, isolation_level=None)
            # Write-ahead log, synced on every commit: a trial that was told is on the disk.
            self.db.execute("pragma journal_mode=wal")
            self.db.execute("pragma synchronous=full")
            self.db.executescript(_TABLES)
            self._claim(key, text, resume)
            self.trials = {point: Trial.from_record(json.loads(record)) for point, record in self.db.execute(_ALL)}
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            raise SpecError(str(self.path), str(error), "trials of an exploration", "choose another -o") from error

    def _claim(self, key: str, text: str, resume: bool) -> None:
        """Note whose trials these are, or check that they are ours."""
        known = self.db.execute("select key, search from study").fetchone()
        if known is None:
            self.db.execute("insert into study values (?, ?)", (key, text))
            return
        count = self.db.execute("select count(*) from trials").fetchone()[0]
        if known[0] != key:
            what = "an exploration of another specification" if known[1] != text else "an exploration by another version"
            raise SpecError(str(self.path.parent), what, "a folder of the same exploration", "choose another -o")
        if count and not resume:
            raise SpecError(
                str(self.path.parent), f"an exploration with {count} trials", "an empty folder, or --resume",
                "add --resume to go on with it, or choose another -o",
            )  # fmt: skip

    def __len__(self) -> int:
        return len(self.trials)

    def find(self, acc: Accelerator) -> Trial | None:
        """Return the trial of `acc`, or None."""
        return self.trials.get(point_key(acc))

    def add(self, trial: Trial) -> None:
        """Keep a finished trial; when this returns it is on the disk."""
        point = point_key(trial.accelerator)
        self.db.execute("insert or ignore into trials values (?, ?)", (point, json.dumps(trial.record())))
        self.trials[point] = trial

    def close(self) -> None:
        """Close the file."""
        self.db.close()


_ALL = "select point, record from trials order by rowid"


def point_key(acc: Accelerator) -> str:
    """Return the text that identifies a hardware point."""
    return json.dumps(acc.to_dict(), sort_keys=True)


def code_hash() -> str:
    """Return a hash of the code that decides the figures of a trial: old trials must not be mixed with new ones."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for room in SOURCES:
        for file in sorted((root / room).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
