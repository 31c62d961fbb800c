"""Everything a chip project needs from one accelerator: Verilog, parameters, C header, file list, FuseSoC core."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dataflows.arch import Accelerator
from dataflows.counters import COUNTERS, PARAMETER_BASE, Design, parameters
from dataflows.program import DENSE_FIELDS, FAMILY_DENSE, MAGIC, PROGRAM_WORDS, SIGNED_FIELDS, VERSION, program_beats
from dataflows.rounding import ROUNDINGS
from dataflows.workload import OPS
from rtl.accelerator.top import ERROR_PROGRAM, AcceleratorTop
from rtl.emit import SRAM_1R1W, emit
from rtl.library import Modules


def prefix(acc: Design) -> str:
    """Return what the names of all modules and macros of a design begin with."""
    name = acc.name.replace("-", "_")
    return f"design_{name}" if name[0].isdigit() else name


def top_name(acc: Design) -> str:
    """Return the name of the top module."""
    return f"{prefix(acc)}_accelerator"


def verilog(acc: Accelerator, *, memories: bool = True) -> str:
    """Return the Verilog of a complete accelerator, each distinct module once.

    Parameters
    ----------
    acc : Accelerator
        The design.
    memories : bool
        Append ``sram_1r1w``; without it the text needs that module, or a macro with its ports, from elsewhere.
    """
    top = top_name(acc)
    modules = Modules(prefix=f"{prefix(acc)}_")
    modules.add(top, AcceleratorTop(acc=acc, modules=modules))
    text = emit(modules, top, [SRAM_1R1W])
    return text if memories else text.removesuffix(SRAM_1R1W.read_text(encoding="utf-8").strip("\n") + "\n")


def export(acc: Accelerator) -> dict[str, str]:
    """Return file name to text: Verilog, memory model, parameters, C header, FuseSoC core and file list."""
    top, array = top_name(acc), acc.array
    head = (
        f"// {acc.name}: {array.rows} x {array.cols} PEs, {array.dataflow}, inputs {array.input_bits} and weights "
        f"{array.weight_bits} bits. Generated.\n"
        f"// Top module {top}; parameters in params.json. Replace {SRAM_1R1W.name} by macros with the same ports.\n"
    )
    return {
        "accelerator.v": head + verilog(acc, memories=False),
        SRAM_1R1W.name: SRAM_1R1W.read_text(encoding="utf-8"),
        "params.json": json.dumps(describe(acc), indent=2) + "\n",
        "systolith_params.h": c_header(acc),
        "accelerator.core": fusesoc(acc, (SRAM_1R1W.name, "accelerator.v"), top),
        "accelerator.f": f"{SRAM_1R1W.name}\naccelerator.v\n",
    }


def describe(acc: Accelerator) -> dict[str, object]:
    """Return every parameter of the design, and what software must know of program and counters."""
    return {
        "accelerator": acc.to_dict(),
        "top": top_name(acc),
        "buffer_bytes": acc.buffer_bytes,
        "program": {
            "magic": MAGIC, "family": FAMILY_DENSE, "version": VERSION, "words": PROGRAM_WORDS, "beats": program_beats(acc),
            "table_beats": acc.table_beats, "roundings": list(ROUNDINGS), "ops": list(OPS),
            "fields": [{"name": name, "bits": bits, "signed": name in SIGNED_FIELDS} for name, bits in DENSE_FIELDS],
        },
        "counters": [{"index": i, "name": name, "unit": meaning} for i, (name, meaning) in enumerate(COUNTERS)],
        "parameters": [{"index": PARAMETER_BASE + i, "name": n, "value": v} for i, (n, v) in enumerate(parameters(acc))],
        "errors": {"program": ERROR_PROGRAM},
    }  # fmt: skip


def c_header(acc: Accelerator, more: Sequence[str] = ()) -> str:
    """Return the C header: parameters, program words and counter indices of exactly this design, and the lines `more`."""
    name = prefix(acc).upper()
    lines = [f"/* Parameters of accelerator {acc.name}; made with accelerator.v, do not edit. */"]
    lines += [f"#ifndef {name}_PARAMS_H", f"#define {name}_PARAMS_H", ""]
    lines += [f"#define {name}_{key.upper()} {value}" for key, value in parameters(acc)]
    lines += ["", "/* Layer program: 32-bit little-endian words. */"]
    kind = FAMILY_DENSE << 16 | VERSION
    lines += [f"#define {name}_PROGRAM_MAGIC 0x{MAGIC:08X}u", f"#define {name}_PROGRAM_KIND 0x{kind:08X}u"]
    lines += [f"#define {name}_PROGRAM_WORDS {PROGRAM_WORDS}", f"#define {name}_PROGRAM_BEATS {program_beats(acc)}"]
    lines += [f"#define {name}_ROUNDING_{mode.upper()} {code}" for code, mode in enumerate(ROUNDINGS)]
    lines += [f"#define {name}_OP_{op.upper()} {code}" for code, op in enumerate(OPS)]
    header = PROGRAM_WORDS - len(DENSE_FIELDS)
    lines += [f"#define {name}_WORD_{key.upper()} {header + i}" for i, (key, _bits) in enumerate(DENSE_FIELDS)]
    lines += ["", "/* Values of counter_index. */"]
    lines += [f"#define {name}_COUNTER_{key.upper()} {i}" for i, (key, _meaning) in enumerate(COUNTERS)]
    lines += [f"#define {name}_PARAMETER_{key.upper()} {PARAMETER_BASE + i}" for i, (key, _v) in enumerate(parameters(acc))]
    lines += ["", f"#define {name}_ERROR_PROGRAM {ERROR_PROGRAM}", *more, "", "#endif", ""]
    return "\n".join(lines)


def fusesoc(acc: Accelerator, sources: Sequence[str], top: str) -> str:
    """Return the FuseSoC core file of a design whose `top` is in one of the Verilog files `sources`."""
    files = "".join(f"      - {name}\n" for name in sources)
    return (
        "CAPI=2:\n"
        f"name: systolith:accelerators:{acc.name}:1.0.0\n"
        f"description: {acc.array.rows}x{acc.array.cols} {acc.array.dataflow} accelerator\n"
        f"filesets:\n  rtl:\n    files:\n{files}    file_type: verilogSource\n"
        f"targets:\n  default:\n    filesets: [rtl]\n    toplevel: {top}\n"
    )
