"""The Verilog of a run-length codec, and the bit positions of everything on its ports."""

from __future__ import annotations

import json
from typing import Any

from dataflows.compression import Format
from rtl.emit import emit
from rtl.library import Modules
from rtl.rlc import layouts
from rtl.rlc.codec import RlcCodec
from rtl.spatial.export import fields

__all__ = ["PORTS", "describe", "export", "top_name", "verilog"]

STREAMS = ("store", "stored", "load", "lengths", "loaded")
PORTS = ("clk", "rst", "fault", *(f"{name}__{part}" for name in STREAMS for part in ("payload", "valid", "ready")))


def top_name(name: str = "rlc") -> str:
    """Return the name of the top module of a codec called `name`."""
    return f"{name}_codec"


def verilog(form: Format, word_bits: int, length_bits: int, name: str = "rlc") -> str:
    """Return the Verilog of a codec; its parts, ``NAME_rlc_encoder`` and ``NAME_rlc_decoder``, can be used alone."""
    modules = Modules(prefix=f"{name}_")
    component = RlcCodec(form=form, word_bits=word_bits, length_bits=length_bits, modules=modules)
    return emit(modules, modules.add(top_name(name), component))


def describe(form: Format, word_bits: int, length_bits: int, name: str = "rlc") -> dict[str, Any]:
    """Return every parameter, and the fields of the ports by their lowest bit and width."""
    word, packed = layouts.word(word_bits), layouts.memory_word(form, word_bits)
    shapes = {"store": word, "stored": packed, "load": packed, "loaded": word}
    ports: dict[str, Any] = {
        f"{port}__payload": {"width": layout.size, "fields": list(fields(layout))} for port, layout in shapes.items()
    }
    ports["lengths__payload"] = {"width": length_bits, "fields": []}
    return {**form.to_dict(), "word_bits": word_bits, "length_bits": length_bits, "top": top_name(name), "ports": ports}


def export(form: Format, word_bits: int, length_bits: int, name: str = "rlc") -> dict[str, str]:
    """Return file name to text: Verilog, parameters, FuseSoC core and file list."""
    head = f"// {name}: run-length codec, {form}, words of {word_bits} bits. Generated.\n"
    core = (
        f"CAPI=2:\nname: systolith:codecs:{name}:1.0.0\ndescription: run-length codec\n"
        "filesets:\n  rtl:\n    files:\n      - codec.v\n    file_type: verilogSource\n"
        f"targets:\n  default:\n    filesets: [rtl]\n    toplevel: {top_name(name)}\n"
    )
    return {
        "codec.v": head + verilog(form, word_bits, length_bits, name),
        "params.json": json.dumps(describe(form, word_bits, length_bits, name), indent=2) + "\n",
        "codec.core": core,
        "codec.f": "codec.v\n",
    }
