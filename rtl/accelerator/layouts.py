"""Shapes of what passes between the parts of the accelerator: program fields, descriptors and the memory port."""

from __future__ import annotations

from amaranth import signed, unsigned
from amaranth.lib import data

from dataflows.program import DENSE_FIELDS, SIGNED_FIELDS

ADDRESS_BITS = 32

PROGRAM = data.StructLayout({name: signed(bits) if name in SIGNED_FIELDS else unsigned(bits) for name, bits in DENSE_FIELDS})

LOAD = data.StructLayout(
    {
        "scale_addr": 32, "scale_beats": 18, "scale_slot": 2,
        "weight_addr": 32, "weight_beats": 24, "weight_half": 1,
        "input_addr": 32, "planes": 16, "rows": 16, "cols": 16, "input_half": 1,
        "store_next": 1, "last_step": 1,
    }
)  # fmt: skip
"""One step's reads. A tensor that stays on chip has zero beats (inputs: zero planes). `store_next` and `last_step`: see
`rtl.accelerator.order`."""

COMPUTE = data.StructLayout(
    {
        "input_half": 1, "weight_half": 1, "acc_half": 1, "first": 1, "last": 1,
        "blocks": 9, "c_blocks": 16, "p": 16, "q": 16, "height": 16, "width": 16,
        "start_y": signed(18), "start_x": signed(18), "start_addr": signed(18),
    }
)  # fmt: skip
"""One step's work on the array; `first` and `last` mark the ends of an output tile's reduction."""

POST = data.StructLayout({"half": 1, "blocks": 9, "pixels": 17, "scale_slot": 2})
"""One output tile to requantise."""

STORE = data.StructLayout({"addr": 32, "blocks": 9, "p": 16, "q": 16, "half": 1, "final": 1})
"""One output tile to write to memory."""
