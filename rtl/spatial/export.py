"""The Verilog of a spatial array, and the bit positions of everything on its ports."""

from __future__ import annotations

import json
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data

from dataflows.spatial.array import SpatialArray
from rtl.emit import emit
from rtl.library import Modules
from rtl.spatial import layouts
from rtl.spatial.core import SpatialCore, check_ports

__all__ = ["PORTS", "describe", "export", "fields", "plain", "top_name", "verilog"]

PORTS = (
    "clk", "rst", "start", "busy", "prog", "tag_shift", "tag", "weights__payload", "weights__valid", "weights__ready",
    "inputs__payload", "inputs__valid", "inputs__ready", "results__payload", "results__valid", "results__ready",
)  # fmt: skip


def top_name(name: str) -> str:
    """Return the name of the top module of an array called `name`."""
    return f"{plain(name)}_array"


def plain(name: str) -> str:
    """Return `name` as the beginning of Verilog names."""
    text = "".join(letter if letter.isalnum() else "_" for letter in name)
    return text if text[:1].isalpha() else f"design_{text}"


def verilog(array: SpatialArray, name: str = "spatial") -> str:
    """Return the Verilog of an array, each distinct module once; raise `SpecError` if its ports are too wide."""
    check_ports(array)
    modules = Modules(prefix=f"{plain(name)}_")
    top = modules.add(top_name(name), SpatialCore(array=array, modules=modules))
    return emit(modules, top)


def describe(array: SpatialArray, name: str = "spatial") -> dict[str, Any]:
    """Return every parameter, and the fields of the ports by their lowest bit and width."""
    ports = {
        "prog": layouts.program(array), "tag": layouts.tag(array), "weights__payload": layouts.beat(array, "weights"),
        "inputs__payload": layouts.beat(array, "inputs"), "results__payload": layouts.result(array),
    }  # fmt: skip
    return {
        "array": array.to_dict(), "top": top_name(name), "pes": array.pes,
        "ports": {port: {"width": layout.size, "fields": list(fields(layout))} for port, layout in ports.items()},
    }  # fmt: skip


def export(array: SpatialArray, name: str = "spatial") -> dict[str, str]:
    """Return file name to text: Verilog, parameters, FuseSoC core and file list."""
    head = f"// {name}: {' x '.join(f'{axis.size} {axis.name}' for axis in array.axes)}. Generated.\n"
    core = (
        f"CAPI=2:\nname: systolith:arrays:{name}:1.0.0\ndescription: spatial array of {array.pes} PEs\n"
        "filesets:\n  rtl:\n    files:\n      - array.v\n    file_type: verilogSource\n"
        f"targets:\n  default:\n    filesets: [rtl]\n    toplevel: {top_name(name)}\n"
    )
    return {
        "array.v": head + f"// Top module {top_name(name)}; parameters and port fields in params.json.\n" + verilog(array, name),
        "params.json": json.dumps(describe(array, name), indent=2) + "\n",
        "array.core": core,
        "array.f": "array.v\n",
    }


def fields(layout: data.Layout, offset: int = 0, path: str = "") -> Any:
    """Yield name, lowest bit, width and sign of everything in a layout."""
    for key, field in layout:
        at, name = offset + field.offset, f"{path}.{key}" if path else str(key)
        if isinstance(field.shape, data.Layout):
            yield from fields(field.shape, at, name)
        elif field.width:
            yield {"name": name, "bit": at, "width": field.width, "signed": Shape.cast(field.shape).signed}
