"""``generate``: Verilog and everything software and tools need to use it."""

from __future__ import annotations

import time
from pathlib import Path

from systolith import codec_spec, console, spatial_spec, specs, system_spec
from systolith.bus import BusOption, axi_options, refuse_for_array
from systolith.commands.common import ArchArgument, Json, Out, Seed, emit_json
from systolith.outdir import output_folder


def generate(
    arch: ArchArgument, output: Out = Path("out"), bus: BusOption = "native", json: Json = False, seed: Seed = 0
) -> None:
    """Write Verilog, params.json, FuseSoC core and file list of hardware; of an accelerator also a C header."""
    axi = axi_options(bus)
    started = time.perf_counter()
    codec = codec_spec.find(arch)
    system = system_spec.find(arch)
    found = None if system else spatial_spec.find(arch)
    if codec is not None:
        codec_spec.refuse_for_codec(axi)
        name, parameters = codec[0], codec[1].to_dict()
        with output_folder(output) as files:
            from rtl.rlc.export import export as export_codec

            files.update(export_codec(codec[1].form, codec[1].word_bits, codec[1].length_bits, name))
    elif system is not None:
        name, parameters = system.name, system.to_dict()
        with output_folder(output) as files:
            from rtl.spatial.system.export import export as export_system

            files.update(export_system(system, axi))
    elif found is not None:
        refuse_for_array(axi)
        name, array = found
        parameters = array.to_dict()
        with output_folder(output) as files:
            from rtl.spatial.export import export as export_array

            files.update(export_array(array, name))
    else:
        acc = specs.accelerator(arch, "verilog")
        name, parameters = acc.name, acc.to_dict()
        with output_folder(output) as files:
            from rtl.export import export

            if axi is None:
                files.update(export(acc))
            else:
                from rtl.shell.export import export_axi

                files.update(export_axi(acc, axi))
    seconds = round(time.perf_counter() - started, 3)
    if json:
        paths = [str(output / name) for name in files]
        emit_json({"files": paths, "parameters": parameters, "seconds": seconds}, seed)
        return
    rows = [(str(output / name), len(text.encode() if isinstance(text, str) else text)) for name, text in files.items()]
    console.show_table(f"{name}, {seconds:.1f} s", ("file", "bytes"), rows)
