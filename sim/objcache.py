"""Compiler wrapper for make's OBJCACHE: keeps object files of the simulator's fixed runtime.

Every Verilator build compiles the same runtime (`verilated*.cpp` and cocotb's `verilator.cpp`), about 18 CPU seconds.
Run as ``python objcache.py COMPILER ARGUMENTS``; objects live in ``$OBJCACHE_DIR``, keyed by command line and source.
Imports nothing of ours: it starts once per compiled file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


def source_of(command: list[str]) -> Path | None:
    """Return the runtime source file in a compile command, None for any other command."""
    for argument in command:
        path = Path(argument)
        if path.suffix == ".cpp" and (path.name == "verilator.cpp" or path.name.startswith("verilated")):
            return path
    return None


def key_of(command: list[str], source: Path, output: str) -> str:
    """Return a hash of everything that decides the object; headers are covered by OBJCACHE_DIR's version."""
    digest = hashlib.sha256("\0".join(word for word in command if word != output).encode())
    digest.update(source.read_bytes())
    if source.name == "verilator.cpp":
        # cocotb's main is compiled against the model's class, whose layout depends on the design.
        digest.update(Path("Vtop.h").read_bytes())
    return digest.hexdigest()


def main(command: list[str]) -> int:
    """Compile, or copy what an earlier identical command made; return the compiler's exit code."""
    source = source_of(command)
    if source is None or "-o" not in command or "-c" not in command:
        return subprocess.call(command)
    output = command[command.index("-o") + 1]
    stored = Path(os.environ["OBJCACHE_DIR"]) / f"{key_of(command, source, output)}.o"
    if stored.exists():
        shutil.copyfile(stored, output)
        return 0
    code = subprocess.call(command)
    if code == 0:
        # Renaming is atomic: another build never reads half an object.
        scratch = stored.with_suffix(f".{os.getpid()}")
        shutil.copyfile(output, scratch)
        scratch.replace(stored)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
