"""What a system counts in a layer."""

from __future__ import annotations

from dataflows.counters import COUNTERS
from dataflows.nest.rules import RELEVANT, TENSORS
from dataflows.spatial.system.coded import coded_input_tiles, coded_output_tiles
from dataflows.spatial.system.deliveries import delivery_length
from dataflows.spatial.system.program import SystemProgram, results_nest
from dataflows.spatial.system.schedule import SystemSchedule
from dataflows.spatial.system.tiles import input_tiles, output_tiles


def count(program: SystemProgram, timing: SystemSchedule, program_beats: int) -> dict[str, int]:
    """Return what every counter of `dataflows.counters.COUNTERS` reads after a layer.

    Words of the weight buffer are beats written and rows read, of the input buffer beats written and reads of all ports at
    once, of the accumulators sums of all ports at once; outputs go to memory as they leave the post-processing unit, so that
    their buffer is a queue. What memory reads and writes of coded tensors are coded beats and tables of lengths; buffer and
    queue have the decoded ones.

    Parameters
    ----------
    program : SystemProgram
    timing : SystemSchedule
        Its schedule.
    program_beats : int
        Beats of the program and its tags.
    """
    array = program.array
    reads = {tensor: array.tiles(tensor) * delivery_length(array, tensor) for tensor in TENSORS[:2]}
    results = results_nest(program)
    sums = results.passes * results.length
    # A tile is begun once; all other sums are added.
    visits = sums // results.tile_passes // program.tiles("outputs")
    begun = visits * _tiles_of_array(program) * program.tiles("outputs")
    weights = program.tiles("weights") * program.weight_beats
    given, put = _decoded(program)
    inputs, outputs = (coded or plain for coded, plain in zip(timing.coded, (given, put), strict=True))
    values = {
        "cycles": timing.cycles, "array_busy": timing.array_busy, "wait_load": timing.wait_load,
        "wait_accumulator": timing.wait_accumulator, "post_busy": timing.post_busy,
        "dram_program_reads": program_beats, "dram_scales_reads": program.scale_beats, "dram_weights_reads": weights,
        "dram_inputs_reads": inputs, "dram_outputs_writes": outputs, "scale_buffer_scales_writes": program.scale_beats,
        "scale_buffer_scales_reads": timing.post_busy, "weight_buffer_weights_writes": weights,
        "weight_buffer_weights_reads": reads["weights"], "input_buffer_inputs_writes": given,
        "input_buffer_inputs_reads": reads["inputs"], "accumulator_psums_writes": sums,
        "accumulator_psums_updates": sums - begun, "accumulator_psums_drains": timing.post_busy,
        "output_buffer_outputs_writes": put, "output_buffer_outputs_reads": put,
    }  # fmt: skip
    return {name: values[name] for name, _meaning in COUNTERS}


def _decoded(program: SystemProgram) -> tuple[int, int]:
    """Return the beats written to the input buffer, and those that leave post-processing, as if nothing were coded."""
    if program.coded[0]:
        inputs = sum(len(tile.rows) * tile.beats for tile in coded_input_tiles(program))
    else:
        inputs = sum(max(1, tile.beats) for tile in input_tiles(program))
    if program.coded[1]:
        return inputs, sum(len(tile.rows) * tile.beats for tile in coded_output_tiles(program))
    return inputs, sum(tile.beats for tile in output_tiles(program))


def _tiles_of_array(program: SystemProgram) -> int:
    """Return how many different tiles the array hands in for one tile of the buffer."""
    found = 1
    for loop in program.array.outer[program.array.changes[2] : program.depth]:
        found *= loop.extent if loop.dim in RELEVANT["outputs"] else 1
    return found
