"""``verify``: an accelerator's Verilog against its golden model and its cycle model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from systolith import console, specs
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
    acc = specs.accelerator(arch)
    if waves is not None:
        prepare(waves.parent)
    from sim.verify import verify_accelerator

    with console.progress(f"verify {acc.name}") as tick:
        report = verify_accelerator(acc, cases=cases, seed=seed, simulator=simulator.value, waves=waves, progress=tick)
    data = report.to_dict()
    if json:
        emit_json(data, seed)
    else:
        columns = ("name", "mismatches", "checked", "cycles_rtl", "cycles_model", "counts_equal")
        title = f"{acc.name} on {data['simulator']}, {data['seconds']:.1f} s"
        console.show_table(title, columns, ([case[key] for key in columns] for case in data["cases"]))
        console.show(f"{'passed' if data['passed'] else 'FAILED'}: {len(data['cases'])} cases, seed {seed}")
    if not data["passed"]:
        wrong = [case["name"] for case in data["cases"] if _wrong(case)]
        console.say(
            f"error: {acc.name}: {len(wrong)} of {len(data['cases'])} cases differ from the model: {', '.join(wrong[:5])}"
        )
        raise typer.Exit(1)


def _wrong(case: dict[str, object]) -> bool:
    return bool(case["mismatches"]) or case["cycles_rtl"] != case["cycles_model"] or not case["counts_equal"]
