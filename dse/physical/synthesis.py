"""From a design to a netlist of library cells: area by module and block, delay of the logic.

Yosys maps each distinct module once (hierarchical), which takes about as long for 64 x 64 PEs as for 4 x 4, but folds no
constants across module borders: the first row's PEs keep the adder of the zeros above them. `flat` dissolves all modules
first. Multipliers are Booth's: Yosys' plain ones are two thirds larger.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.tech import technology
from dse.physical.liberty import Library, library
from dse.physical.memories import MemoryUse, buffers, stores
from dse.physical.netlist import Netlist, delays, multipliers, short
from dse.physical.result import ModuleArea, Synthesis
from dse.physical.tool import YOSYS, Usage, run_tool
from rtl.emit import SRAM_1R1W
from rtl.parts import Part
from sim.cache import cache_dir, make_once, prune

Progress = Callable[[int, int, str], None]
SCHEMA = 1  # raise when the same inputs would give another result
KEPT = 200
NETLIST, LOG = "netlist.v", "yosys.log"
# Of the scripts tried, the best area for its delay with the generic and with a real library. Yosys' own spends minutes on one
# 32-bit multiplier (retime, &fraig), and its mapper leaves adders rippling.
_ABC = "strash; dch; amap; topo; buffer; upsize; dnsize; stime -p\n"


def quiet(done: int, total: int, text: str) -> None:
    """Report no progress."""


def synthesize(
    source: Part, *, cells: Library | None = None, flat: bool = False, progress: Progress = quiet
) -> tuple[Synthesis, Path]:
    """Map a design or a part of one to library cells, or find the result in the cache.

    Parameters
    ----------
    source : Part
        From `rtl.parts`.
    cells : Library, optional
        The generic one by default.
    flat : bool
        Dissolve modules first.
    progress : callable
        Called with steps done, steps in all, and what is being done.

    Returns
    -------
    result : Synthesis
    folder : Path
        In the cache, with `NETLIST` and `LOG`; treat as read-only.

    Raises
    ------
    SpecError
        Yosys is not installed.
    CheckFailed
        Yosys failed.
    """
    run = _Run(source, cells or library(), flat)
    parent = cache_dir("synthesis")
    target = parent / run.key
    cached = target.is_dir()
    if not cached:
        make_once(target, lambda scratch: run.fill(scratch, parent / f"{run.key}.log", progress))
        prune(parent, KEPT)
    os.utime(target)
    return run.report(target, cached), target


class _Run:
    """Everything a run depends on."""

    def __init__(self, source: Part, cells: Library, flat: bool) -> None:
        self.source, self.cells, self.flat = source, cells, flat
        self.top, self.prefix = source.top, source.prefix
        self.rtlil, self.buffers = buffers(source.rtlil)
        self.stores = stores(source.rtlil)
        self.files = {
            "design.il": self.rtlil, "memories.v": "".join(one.verilog(SRAM_1R1W) for one in self.buffers),
            "cells.lib": cells.text, "constraints": cells.constraints, "abc": _ABC,
        }  # fmt: skip
        self.files["run.ys"] = "\n".join(self._script()) + "\n"
        key = json.dumps([SCHEMA, yosys_version(), self.files])
        self.key = hashlib.sha256(key.encode()).hexdigest()[:32]

    def _script(self) -> list[str]:
        """Return the Yosys script; lines that begin with @ in its output are for `_watch` and `delays`."""
        small, boxes = [one.module for one in self.buffers if one.flip_flops], [one.module for one in self.stores]
        modules = [self.top] if self.flat else [*small, *(name for name in _modules(self.rtlil) if name not in boxes)]
        script = ["read_verilog memories.v", "read_rtlil design.il", f"hierarchy -check -top {self.top}"]
        script += [*(f"blackbox {name}" for name in boxes), "proc"]
        script += ["flatten"] if self.flat else []
        script += ["opt_clean", "write_json source.json", "log @step logic", "synth -booth -noabc -run begin:check"]
        script += ["opt_clean -purge", "check -assert", "log @step flip-flops", "dfflibmap -liberty cells.lib"]
        for name in modules:
            script += [f"log @mapping {name}", f"abc -liberty cells.lib -constr constraints -script abc {name}"]
        script += ["opt_clean -purge", "tee -q -o stat.json stat -json -liberty cells.lib"]
        return [*script, f"write_verilog -noattr {NETLIST}"]

    def fill(self, scratch: Path, failed: Path, progress: Progress) -> None:
        """Synthesise in `scratch`; the log of a failure is left as `failed`."""
        for name, text in self.files.items():
            (scratch / name).write_text(text, encoding="utf-8")
        total = 2 + sum(line.startswith("log @mapping") for line in self._script())
        done = 0

        def watch(line: str) -> None:
            nonlocal done
            if line.startswith("@"):
                done += 1
                progress(done, total, f"{self.source.design}: {line.rsplit(maxsplit=1)[-1].removeprefix(self.prefix)}")

        try:
            usage = run_tool("Yosys", YOSYS, ["run.ys"], scratch, failed, watch)
        except KeyboardInterrupt:
            failed.unlink(missing_ok=True)
            raise
        failed.replace(scratch / LOG)
        (scratch / "usage.json").write_text(json.dumps(usage.to_dict()))

    def report(self, folder: Path, cached: bool) -> Synthesis:
        """Read the files that `run` left."""
        net = Netlist.read(_load(folder / "stat.json"), self.top)
        products = multipliers(_load(folder / "source.json"))
        paths = delays((folder / LOG).read_text(encoding="utf-8"))
        placed = net.placed(self.prefix)
        instances = {module: sum(n for (name, _), n in placed.items() if name == module) for module, _ in placed}
        rows = [self._module(net, name, count, products, paths) for name, count in instances.items()]
        rows.sort(key=lambda row: (-row.instances * row.area_ge, row.name))
        by_name = {row.name: row for row in rows}
        blocks: dict[str, float] = {}
        for (name, block), count in placed.items():
            blocks[block] = blocks.get(block, 0.0) + count * by_name[short(name, self.prefix)].area_ge
        area = sum(row.instances * row.area_ge for row in rows)
        state = sum(
            count * net.cells[name][kind] * self.cells.areas[kind]
            for name, count in instances.items()
            for kind in self.cells.flip_flops
        )
        slowest = max(rows, key=lambda row: row.delay_ps)
        tech = technology()
        return Synthesis(
            design=self.source.design, part=self.source.part, library=self.cells.name, flat=self.flat,
            area_ge=area, flip_flop_ge=state / self.cells.nand2_area,
            area_um2=None if self.cells.generic else area * self.cells.nand2_area,
            cells=sum(row.instances * row.cells for row in rows),
            flip_flops=sum(row.instances * row.flip_flops for row in rows),
            multipliers=sum(row.instances * row.multipliers for row in rows),
            delay_ps=slowest.delay_ps, delay_module=slowest.name, modules=tuple(rows),
            memories=tuple(self._memories(net, instances)), blocks={} if self.flat else dict(sorted(blocks.items())),
            technology=tech.name, usage=Usage(**_load(folder / "usage.json")), cached=cached,
        )  # fmt: skip

    def _module(self, net: Netlist, name: str, instances: int, products: dict[str, int], paths: dict[str, float]) -> ModuleArea:
        cells = {kind: count for kind, count in net.cells[name].items() if kind in self.cells.areas}
        return ModuleArea(
            name=short(name, self.prefix), instances=instances, cells=sum(cells.values()),
            flip_flops=sum(count for kind, count in cells.items() if kind in self.cells.flip_flops),
            multipliers=products.get(name, 0), delay_ps=paths.get(name, 0.0),
            area_ge=sum(count * self.cells.areas[kind] for kind, count in cells.items()) / self.cells.nand2_area,
        )  # fmt: skip

    def _memories(self, net: Netlist, instances: dict[str, int]) -> list[MemoryUse]:
        tech, found = technology(), []
        for one in (*self.buffers, *self.stores):
            count = sum(times * net.cells[module][one.module] for module, times in instances.items())
            if count:
                names = one.names or (short(one.module, self.prefix),)
                found.append(MemoryUse(one.words, one.word_bits, one.readers, count, names, one.area_um2(tech)))
        return found


def yosys_version() -> str:
    """Return the version of pyosys.

    Raises
    ------
    SpecError
        If it is not installed.
    """
    try:
        return metadata.version("pyosys")
    except metadata.PackageNotFoundError:
        raise SpecError("synthesis", "no Python package pyosys", "an installed one", "pip install 'systolith[rtl]'") from None


def _modules(rtlil: str) -> list[str]:
    return [line.removeprefix("module \\") for line in rtlil.splitlines() if line.startswith("module \\")]


def _load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
