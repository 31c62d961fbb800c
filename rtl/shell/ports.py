"""Names, widths and directions of AXI ports, as seen from the accelerator."""

from __future__ import annotations

from amaranth.lib.wiring import In, Member, Out

from dataflows.axi import AxiOptions

LITE_ADDRESS_BITS = 12
OKAY, SLVERR = 0, 2
INCR = 1
CACHE = 0b0011
"""Normal, non-cacheable, bufferable memory: what a device without coherency asks for."""


def lite_slave(prefix: str) -> dict[str, Member]:
    """Return the ports of a 32-bit AXI4-Lite slave."""
    ports = {
        "awaddr": In(LITE_ADDRESS_BITS), "awprot": In(3), "awvalid": In(1), "awready": Out(1),
        "wdata": In(32), "wstrb": In(4), "wvalid": In(1), "wready": Out(1),
        "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
        "araddr": In(LITE_ADDRESS_BITS), "arprot": In(3), "arvalid": In(1), "arready": Out(1),
        "rdata": Out(32), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
    }  # fmt: skip
    return {f"{prefix}_{name}": member for name, member in ports.items()}


def master_read(prefix: str, axi: AxiOptions, beat_bits: int) -> dict[str, Member]:
    """Return the read half of an AXI4 master."""
    return _address(f"{prefix}_ar", axi) | {
        f"{prefix}_rid": In(axi.id_bits), f"{prefix}_rdata": In(beat_bits), f"{prefix}_rresp": In(2),
        f"{prefix}_rlast": In(1), f"{prefix}_rvalid": In(1), f"{prefix}_rready": Out(1),
    }  # fmt: skip


def master_write(prefix: str, axi: AxiOptions, beat_bits: int) -> dict[str, Member]:
    """Return the write half of an AXI4 master."""
    return _address(f"{prefix}_aw", axi) | {
        f"{prefix}_wdata": Out(beat_bits), f"{prefix}_wstrb": Out(beat_bits // 8), f"{prefix}_wlast": Out(1),
        f"{prefix}_wvalid": Out(1), f"{prefix}_wready": In(1),
        f"{prefix}_bid": In(axi.id_bits), f"{prefix}_bresp": In(2), f"{prefix}_bvalid": In(1), f"{prefix}_bready": Out(1),
    }  # fmt: skip


def _address(channel: str, axi: AxiOptions) -> dict[str, Member]:
    ports = {
        "id": Out(axi.id_bits), "addr": Out(axi.address_bits), "len": Out(8), "size": Out(3), "burst": Out(2),
        "lock": Out(1), "cache": Out(4), "prot": Out(3), "qos": Out(4), "valid": Out(1), "ready": In(1),
    }  # fmt: skip
    return {f"{channel}{name}": member for name, member in ports.items()}
