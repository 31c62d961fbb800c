"""The physical view of the generated hardware: area and delay of arrays, accelerators and named machines, as Markdown.

Run with ``python -m benchmarks.physical``; takes some ten minutes on one core, less when results are cached. With ``--place``
the 8 x 8 arrays are placed and routed on an ECP5 too (nextpnr, about half a minute each); with ``--library FILE`` the processing
elements are mapped to that library as well.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence

from dataflows.cost import area_by_part
from dataflows.errors import CheckFailed
from dataflows.spatial.named import NAMED
from dataflows.tech import technology
from dse.physical.blocks import BLOCKS
from dse.physical.ecp5 import Placed, Target, place
from dse.physical.liberty import library
from dse.physical.result import Synthesis
from dse.physical.synthesis import synthesize
from rtl.parts import accelerator_part, array_part
from systolith.specs import accelerator

SIDES = (4, 8, 16)
MACS_256 = {
    "array_ws": {"rows": 16, "cols": 16}, "array_os": {"rows": 16, "cols": 16},
    "array_both": {"rows": 16, "cols": 16}, "array_is": {"rows": 16, "cols": 16},
    "array_rs": {"rows": 16, "cols": 16}, "array_nlr": {"inputs": 16, "outputs": 16},
    "array_nvdla": {"atomic_c": 16, "atomic_k": 16}, "array_shidiannao": {"rows": 16, "cols": 16},
    "array_dw": {"rows": 4, "cols": 64},
}  # fmt: skip
NAND2_UM2 = 0.798
"""Area of NAND2_X1 in the NanGate 45 nm Open Cell Library: what a gate equivalent is worth at the node of the table."""


LONGEST = "longest logic, ps and module"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _slowest(one: Synthesis) -> str:
    return f"{one.delay_ps:,.0f} {one.delay_module}"


def dense(name: str, part: str) -> Synthesis:
    """Synthesise a part of an accelerator."""
    return synthesize(accelerator_part(accelerator(name), part))[0]


def elements(other: str | None) -> str:
    """Return the table of processing elements, also against the technology table."""
    tech = technology("45nm")
    rows = []
    for name in ("ws:", "ws:pe_stages=1,", "ws:pe_stages=2,", "os:", "os:pe_stages=2,", "ws:bits=4,acc_bits=24,", "ws:bits=16,"):
        acc = accelerator(f"{name}rows=4,cols=4")
        found = synthesize(accelerator_part(acc, "pe"))[0]
        logic = found.area_ge - found.flip_flop_ge
        mapped = [synthesize(accelerator_part(acc, "pe"), cells=library(other))[0].area_ge] if other else []
        model = area_by_part(acc, tech)["array"] / acc.array.macs
        rows.append(
            (name.strip(",:"), found.area_ge, logic, found.flip_flops, found.delay_ps, *mapped, found.area_ge * NAND2_UM2,
             logic * NAND2_UM2, model)
        )  # fmt: skip
    return table(
        ("PE", "GE", "logic GE", "flip-flops", "delay ps", *(["GE in the other library"] if other else []),
         f"um2 at {NAND2_UM2} a GE", "of it logic", f"um2 of the {tech.name} table"), rows,
    )  # fmt: skip


def arrays() -> str:
    """Return the table of bare arrays of both dataflows."""
    found = [
        (f"{flow} {side}x{side}", dense(f"{flow}:rows={side},cols={side}", "array")) for flow in ("ws", "os") for side in SIDES
    ]
    rows = (
        (name, one.area_ge, sum(m.instances * m.area_ge for m in one.modules if m.name == "pe"), one.flip_flops, one.delay_ps,
         one.usage.cpu_seconds)
        for name, one in found
    )  # fmt: skip
    return table(("array", "GE", "of it PEs", "flip-flops", "delay ps", "CPU s"), rows)


def accelerators() -> str:
    """Return the table of complete accelerators by block."""
    rows = []
    for flow in ("ws", "os"):
        for side in SIDES:
            one = dense(f"{flow}:rows={side},cols={side}", "accelerator")
            blocks = [one.blocks[block] for block in BLOCKS]
            rows.append(
                (f"{flow} {side}x{side}", one.area_ge, *blocks, one.memory_um2, f"{one.delay_ps:,.0f} {one.delay_module}")
            )
    return table(("accelerator", "GE", *BLOCKS, "SRAM um2", LONGEST), rows)


def machines(other: str | None) -> str:
    """Return the table of every named array of any connectivity at 256 multipliers, also in another library."""
    rows = []
    for name, sizes in MACS_256.items():
        one = synthesize(array_part(NAMED[name](**sizes), name))[0]
        elements = sum(m.instances * m.area_ge for m in one.modules if m.name == "spatial_pe" or m.name.startswith("store_"))
        mapped = _in_library(name, sizes, other) if other else ()
        rows.append(
            (name, one.area_ge, elements / one.multipliers, one.blocks["buffers"], one.flip_flops, one.memory_um2,
             _slowest(one), *mapped, one.usage.cpu_seconds)
        )  # fmt: skip
    columns = ["machine", "GE", "GE per PE", "queue of results", "flip-flops", "stores um2", LONGEST]
    columns += ["mm2 in the other library", "ns and module", "MHz of its logic"] if other else []
    return table([*columns, "CPU s"], rows)


def _in_library(name: str, sizes: dict[str, int], other: str) -> tuple[str, str, float]:
    """Return area without SRAM, longest path of a module, and the clock that logic alone would allow, in another library."""
    one = synthesize(array_part(NAMED[name](**sizes), name), cells=library(other))[0]
    return f"{(one.area_um2 or 0.0) / 1e6:.2f}", f"{one.delay_ps / 1e3:.2f} {one.delay_module}", 1e6 / one.delay_ps


def placed_machines() -> str:
    """Place and route every named array at 64 multipliers, since 256 do not fit the device with all; at 4 where 64 do not."""
    rows = []
    for name, sizes in MACS_256.items():
        multipliers, one = _placed(name, sizes)
        used = one.used
        rows.append((name, multipliers, f"{one.fmax_mhz:.1f}", used["luts"], used["flip_flops"], used["dsps"],
                     f"{one.path_ns:.2f}", f"{one.logic_ns:.2f}", f"{one.routing_ns:.2f}", one.usage.cpu_seconds))  # fmt: skip
    columns = ("machine", "multipliers", "MHz", "LUTs", "flip-flops", "DSPs", "path ns", "cells", "wires", "CPU s")
    return table(columns, rows)


def _placed(name: str, sizes: dict[str, int]) -> tuple[int, Placed]:
    """Return how many multipliers of a machine fit the device, and where they are."""
    for share in (2, 8):
        smaller = {key: max(size // share, 1) for key, size in sizes.items()}
        try:
            return math.prod(smaller.values()), place(array_part(NAMED[name](**smaller), name), target=Target())[0]
        except CheckFailed as error:
            print(f"{name}, {smaller}: {error}", file=sys.stderr, flush=True)
    raise CheckFailed(f"{name}: not even four multipliers fit")


def placed() -> str:
    """Place and route 8 x 8 arrays without and with pipelining."""
    rows = []
    for stages in (0, 2):
        one, _ = place(accelerator_part(accelerator(f"ws:rows=8,cols=8,pe_stages={stages}"), "array"), target=Target())
        used = one.used
        rows.append((stages, f"{one.fmax_mhz:.1f}", used["luts"], used["flip_flops"], used["dsps"], f"{one.path_ns:.2f}",
                     f"{one.logic_ns:.2f}", f"{one.routing_ns:.2f}", one.usage.cpu_seconds))  # fmt: skip
    return table(("pe_stages", "MHz", "LUTs", "flip-flops", "DSPs", "path ns", "cells", "wires", "CPU s"), rows)


def main() -> None:
    """Print all tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--place", action="store_true")
    options.add_argument("--library")
    given = options.parse_args()
    print("## Processing elements\n\n" + elements(given.library), flush=True)
    if given.place:
        print("## ECP5, weight stationary 8x8\n\n" + placed(), flush=True)
        print("## ECP5, named machines\n\n" + placed_machines(), flush=True)
    print("## Named machines, 256 multipliers\n\n" + machines(given.library), flush=True)
    for title, make in (("Arrays", arrays), ("Accelerators", accelerators)):
        print(f"## {title}\n\n{make()}", flush=True)


if __name__ == "__main__":
    main()
