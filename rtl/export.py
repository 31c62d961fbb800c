"""Everything a chip project needs from one accelerator: Verilog, parameters, C header, file list, FuseSoC core."""

from __future__ import annotations

import json

from dataflows.arch import Accelerator
from dataflows.counters import COUNTERS, PARAMETER_BASE, parameters
from dataflows.program import DENSE_FIELDS, FAMILY_DENSE, MAGIC, PROGRAM_WORDS, SIGNED_FIELDS, VERSION, program_beats
from rtl.accelerator.top import ERROR_PROGRAM, AcceleratorTop
from rtl.emit import SRAM_1R1W, emit
from rtl.library import Modules

TOP = "accelerator"


def verilog(acc: Accelerator) -> str:
    """Return the Verilog of a complete accelerator, each distinct module once; the top is called ``accelerator``."""
    modules = Modules()
    modules.add(TOP, AcceleratorTop(acc=acc, modules=modules))
    return emit(modules, TOP, [SRAM_1R1W])


def export(acc: Accelerator) -> dict[str, str]:
    """Return file name to text: accelerator.v, params.json, systolith_params.h, accelerator.core, accelerator.f."""
    return {
        "accelerator.v": verilog(acc),
        "params.json": json.dumps(describe(acc), indent=2) + "\n",
        "systolith_params.h": c_header(acc),
        "accelerator.core": _fusesoc(acc),
        "accelerator.f": "accelerator.v\n",
    }


def describe(acc: Accelerator) -> dict[str, object]:
    """Return every parameter of the design, and what software must know of program and counters."""
    return {
        "accelerator": acc.to_dict(),
        "top": TOP,
        "buffer_bytes": acc.buffer_bytes,
        "program": {
            "magic": MAGIC, "family": FAMILY_DENSE, "version": VERSION, "words": PROGRAM_WORDS, "beats": program_beats(acc),
            "fields": [{"name": name, "bits": bits, "signed": name in SIGNED_FIELDS} for name, bits in DENSE_FIELDS],
        },
        "counters": [{"index": i, "name": name, "unit": meaning} for i, (name, meaning) in enumerate(COUNTERS)],
        "parameters": [{"index": PARAMETER_BASE + i, "name": n, "value": v} for i, (n, v) in enumerate(parameters(acc))],
        "errors": {"program": ERROR_PROGRAM},
    }  # fmt: skip


def c_header(acc: Accelerator) -> str:
    """Return the C header: parameters, program words and counter indices of exactly this design."""
    lines = [f"/* Parameters of accelerator {acc.name}; made with accelerator.v, do not edit. */"]
    lines += ["#ifndef SYSTOLITH_PARAMS_H", "#define SYSTOLITH_PARAMS_H", ""]
    for name, value in parameters(acc):
        lines.append(f"#define SYSTOLITH_{name.upper()} {value}")
    lines += ["", "/* Layer program: 32-bit little-endian words. */"]
    kind = FAMILY_DENSE << 16 | VERSION
    lines += [f"#define SYSTOLITH_PROGRAM_MAGIC 0x{MAGIC:08X}u", f"#define SYSTOLITH_PROGRAM_KIND 0x{kind:08X}u"]
    lines += [f"#define SYSTOLITH_PROGRAM_WORDS {PROGRAM_WORDS}", f"#define SYSTOLITH_PROGRAM_BEATS {program_beats(acc)}"]
    header = PROGRAM_WORDS - len(DENSE_FIELDS)
    lines += [f"#define SYSTOLITH_WORD_{name.upper()} {header + i}" for i, (name, _bits) in enumerate(DENSE_FIELDS)]
    lines += ["", "/* Values of counter_index. */"]
    lines += [f"#define SYSTOLITH_COUNTER_{name.upper()} {i}" for i, (name, _meaning) in enumerate(COUNTERS)]
    lines += [f"#define SYSTOLITH_PARAMETER_{name.upper()} {PARAMETER_BASE + i}" for i, (name, _v) in enumerate(parameters(acc))]
    lines += ["", f"#define SYSTOLITH_ERROR_PROGRAM {ERROR_PROGRAM}", "", "#endif", ""]
    return "\n".join(lines)


def _fusesoc(acc: Accelerator) -> str:
    return (
        "CAPI=2:\n"
        f"name: systolith:accelerators:{acc.name}:1.0.0\n"
        f"description: {acc.array.rows}x{acc.array.cols} {acc.array.dataflow} accelerator\n"
        "filesets:\n  rtl:\n    files:\n      - accelerator.v\n    file_type: verilogSource\n"
        f"targets:\n  default:\n    filesets: [rtl]\n    toplevel: {TOP}\n"
    )
