"""``verify``: an accelerator's Verilog against its golden model and its cycle model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions
from dataflows.errors import SpecError
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.system.spec import SpatialSystem
from systolith import codec_spec, console, spatial_spec, specs, system_spec
from systolith.bus import axi_options, refuse_for_array
from systolith.commands.common import ArchArgument, Json, Seed, emit_json
from systolith.commands.mapping import LayerOption, only
from systolith.outdir import prepare


class Simulator(StrEnum):
    """Simulators that can run the bench."""

    verilator = "verilator"
    icarus = "icarus"


COLUMNS = ("name", "mismatches", "checked", "cycles_rtl", "cycles_model", "counts_equal")
AXI_COLUMNS = (
    "name", "mismatches", "checked", "cycles_axi", "cycles_exact", "cycles_model", "difference", "cycles_limit", "read_wait",
    "write_wait", "counts_equal",
)  # fmt: skip
Cases = Annotated[int, typer.Option("--cases", min=1, max=10_000, help="Random layers to run.")]
Which = Annotated[Simulator, typer.Option("--simulator", help="Simulator that runs the Verilog.")]
Waves = Annotated[
    Path | None, typer.Option("--waves", metavar="FILE", help="Record a waveform here (VCD from Verilator, FST from Icarus).")
]
Bus = Annotated[
    str | None,
    typer.Option(
        "--bus",
        metavar="BUS",
        help="native: start, done and a memory port; axi[:queue_depth=8,...]: AXI4-Lite and AXI4. "
        "Without it native, and axi with --network, which needs the queue.",
    ),
]
Network = Annotated[
    str | None,
    typer.Option("--network", metavar="NETWORK", help="A preset or .onnx file: run the whole network."),
]
Images = Annotated[int, typer.Option("--images", min=1, max=10_000, help="Inputs to run through the network.")]


def verify(
    arch: ArchArgument, cases: Cases = 20, simulator: Which = Simulator.verilator, waves: Waves = None,
    bus: Bus = None, network: Network = None, layer: LayerOption = None, images: Images = 1, json: Json = False, seed: Seed = 0,
) -> None:  # fmt: skip
    """Run random layers of every kind on the Verilog; compare outputs, cycles and access counts.

    Behind AXI random pauses, failing memory and resets are tried too. With --network all operations of a quantised network run
    back to back behind AXI instead, and every tensor between them is compared; a system runs every distinct layer, mapped.
    """
    if layer is not None and (network is None or system_spec.find(arch) is None):
        raise SpecError("--layer", layer, "nothing without a system and --network", "leave it out")
    if network is not None:
        if waves is not None:
            raise SpecError("--waves", str(waves), "no waves of whole networks", "leave out --network or --waves")
        if (system := system_spec.find(arch)) is not None:
            _verify_layers(network, layer, system, axi_options(bus or "native"), simulator.value, json=json, seed=seed)
            return
        from systolith.commands.verify_network import verify_network_command

        verify_network_command(network, arch, bus or "axi", images, simulator.value, json=json, seed=seed)
        return
    axi = axi_options(bus or "native")
    if (codec := codec_spec.find(arch)) is not None:
        codec_spec.refuse_for_codec(axi)
        _verify_codec(*codec, cases, simulator.value, waves, json=json, seed=seed)
        return
    design: Accelerator | SpatialArray | SpatialSystem
    if (system := system_spec.find(arch)) is not None:
        name, design = system.name, system
    elif (spatial := spatial_spec.find(arch)) is not None:
        refuse_for_array(axi)
        name, design = spatial
    else:
        design = specs.accelerator(arch, "verilog")
        name = design.name
    if waves is not None:
        prepare(waves.parent)
    run: dict[str, Any] = {"cases": cases, "seed": seed, "simulator": simulator.value, "waves": waves}
    with console.progress(f"verify {name}") as tick:
        if isinstance(design, Accelerator) and axi is not None:
            from sim.axi.verify import verify_axi

            report = verify_axi(design, axi, progress=tick, **run)
        elif isinstance(design, Accelerator):
            from sim.verify import verify_accelerator

            report = verify_accelerator(design, progress=tick, **run)
        elif isinstance(design, SpatialSystem):
            from sim.spatial.system.axi import verify_on

            report = verify_on(design, axi, progress=tick, **run)
        else:
            from sim.spatial.verify import verify_array

            report = verify_array(design, name=name, progress=tick, **run)
    _show(name, report.to_dict(), COLUMNS if axi is None else AXI_COLUMNS, json=json, seed=seed)


def _verify_layers(
    network: str, layer: str | None, system: SpatialSystem, axi: AxiOptions | None, simulator: str, *, json: bool, seed: int
) -> None:
    """Run the mapped layers of a network on a system."""
    from systolith.exchange import network as find
    from systolith.system_verify import verify_layers

    whole = find(network)
    part = only(whole, layer)
    report = verify_layers(part, system, axi, simulator, seed, image=part.layers[0] == whole.layers[0])
    _show(system.name, report.to_dict(), COLUMNS if axi is None else AXI_COLUMNS, json=json, seed=seed)


def _verify_codec(
    name: str, codec: codec_spec.Codec, cases: int, simulator: Any, waves: Path | None, *, json: bool, seed: int
) -> None:
    """Run random tensors through a codec's Verilog; compare memory words, words and cycles."""
    from sim.rlc import verify_codec

    if waves is not None:
        prepare(waves.parent)
    with console.progress(f"verify {name}") as tick:
        report = verify_codec(
            codec.form,
            codec.word_bits,
            codec.length_bits,
            cases=cases,
            seed=seed,
            simulator=simulator,
            waves=waves,
            progress=tick,
        )
    _show(name, report.to_dict(), COLUMNS, json=json, seed=seed)


def _show(name: str, data: dict[str, Any], columns: Sequence[str], *, json: bool, seed: int) -> None:
    """Print a report; exit 1 unless it passed."""
    if json:
        emit_json(data, seed)
    else:
        title = f"{name} on {data['simulator']}, {data['seconds']:.1f} s"
        console.show_table(title, columns, ([case[key] for key in columns] for case in data["cases"]))
        console.show(f"{'passed' if data['passed'] else 'FAILED'}: {len(data['cases'])} cases, seed {seed}")
    if not data["passed"]:
        wrong = [case["name"] for case in data["cases"] if not case["passed"]]
        console.say(f"error: {name}: {len(wrong)} of {len(data['cases'])} cases differ from the model: {', '.join(wrong[:5])}")
        for check in data.get("checks", ()):
            if not check["passed"]:
                console.say(f"error: {name}: not so: {check['name']}")
        raise typer.Exit(1)
