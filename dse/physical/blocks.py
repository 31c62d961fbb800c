"""Which block of the accelerator a module counts for."""

from __future__ import annotations

BLOCKS = {
    "array": "processing elements and the registers at their edges",
    "buffers": "logic of buffers and accumulators: addresses, padding, lane masks, adders; memories made of flip-flops",
    "load and store": "program fetch, bus order, load and store engines, their queues",
    "sequencer": "layer program, tile loops, issue engine, compute queue, top-level control",
    "post": "bias, requantisation, clip",
    "counters": "performance counters",
}
_HOME = {
    "pe": "array", "array": "array", "spatial_pe": "array",
    "core": "buffers", "weight_lanes": "buffers", "accumulator_banks": "buffers",
    "load_requests": "load and store", "load_responses": "load and store", "store": "load and store", "burst": "load and store",
    "bus_order": "load and store", "load_queue": "load and store", "store_queue": "load and store",
    "accelerator": "sequencer", "program_registers": "sequencer", "sequencer": "sequencer", "issue": "sequencer",
    "compute_queue": "sequencer", "spatial_sequencer": "sequencer", "spatial_queue": "buffers",
    "post_process": "post", "post_queue": "post",
    "counters": "counters",
}  # fmt: skip


def block_of(module: str, parent: str | None) -> str:
    """Return the block of a module: its own, else that of what it is part of.

    Parameters
    ----------
    module : str
        Name without the design's prefix.
    parent : str or None
        Block of the module it is placed in.
    """
    return _HOME.get(module) or parent or "other"
