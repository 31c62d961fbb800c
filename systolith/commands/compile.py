"""``compile``: everything software needs to run a whole network on an accelerator."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from systolith import console
from systolith.bus import BusOption, axi_for_network
from systolith.commands.common import Json, NetworkArgument, Out, Seed, emit_json
from systolith.commands.mapping import MapperName, Objective, What, Which, make
from systolith.network_design import NetworkDesign, network_design
from systolith.outdir import output_folder

if TYPE_CHECKING:
    from dataflows.compile.network import CompiledNetwork

DesignOption = Annotated[
    str,
    typer.Option("--design", metavar="DESIGN", help="A square accelerator: preset, ENGINE:key=value,..., file or folder."),
]
KeepAll = Annotated[bool, typer.Option("--keep-all", help="Give every tensor memory of its own, so that all can be read.")]
COLUMNS = ("op", "name", "output", "cycles", "weights")


def compile_command(
    network: NetworkArgument, design: DesignOption, output: Out = Path("out"), bus: BusOption = "axi",
    mapper: Which = MapperName.search, objective: What = Objective.latency, keep_all: KeepAll = False, json: Json = False,
    seed: Seed = 0,
) -> None:  # fmt: skip
    """Quantise and compile a network: memory image, memory map, programs as loop nests, and a C host."""
    started = time.perf_counter()
    axi_for_network(bus)  # before any work
    with output_folder(output) as files, console.progress(f"compile {network}") as tick:
        tick(0, 2, f"quantise and map {network}")
        found = network_design(network, design, bus, mapper=make(mapper), objective=objective.value, seed=seed)
        from dataflows.compile.network import compile_network, require_addresses

        tick(1, 2, f"compile {network}")
        compiled = compile_network(found.quantized.graph, found.acc, found.tilings, keep_all=keep_all)
        require_addresses(compiled, found.axi)
        described = write_files(files, found, compiled)
    seconds = round(time.perf_counter() - started, 3)
    data = summary(described) | {"files": [str(output / name) for name in files], "seconds": seconds}
    if json:
        emit_json(data, seed)
        return
    shown = (op | {"weights": op["weights"]["bytes"] if op["weights"] else 0} for op in described["ops"])
    title = f"{compiled.graph.name} on {found.acc.name}, {seconds:.1f} s"
    console.show_table(title, COLUMNS, ([op[key] for key in COLUMNS] for op in shown))
    console.show(
        f"{data['ops']} operations, {data['cycles']:,} cycles, {data['cycles_start_to_irq']:,} from first start to interrupt\n"
        f"{data['total_bytes']:,} bytes: {data['image_bytes']:,} of programs, scales and weights, "
        f"{data['activation_bytes']:,} of activations ({data['least_activation_bytes']:,} alive at once, "
        f"{data['activation_bytes_without_reuse']:,} in all)\nwritten to {output}: {', '.join(files)}"
    )


def write_files(files: dict[str, str | bytes], found: NetworkDesign, compiled: CompiledNetwork) -> dict[str, Any]:
    """Add everything to `files`; return what memory_map.json says."""
    import json as text_of

    from dataflows.axi_schedule import queue_cycles
    from dataflows.compile.chost import c_host
    from dataflows.compile.describe import describe, programs_text
    from dataflows.compile.timing import op_schedules
    from dataflows.program import MAGIC
    from dataflows.registers import MAP_VERSION, c_macros
    from rtl.export import c_header, prefix
    from sim.formats.network import constant_image

    acc, axi, macros = found.acc, found.axi, prefix(found.acc).upper()
    schedules = op_schedules(compiled, axi)
    cycles = [each.axi_cycles for each in schedules]
    described = describe(compiled, cycles) | {
        "axi": axi.to_dict(), "memory_latency": acc.memory.latency, "cycles_start_to_irq": queue_cycles(schedules),
    }  # fmt: skip
    files["image.bin"] = constant_image(compiled, found.quantized.tensors).tobytes()
    files["memory_map.json"] = text_of.dumps(described, indent=1) + "\n"
    files["programs.txt"] = programs_text(compiled, cycles)
    files["systolith_params.h"] = c_header(acc, c_macros(macros, acc, axi))
    files.update(c_host(compiled, macros, id_word=MAGIC, version=MAP_VERSION))
    return described


def summary(described: dict[str, Any]) -> dict[str, Any]:
    """Return the totals of a compiled network."""
    active = described["activations"]
    kept = {key: described[key] for key in ("network", "design", "cycles", "cycles_start_to_irq", "total_bytes")}
    return kept | {
        "ops": len(described["ops"]), "image_bytes": described["image"]["bytes"], "activation_bytes": active["peak_bytes"],
        "least_activation_bytes": active["least_possible_bytes"], "activation_bytes_without_reuse": active["without_reuse_bytes"],
    }  # fmt: skip
