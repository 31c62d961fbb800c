"""The C host of a compiled network: a header with its constants, functions that use them, and an example."""

from __future__ import annotations

from pathlib import Path

from dataflows.compile.network import CompiledNetwork
from dataflows.graph import GraphTensor
from dataflows.registers import parameter_offsets

_ROOM = Path(__file__).parent / "host"

_REGISTERS = (
    "id", "version", "control", "status", "interrupt_enable", "error", "error_index", "completed", "queue", "queue_free",
    "base_low", "base_high",
)  # fmt: skip
_MASKS = (
    ("control", "soft_reset"), ("status", "busy"), ("status", "done"), ("status", "empty"), ("status", "error"),
)  # fmt: skip


def c_host(compiled: CompiledNetwork, prefix: str, *, id_word: int, version: int) -> dict[str, str]:
    """Return file name to text: ``network.h``, ``network.c`` and ``main.c``; they include ``systolith_params.h``.

    Parameters
    ----------
    compiled : CompiledNetwork
        The network.
    prefix : str
        What the macros of the design's ``systolith_params.h`` begin with, in capitals.
    id_word, version : int
        What the registers ID and VERSION must hold.
    """
    texts = {name: (_ROOM / name).read_text(encoding="utf-8") for name in ("network.c", "main.c", "functions.h")}
    return {
        "network.h": "\n".join([*_constants(compiled, prefix, id_word, version), "", texts["functions.h"], "#endif", ""]),
        "network.c": texts["network.c"],
        "main.c": texts["main.c"],
    }


def _constants(compiled: CompiledNetwork, prefix: str, id_word: int, version: int) -> list[str]:
    acc, graph, bus = compiled.acc, compiled.graph, compiled.acc.memory.bus_bytes
    values = {
        "BEAT_BYTES": bus, "MEMORY_BYTES": f"{compiled.end * bus}ul", "IMAGE_BEAT": compiled.constants.first,
        "IMAGE_BYTES": f"{compiled.constants.beats * bus}ul", "LANES": f"{acc.array.rows}u", "LANE_BITS": acc.array.input_bits,
        "WORD_BYTES": acc.beats(acc.input_word_bits) * bus, "INPUTS": len(graph.inputs), "OUTPUTS": len(graph.outputs),
        "PROGRAMS": f"{len(compiled.ops)}u", "ID": f"0x{id_word:08X}u", "VERSION": f"{version}u",
    }  # fmt: skip
    lines = [f"/* {_comment(graph.name)} on accelerator {acc.name}; made by systolith compile, do not edit. */"]
    lines += ["#ifndef NETWORK_H", "#define NETWORK_H", "", "#include <stddef.h>", "#include <stdint.h>", ""]
    lines += ['#include "systolith_params.h"', "", "/* Memory: addresses count beats from the accelerator's BASE. */"]
    lines += [f"#define NETWORK_{name} {value}" for name, value in values.items()]
    lines += ["", "/* Registers: byte offsets, and bits. */"]
    lines += [f"#define NETWORK_REG_{name.upper()} {prefix}_REG_{name.upper()}" for name in _REGISTERS]
    lines += [f"#define NETWORK_REG_TOTAL_CYCLES {prefix}_REG_TOTAL_AXI_CYCLES"]
    lines += [
        f"#define NETWORK_{reg}_{bit} {prefix}_REG_{reg}_{bit}_MASK" for reg, bit in ((r.upper(), b.upper()) for r, b in _MASKS)
    ]
    design = ", ".join(f"{{0x{offset:03X}u, {value}u}}" for offset, value in parameter_offsets(acc))
    lines += [f"#define NETWORK_ERROR_CODE {prefix}_REG_ERROR_CODE_MASK", ""]
    lines += ["/* The design: byte offsets of constants, and their values. */", f"#define NETWORK_DESIGN_TABLE {{ {design} }}"]
    lines += ["", "/* Tensors and layer programs. */"]
    for kind, names in (("INPUT", graph.inputs), ("OUTPUT", graph.outputs)):
        rows = [_tensor(compiled, graph.tensor(name)) for name in names]
        lines += [f"#define NETWORK_{kind}_TABLE \\", "    { \\", *(f"        {row}, \\" for row in rows), "    }"]
    return lines + _programs(compiled)


def _tensor(compiled: CompiledNetwork, tensor: GraphTensor) -> str:
    """Return one initialiser of struct network_tensor."""
    region = compiled.activations.tensors[tensor.name]
    sizes = (region.first, region.beats, tensor.N, tensor.C, tensor.H, tensor.W, tensor.bits)
    return f'{{"{_text(tensor.name)}", {", ".join(map(str, sizes))}, {tensor.zero_point}, {tensor.scale!r}}}'


def _programs(compiled: CompiledNetwork) -> list[str]:
    per_line = 12
    words = [f"{address}u" for address in compiled.programs]
    rows = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return ["#define NETWORK_PROGRAM_TABLE \\", "    { \\", *(f"        {row}, \\" for row in rows), "    }"]


def _text(name: str) -> str:
    """Return a C string's content: printable ASCII as it is, all else by octal bytes, which cannot run into what follows."""
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}
    return "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in name.encode())


def _comment(name: str) -> str:
    return "".join(each if each.isalnum() or each in " -_.," else "_" for each in name)
