"""``synthesize``: what a design costs as cells, and on an FPGA which clock it reaches."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflows.errors import SpecError
from systolith import console, spatial_spec, specs, system_spec
from systolith.commands.common import ArchArgument, Json, Seed, emit_json
from systolith.outdir import output_folder

if TYPE_CHECKING:
    from dse.physical.ecp5 import Placed
    from dse.physical.result import Synthesis
    from rtl.parts import Part


class Which(StrEnum):
    """As `rtl.parts.ACCELERATOR_PARTS`, which would load the generators."""

    accelerator = "accelerator"
    core = "core"
    array = "array"
    pe = "pe"


class Fpga(StrEnum):
    """FPGA families."""

    ecp5 = "ecp5"


PartOption = Annotated[
    Which | None, typer.Option("--part", help="What of it, all by default; core is the array with its buffers and their control.")
]
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
    arch: ArchArgument, part: PartOption = None, flat: Flat = False, library: Cells = None, fpga: FpgaOption = None,
    device: Device = None, speed: Speed = None, frequency: Frequency = None, output: Output = None, json: Json = False,
    seed: Seed = 1,
) -> None:  # fmt: skip
    """Area by module and block in gate equivalents and logic delay; or with --fpga a placed and routed clock."""
    cells = {"--flat": flat or None, "--library": library}
    board = {"--device": device, "--speed": speed, "--frequency": frequency}
    for option, value in (cells if fpga else board).items():
        if value is not None:
            raise SpecError(option, value, "no such option " + ("with --fpga" if fpga else "without --fpga"), f"drop {option}")
    if fpga:
        given = {option[2:].replace("frequency", "frequency_mhz"): value for option, value in board.items() if value is not None}
        data = _place((arch, part), {**given, "seed": seed}, output, json)
    else:
        data = _cells((arch, part), library, flat, output, json)
    if json:
        emit_json(data, seed)


def _source(arch: str, which: Which | None) -> Part:  # after everything that is quickly checked
    """Elaborate what is to be synthesised."""
    from rtl.parts import accelerator_part, array_part, system_part

    if (system := system_spec.find(arch)) is not None:
        return system_part(system, which.value if which else "accelerator")
    found = spatial_spec.find(arch)
    if found is not None:
        return array_part(found[1], found[0], which.value if which else "array")
    return accelerator_part(specs.accelerator(arch, "hardware"), which.value if which else "accelerator")


def _cells(of: tuple[str, Which | None], name: str | None, flat: bool, output: Path | None, quiet: bool) -> dict[str, Any]:
    from dse.physical.liberty import GENERIC, library
    from dse.physical.synthesis import LOG, NETLIST, synthesize

    cells = library(name or GENERIC)
    with _files(output) as files, console.progress(f"synthesize {of[0]}") as tick:
        result, folder = synthesize(_source(*of), cells=cells, flat=flat, progress=tick)
        for left in (NETLIST, LOG, "cells.lib"):
            files[left] = (folder / left).read_text(encoding="utf-8")
        files["synthesis.json"] = _json(result.to_dict())
    if not quiet:
        _show_cells(result)
    return _with_files(result.to_dict(), output, files)


def _place(of: tuple[str, Which | None], given: dict[str, Any], output: Path | None, quiet: bool) -> dict[str, Any]:
    from dse.physical.ecp5 import NEXTPNR_LOG, YOSYS_LOG, Target, nextpnr_version, place

    target = Target(**given)
    nextpnr_version()
    with _files(output) as files, console.progress(f"place {of[0]}") as tick:
        result, folder = place(_source(*of), target=target, progress=tick)
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
            (m.words, m.word_bits, m.readers, m.instances, ", ".join(m.names), round(m.area_um2), round(m.instances * m.area_um2))
            for m in found.memories
        )
        columns = ("words", "bits", "readers", "instances", "SRAM", f"um2 each, {found.technology} table", "um2")
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
