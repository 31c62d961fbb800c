"""``synthesize``: what a design costs as cells, and on an FPGA which clock it reaches."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflows.arch import Accelerator
from dataflows.errors import SpecError
from systolith import console, specs
from systolith.commands.common import ArchArgument, Json, Seed, emit_json
from systolith.outdir import output_folder

if TYPE_CHECKING:
    from dse.physical.ecp5 import Placed
    from dse.physical.result import Synthesis


class Part(StrEnum):
    """As `rtl.parts.PARTS`, which would load the generators."""

    accelerator = "accelerator"
    core = "core"
    array = "array"
    pe = "pe"


class Fpga(StrEnum):
    """FPGA families."""

    ecp5 = "ecp5"


PartOption = Annotated[Part, typer.Option("--part", help="What of it: core is the array with its buffers and their control.")]
Flat = Annotated[bool, typer.Option("--flat", help="Dissolve modules first: less area, much slower, no blocks.")]
Cells = Annotated[
    str | None,
    typer.Option("--library", metavar="NAME|FILE", help="generic (default), osu018 where it is installed, or a Liberty file."),
]
FpgaOption = Annotated[Fpga | None, typer.Option("--fpga", help="Place and route for this family instead.")]
Device = Annotated[str | None, typer.Option("--device", help="With --fpga: 12k, 25k, 45k or 85k (default).")]
Speed = Annotated[int | None, typer.Option("--speed", help="With --fpga: speed grade, 6 (default) to 8.")]
Frequency = Annotated[float | None, typer.Option("--frequency", help="With --fpga: the clock to aim at in MHz, 150 by default.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for netlist, logs and figures; created if missing.")]


def synthesize(
    arch: ArchArgument, part: PartOption = Part.accelerator, flat: Flat = False, library: Cells = None, fpga: FpgaOption = None,
    device: Device = None, speed: Speed = None, frequency: Frequency = None, output: Output = None, json: Json = False,
    seed: Seed = 1,
) -> None:  # fmt: skip
    """Area by module and block in gate equivalents and logic delay; or with --fpga a placed and routed clock."""
    acc = specs.accelerator(arch)
    cells = {"--flat": flat or None, "--library": library}
    board = {"--device": device, "--speed": speed, "--frequency": frequency}
    for option, value in (cells if fpga else board).items():
        if value is not None:
            raise SpecError(option, value, "no such option " + ("with --fpga" if fpga else "without --fpga"), f"drop {option}")
    if fpga:
        given = {option[2:].replace("frequency", "frequency_mhz"): value for option, value in board.items() if value is not None}
        data = _place(acc, part.value, {**given, "seed": seed}, output, json)
    else:
        data = _cells(acc, part.value, library, flat, output, json)
    if json:
        emit_json(data, seed)


def _cells(acc: Accelerator, part: str, library: str | None, flat: bool, output: Path | None, quiet: bool) -> dict[str, Any]:
    from dse.physical.liberty import GENERIC
    from dse.physical.synthesis import LOG, NETLIST, synthesize

    with _files(output) as files, console.progress(f"synthesize {acc.name}") as tick:
        result, folder = synthesize(acc, part, cells=library or GENERIC, flat=flat, progress=tick)
        for name in (NETLIST, LOG, "cells.lib"):
            files[name] = (folder / name).read_text(encoding="utf-8")
        files["synthesis.json"] = _json(result.to_dict())
    if not quiet:
        _show_cells(result)
    return _with_files(result.to_dict(), output, files)


def _place(acc: Accelerator, part: str, given: dict[str, Any], output: Path | None, quiet: bool) -> dict[str, Any]:
    from dse.physical.ecp5 import NEXTPNR_LOG, YOSYS_LOG, Target, place

    with _files(output) as files, console.progress(f"place {acc.name}") as tick:
        result, folder = place(acc, part, target=Target(**given), progress=tick)
        for name in (YOSYS_LOG, NEXTPNR_LOG, "report.json"):
            files[name] = (folder / name).read_text(encoding="utf-8")
        files["placement.json"] = _json(result.to_dict())
    if not quiet:
        _show_placed(result)
    return _with_files(result.to_dict(), output, files)


def _show_cells(found: Synthesis) -> None:
    modules = [row for row in found.modules if row.cells]
    columns = ("module", "instances", "cells", "flip-flops", "multipliers", "GE each", "GE", "delay ps")
    console.show_table(
        f"{found.design}, {found.part}, library {found.library}{', flat' if found.flat else ''}", columns,
        ((m.name, m.instances, m.cells, m.flip_flops, m.multipliers, round(m.area_ge), round(m.instances * m.area_ge),
          round(m.delay_ps)) for m in modules),
    )  # fmt: skip
    if found.blocks:
        rows = ((name, round(area), f"{area / found.area_ge:.1%}") for name, area in found.blocks.items())
        console.show_table("", ("block", "GE", "share"), rows)
    if found.memories:
        rows = (
            (m.words, m.word_bits, m.instances, ", ".join(m.names), round(m.area_um2), round(m.instances * m.area_um2))
            for m in found.memories
        )
        columns = ("words", "bits", "instances", "SRAM", f"um2 each, {found.technology} table", "um2")
        console.show_table("not among the cells", columns, rows)
    real = "" if found.area_um2 is None else f" = {found.area_um2:,.0f} um2"
    units = " (made-up units)" if found.area_um2 is None else ""
    console.show(
        f"{found.area_ge:,.0f} GE{real}, {found.flip_flop_ge / found.area_ge:.0%} of it {found.flip_flops:,} flip-flops; "
        f"{found.multipliers} multipliers; SRAM {found.memory_um2:,.0f} um2\n"
        f"longest logic within a module: {found.delay_ps:,.0f} ps{units} in {found.delay_module}\n{_took(found)}"
    )


def _show_placed(found: Placed) -> None:
    target = found.target
    title = f"{found.design}, {found.part}, ECP5 {target.device} speed {target.speed}, seed {target.seed}"
    rows = ((name.replace("_", "-"), used, found.available[name]) for name, used in found.used.items())
    console.show_table(title, ("resource", "used", "available"), rows)
    console.show(
        f"{found.fmax_mhz:.1f} MHz reached, {target.frequency_mhz:g} asked for\n"
        f"slowest path {found.path_ns:.2f} ns, {found.logic_ns:.2f} in cells and {found.routing_ns:.2f} in wires: "
        f"{found.path_from} to {found.path_to}\n{_took(found)}"
    )


def _took(found: Synthesis | Placed) -> str:
    usage = found.usage
    note = "; from the cache" if found.cached else ""
    return f"{usage.seconds:.1f} s, {usage.cpu_seconds:.1f} CPU s, {usage.memory_mb:.0f} MB{note}"


def _files(output: Path | None) -> Any:
    from contextlib import nullcontext

    return nullcontext({}) if output is None else output_folder(output)


def _with_files(data: dict[str, Any], output: Path | None, files: dict[str, str]) -> dict[str, Any]:
    return data if output is None else {**data, "files": [str(output / name) for name in files]}


def _json(data: dict[str, Any]) -> str:
    from json import dumps

    return dumps(data, indent=2, allow_nan=False) + "\n"
