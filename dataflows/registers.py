"""The register map of the AXI shell as data: hardware, C header, params.json and manual are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dataflows.axi import AxiOptions
from dataflows.counters import COUNTERS, Design, parameters
from dataflows.program import MAGIC

Access = Literal["ro", "rw", "w1c", "wo"]

MAP_VERSION = 1
MAP_BYTES = 4096
PARAMETER_OFFSET = 0x100
LAST_OFFSET, TOTAL_OFFSET = 0x200, 0x300
MOST_COUNTERS = (TOTAL_OFFSET - LAST_OFFSET) // 8
COUNTER_TOTAL_BITS = 64

ERRORS: tuple[tuple[str, int, str], ...] = (
    ("none", 0, "no layer has failed"),
    ("program", 1, "the descriptor leads to no layer program of this engine"),
    ("read", 2, "memory answered a read with SLVERR or DECERR"),
    ("write", 3, "memory answered a write with SLVERR or DECERR"),
    ("coded_row", 4, "a coded row does not fit its length, or has too few words"),
)
"""Name, code and meaning of the values of ERROR.code; 1 and 4 are the accelerator's own (`rtl.accelerator.top`,
`rtl.spatial.system.top`)."""

ERROR_CODES = {name: code for name, code, _meaning in ERRORS}

SHELL_COUNTERS: tuple[tuple[str, str], ...] = (
    ("axi_cycles", "from the cycle a layer is started to the cycle after its last write response"),
    ("axi_read_wait", "cycles in which a read request or burst waits for the bus"),
    ("axi_write_wait", "cycles in which a write request or burst waits for the bus"),
)
"""What the shell counts beside `dataflows.counters.COUNTERS`."""

ALL_COUNTERS = COUNTERS + SHELL_COUNTERS

CAPTURE_CYCLES = len(ALL_COUNTERS) + 2
"""Cycles of copying the counters of a layer, one after the other: from the last one of the layer to the start of the next."""


@dataclass(frozen=True, slots=True)
class Field:
    """Some bits of a register.

    Attributes
    ----------
    name : str
        ``value`` where the field is the whole register.
    low, width : int
        Lowest bit and number of bits.
    access : str
        ``ro`` read only; ``rw`` keeps what is written; ``w1c`` set by hardware, cleared by writing 1; ``wo`` an action,
        reads as 0.
    meaning : str
        For the manual.
    constant : int or None
        Value of a ``ro`` field that never changes.
    """

    name: str
    low: int
    width: int
    access: Access
    meaning: str
    constant: int | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """A 32-bit register at a byte offset."""

    name: str
    offset: int
    fields: tuple[Field, ...]

    @property
    def writable(self) -> bool:
        """Writes are accepted."""
        return any(field.access != "ro" for field in self.fields)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        shown = [
            {"name": f.name, "bit": f.low, "width": f.width, "access": f.access, "meaning": f.meaning}
            | ({} if f.constant is None else {"value": f.constant})
            for f in self.fields
        ]
        return {"name": self.name, "offset": self.offset, "fields": shown}


def control_registers(axi: AxiOptions) -> tuple[Register, ...]:
    """Return the registers that drive the accelerator, in order of offset."""
    flags = (
        ("done", 1, "a layer has completed"),
        ("empty", 2, "a layer has completed and the queue is empty: nothing is left to do"),
        ("error", 3, "a layer has failed; nothing is started until this is cleared"),
    )
    return (
        Register("id", 0x000, (Field("value", 0, 32, "ro", "what this is: the letters SYST", MAGIC),)),
        Register("version", 0x004, (Field("value", 0, 32, "ro", "version of this map", MAP_VERSION),)),
        Register(
            "control", 0x008,
            (
                Field("start", 0, 1, "wo", "put the address in PROGRAM into the queue; SLVERR if the queue is full"),
                Field("soft_reset", 1, 1, "wo", "give up the running layer, wait for the bus, empty the queue, clear STATUS"),
                Field("clear_totals", 2, 1, "wo", "set all TOTAL counters to 0"),
            ),
        ),
        Register(
            "status", 0x00C,
            (
                Field("busy", 0, 1, "ro", "a layer runs or a soft reset is not over"),
                *(Field(name, bit, 1, "w1c", meaning) for name, bit, meaning in flags),
            ),
        ),
        Register(
            "interrupt_enable", 0x010,
            tuple(Field(name, bit, 1, "rw", f"irq is high while STATUS.{name} is") for name, bit, _meaning in flags),
        ),
        Register(
            "error", 0x014,
            (
                Field("code", 0, 8, "ro", "; ".join(f"{code} {meaning}" for _name, code, meaning in ERRORS)),
                Field("response", 8, 2, "ro", "RRESP or BRESP of a failed read or write"),
            ),
        ),
        Register("error_index", 0x018, (Field("value", 0, 32, "ro", "which layer failed: 0 is the first since reset"),)),
        Register("completed", 0x01C, (Field("value", 0, 32, "ro", "layers completed since reset"),)),
        Register("queue", 0x020, (Field("value", 0, 32, "wo", "beat address of a layer program to run; SLVERR if full"),)),
        Register("queue_free", 0x024, (Field("value", 0, 8, "ro", "descriptors that QUEUE still accepts"),)),
        Register("program", 0x028, (Field("value", 0, 32, "rw", "beat address for CONTROL.start"),)),
        Register("base_low", 0x030, (Field("value", 12, 20, "rw", "byte address of beat 0, a multiple of 4096"),)),
        Register(
            "base_high", 0x034,
            (Field("value", 0, axi.address_bits - 32, "rw", "upper bits of the same"),) if axi.address_bits > 32 else (),
        ),
    )  # fmt: skip


def parameter_registers(acc: Design, axi: AxiOptions) -> tuple[Register, ...]:
    """Return the constants that describe the hardware: one register each from `PARAMETER_OFFSET` on."""
    values = (*parameters(acc), *((f"axi_{name}", value) for name, value in axi.to_dict().items()))
    return tuple(
        Register(f"parameter_{name}", PARAMETER_OFFSET + 4 * i, (Field("value", 0, 32, "ro", f"parameter {name}", value),))
        for i, (name, value) in enumerate(values)
    )


def parameter_offsets(acc: Design) -> tuple[tuple[int, int], ...]:
    """Return byte offset and value of what describes the accelerator itself, without the shell's options."""
    return tuple((PARAMETER_OFFSET + 4 * i, value) for i, (_name, value) in enumerate(parameters(acc)))


def counter_offsets() -> dict[str, int]:
    """Return the byte offset of the low word of every 64-bit counter; the high word follows."""
    banks = (("last", LAST_OFFSET), ("total", TOTAL_OFFSET))
    return {f"{bank}_{name}": base + 8 * i for bank, base in banks for i, (name, _meaning) in enumerate(ALL_COUNTERS)}


def describe_registers(acc: Design, axi: AxiOptions) -> dict[str, Any]:
    """Return the JSON form of the whole map."""
    return {
        "bytes": MAP_BYTES,
        "registers": [register.to_dict() for register in (*control_registers(axi), *parameter_registers(acc, axi))],
        "counters": [{"name": name, "offset": offset, "bits": 64} for name, offset in counter_offsets().items()],
        "errors": {name: code for name, code, _meaning in ERRORS},
    }


def c_macros(prefix: str, acc: Design, axi: AxiOptions) -> list[str]:
    """Return the lines of the C header: byte offsets, masks, shifts and error codes."""
    lines = ["", "/* Registers on AXI4-Lite: byte offsets, masks and lowest bits. */"]
    for register in (*control_registers(axi), *parameter_registers(acc, axi)):
        name = f"{prefix}_REG_{register.name.upper()}"
        lines.append(f"#define {name} 0x{register.offset:03X}u")
        for field in register.fields:
            if field.name != "value" or field.width < 32:
                bits = name if field.name == "value" else f"{name}_{field.name.upper()}"
                lines.append(f"#define {bits}_MASK 0x{((1 << field.width) - 1) << field.low:X}u")
                lines.append(f"#define {bits}_BIT {field.low}")
    lines += ["", "/* 64-bit counters: read the low word first, then the high word 4 bytes on. */"]
    lines += [f"#define {prefix}_REG_{name.upper()} 0x{offset:03X}u" for name, offset in counter_offsets().items()]
    lines += ["", "/* Values of the error register's code. */"]
    return [*lines, *(f"#define {prefix}_AXI_ERROR_{name.upper()} {code}" for name, code, _meaning in ERRORS)]


def markdown_map(axi: AxiOptions, acc: Design | None = None) -> str:
    """Return the tables of the register map; with a design also the constants it holds."""
    rows = ["| offset | register | bits | access | meaning |", "|---|---|---|---|---|"]
    for register in control_registers(axi):
        if not register.fields:
            rows.append(f"| 0x{register.offset:03X} | {register.name.upper()} | | rw | nothing: addresses have 32 bits |")
        for field in register.fields:
            top = field.low + field.width - 1
            bits = str(field.low) if field.width == 1 else f"{top}:{field.low}"
            label = register.name.upper() + ("" if field.name == "value" else f".{field.name}")
            access = field.access.upper() if field.access == "w1c" else field.access
            value = f" (0x{field.constant:X})" if field.constant is not None else ""
            rows.append(f"| 0x{register.offset:03X} | {label} | {bits} | {access} | {field.meaning}{value} |")
    if acc is not None:
        rows += ["", "| offset | parameter | value |", "|---|---|---|"]
        rows += [
            f"| 0x{register.offset:03X} | {register.name.removeprefix('parameter_')} | {register.fields[0].constant} |"
            for register in parameter_registers(acc, axi)
        ]
    rows += ["", "| last layer | total | counter | meaning |", "|---|---|---|---|"]
    offsets = counter_offsets()
    for name, meaning in ALL_COUNTERS:
        rows.append(f"| 0x{offsets[f'last_{name}']:03X} | 0x{offsets[f'total_{name}']:03X} | {name} | {meaning} |")
    return "\n".join(rows) + "\n"
