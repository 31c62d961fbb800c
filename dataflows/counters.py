"""Performance counters: names and indices, the same in hardware, C header and cost model."""

from __future__ import annotations

from dataflows.arch import Accelerator
from dataflows.spatial.system.spec import SpatialSystem

Design = Accelerator | SpatialSystem
"""What a layer program runs on: either has the same ports, counters and shell."""

COUNTERS: tuple[tuple[str, str], ...] = (
    ("cycles", "from the cycle start is taken to the cycle done rises"),
    ("array_busy", "cycles in which a pixel or a channel enters the array, or a word the path past it"),
    ("wait_load", "cycles compute waits for a tile to arrive"),
    ("wait_accumulator", "cycles compute waits for an accumulator half"),
    ("post_busy", "cycles the post-processing unit reads accumulators"),
    ("dram_program_reads", "beats"),
    ("dram_scales_reads", "beats"),
    ("dram_weights_reads", "beats"),
    ("dram_inputs_reads", "beats"),
    ("dram_outputs_writes", "beats"),
    ("scale_buffer_scales_writes", "words"),
    ("scale_buffer_scales_reads", "words"),
    ("weight_buffer_weights_writes", "words"),
    ("weight_buffer_weights_reads", "words"),
    ("input_buffer_inputs_writes", "words"),
    ("input_buffer_inputs_reads", "words"),
    ("accumulator_psums_writes", "words of column 0"),
    ("accumulator_psums_updates", "words of column 0 read to be added to"),
    ("accumulator_psums_drains", "words read by the post-processing unit"),
    ("output_buffer_outputs_writes", "words"),
    ("output_buffer_outputs_reads", "words"),
)
COUNTER_BITS = 48
COUNTER_INDEX = {name: index for index, (name, _meaning) in enumerate(COUNTERS)}

PARAMETER_BASE = 40
"""Counter index of the first read-only parameter."""


def parameters(acc: Design) -> tuple[tuple[str, int], ...]:
    """Return the parameters that hardware lets software read, in index order from `PARAMETER_BASE`."""
    if isinstance(acc, SpatialSystem):
        return _system_parameters(acc)
    return (
        ("version", 1),
        ("rows", acc.array.rows),
        ("cols", acc.array.cols),
        ("stationary_outputs", int(acc.array.outputs_stay)),
        ("input_bits", acc.array.input_bits),
        ("weight_bits", acc.array.weight_bits),
        ("acc_bits", acc.array.acc_bits),
        ("input_words", acc.input_words),
        ("weight_words", acc.weight_words),
        ("acc_words", acc.acc_words),
        ("post_lanes", acc.post_lanes),
        ("tile_blocks", acc.tile_blocks),
        ("bus_bytes", acc.memory.bus_bytes),
        ("pe_stages", acc.array.pe_stages),
        ("table_beats", acc.table_beats),
        ("channelwise", int(acc.channelwise)),
    )


def _system_parameters(system: SpatialSystem) -> tuple[tuple[str, int], ...]:
    array = system.array
    return (
        ("version", 2), ("pes", array.pes), *((axis.name, axis.size) for axis in array.axes),
        ("input_bits", array.input_bits), ("weight_bits", array.weight_bits), ("acc_bits", array.acc_bits),
        ("input_words", system.l2_words[1]), ("weight_words", system.l2_words[0]), ("acc_words", system.l2_words[2]),
        ("post_lanes", system.post_lanes), ("channels", system.channels), ("bus_bytes", system.memory.bus_bytes),
    )  # fmt: skip
