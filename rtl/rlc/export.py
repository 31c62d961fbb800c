"""The Verilog of a run-length codec."""

from __future__ import annotations

from dataflows.compression import Format
from rtl.emit import emit
from rtl.library import Modules
from rtl.rlc.codec import RlcCodec

__all__ = ["PORTS", "top_name", "verilog"]

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
