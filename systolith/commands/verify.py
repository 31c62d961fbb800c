"""``verify``: an accelerator's Verilog against its golden model and its cycle model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.arch import Accelerator
from dataflows.spatial.array import SpatialArray
from systolith import console, spatial_spec, specs
from systolith.commands.common import ArchArgument, Json, Seed, emit_json
from systolith.outdir import prepare


class Simulator(StrEnum):
    """Simulators that can run the bench."""

    verilator = "verilator"
    icarus = "icarus"


Cases = Annotated[int, typer.Option("--cases", min=1, max=10_000, help="Random layers to run.")]
Which = Annotated[Simulator, typer.Option("--simulator", help="Simulator that runs the Verilog.")]
Waves = Annotated[
    Path | None, typer.Option("--waves", metavar="FILE", help="Record a waveform here (VCD from Verilator, FST from Icarus).")
]


def verify(
    arch: ArchArgument, cases: Cases = 20, simulator: Which = Simulator.verilator, waves: Waves = None,
    json: Json = False, seed: Seed = 0,
) -> None:  # fmt: skip
    """Run random convolutions and GEMMs on the Verilog; compare outputs, cycles and access counts."""
    design: Accelerator | SpatialArray
    if (spatial := spatial_spec.find(arch)) is not None:
        name, design = spatial
    else:
        design = specs.accelerator(arch, "hardware")
        name = design.name
    if waves is not None:
        prepare(waves.parent)
    run: dict[str, Any] = {"cases": cases, "seed": seed, "simulator": simulator.value, "waves": waves}
    with console.progress(f"verify {name}") as tick:
        if isinstance(design, Accelerator):
            from sim.verify import verify_accelerator

            report = verify_accelerator(design, progress=tick, **run)
        else:
            from sim.spatial.verify import verify_array

            report = verify_array(design, name=name, progress=tick, **run)
    data = report.to_dict()
    if json:
        emit_json(data, seed)
    else:
        columns = ("name", "mismatches", "checked", "cycles_rtl", "cycles_model", "counts_equal")
        title = f"{name} on {data['simulator']}, {data['seconds']:.1f} s"
        console.show_table(title, columns, ([case[key] for key in columns] for case in data["cases"]))
        console.show(f"{'passed' if data['passed'] else 'FAILED'}: {len(data['cases'])} cases, seed {seed}")
    if not data["passed"]:
        wrong = [case["name"] for case in data["cases"] if _wrong(case)]
        console.say(f"error: {name}: {len(wrong)} of {len(data['cases'])} cases differ from the model: {', '.join(wrong[:5])}")
        raise typer.Exit(1)


def _wrong(case: dict[str, object]) -> bool:
    return bool(case["mismatches"]) or case["cycles_rtl"] != case["cycles_model"] or not case["counts_equal"]
