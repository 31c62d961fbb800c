"""Time and size of the Verilog of large arrays: CPU seconds with Yosys, megabytes, distinct modules.

Run with ``python -m benchmarks.generation [DESIGN...]``; each design in a process of its own, as `systolith generate` does it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory

from systolith.versions import versions

DESIGNS = (
    "array_ws:rows=16,cols=16", "array_ws:rows=32,cols=32", "array_ws:rows=64,cols=64", "array_ws:rows=128,cols=128",
    "array_os:rows=128,cols=128", "array_is:rows=128,cols=128", "array_both:rows=128,cols=128",
    "array_nvdla:atomic_c=128,atomic_k=128", "array_shidiannao:rows=128,cols=128", "array_rs:rows=128,cols=128",
    "array_dw:rows=128,cols=128", "array_nlr:inputs=64,outputs=64", "ws:rows=128,cols=128", "os:rows=128,cols=128",
)  # fmt: skip
MEGA = 1e6


def generation(design: str) -> dict[str, object]:
    """Generate one design."""
    before, started = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from systolith.cli import main; main()", "generate", design, "-o", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.perf_counter() - started, getrusage(RUSAGE_CHILDREN)
        texts = [path.read_text(encoding="utf-8") for path in Path(folder).rglob("*.v")]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    modules = sum(len(re.findall(r"^module ", text, re.MULTILINE)) for text in texts)
    size = sum(map(len, texts)) / MEGA
    return {"design": design, "cpu_s": round(cpu, 1), "wall_s": round(wall, 1), "verilog_mb": round(size, 2), "modules": modules}


def main(designs: Sequence[str]) -> None:
    """Print a row for each design."""
    print(versions(), flush=True)
    print("| design | CPU s | wall s | Verilog, MB | modules |\n|---|---|---|---|---|")
    for design in designs:
        print("| " + " | ".join(map(str, generation(design).values())) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or DESIGNS)
