"""What buffers, address generators and the layout in memory allow."""

from __future__ import annotations

from collections.abc import Iterator

from dataflows.feasible import Infeasible
from dataflows.nest.rules import RELEVANT, TENSORS
from dataflows.spatial.program import REDUCED
from dataflows.spatial.system.coded import coded_violations
from dataflows.spatial.system.deliveries import delivery_length, delivery_loops
from dataflows.spatial.system.geometry import channel_beats
from dataflows.spatial.system.nests import MOST_INNER_LOOPS
from dataflows.spatial.system.placement import tensor_beats
from dataflows.spatial.system.program import SystemProgram, inputs_nest, results_nest, weights_nest

MOST_TILE_LOOPS = 6
"""Loops over memory."""
COORDINATE_BITS = 18
"""Signed rows and columns of the padded image, and how far tiles reach past its ends."""
ADDRESS_BITS = 32
"""Of a beat in memory."""
COUNT_BITS = 16
"""Images, rows, columns and beats of a tile."""

Reason = tuple[str, int, int, str, str]


def violations(program: SystemProgram) -> list[Infeasible]:
    """Return every limit that a program exceeds, beside those of the array."""
    subject = program.layer.name
    reasons = [*_exceeded(_irregular(program)), *_exceeded(_order(program))]
    if not reasons:  # the rest asks for regular deliveries
        reasons = [*_exceeded(_buffers(program)), *_exceeded(_fields(program)), *_exceeded(_whole_beats(program))]
        reasons += _exceeded(coded_violations(program))
    return [Infeasible(*reason, subject) for reason in reasons]


def _exceeded(reasons: Iterator[Reason]) -> list[Reason]:
    return [reason for reason in reasons if reason[1] > reason[2]]


def _irregular(program: SystemProgram) -> Iterator[Reason]:
    for tensor in TENSORS[:2]:
        loops = delivery_loops(program.array, tensor)
        if loops is None:
            length = delivery_length(program.array, tensor)
            remedy = "unroll loops with steps that divide each other along the axes that share a port"
            yield f"delivery of {tensor}", length, 0, "words in no regular order", remedy
        else:
            yield f"delivery of {tensor}", len(loops), MOST_INNER_LOOPS, "loops", "unroll fewer loops along shared axes"


def _order(program: SystemProgram) -> Iterator[Reason]:
    loops = program.tile_loops
    first = next((at for at, loop in enumerate(loops) if loop.dim in RELEVANT["outputs"]), len(loops))
    outside = sum(loop.dim in REDUCED for loop in loops[first:])
    yield "dram", outside, 0, "loops over C, R or S round one over outputs", "move them inside: sums stay in the buffer"
    yield "dram", len(loops), MOST_TILE_LOOPS, "loops", "merge loops of one dimension that follow each other"


def _buffers(program: SystemProgram) -> Iterator[Reason]:
    system, inputs, outputs = program.system, program.inputs, program.outputs
    remedy = "move loops from stream to dram, or enlarge the buffer"
    yield "l2.weights", program.weight_rows, system.rows("weights"), f"rows of {system.row_words} words", remedy
    banks = system.banks("inputs")
    yield "l2.inputs", -(-inputs.words // banks), system.rows("inputs"), f"rows of {banks} words", remedy
    banks = system.banks("outputs")
    whole = outputs.words - outputs.channels + _whole(outputs.channels, system.beat_words("outputs"))
    yield "l2.outputs", -(-whole // banks), system.rows("outputs"), f"rows of {banks} words", remedy
    scaled = channel_beats(program.layer, system, "outputs") * system.beat_words("outputs")
    yield "scales", scaled, system.channels, "channels", "split the output channels, or enlarge the scale buffer"
    results = len(results_nest(program).inner)
    yield "drain of outputs", results, MOST_INNER_LOOPS, "loops", "unroll fewer loops along the axes that share a port"


def _fields(program: SystemProgram) -> Iterator[Reason]:
    layer, inputs, sizes = program.layer, program.inputs, program.sizes
    remedy = "split the layer, or choose smaller tiles"
    reach = [abs(value) for value in inputs_nest(program).span[1:3]]
    ends = [edge + size for edge, size in zip(layer.padding, (*reach, *reach), strict=True)]
    extents = [inputs.rows, inputs.cols, layer.H, layer.W, layer.N, layer.P, layer.Q]
    far = max(*ends, *extents, *(sizes[dim] * _outside(program, dim) for dim in "NPQ")) + inputs.rows + inputs.cols
    yield "program", far, (1 << COORDINATE_BITS - 1) - 1, "rows or columns", remedy
    counts = (inputs.images, inputs.rows, inputs.cols, program.outputs.rows, program.outputs.cols, program.weight_beats)
    yield "program", max(counts), (1 << COUNT_BITS) - 1, "images, rows, columns or beats of a tile", remedy
    yield "program", program.scale_beats, (1 << COUNT_BITS) - 1, "beats of scales", remedy
    for tensor, dim, whole in (("inputs", "C", layer.C), ("outputs", "K", layer.K)):  # tiles past the layer's end too
        channels = _outside(program, "G") * sizes["G"] * whole + _outside(program, dim) * sizes[dim]
        beats = -(-channels // program.system.beat_words(tensor))
        yield "program", beats, (1 << COUNT_BITS) - 1, f"beats of a pixel's channels of {tensor}", remedy
    yield "program", max(layer.padding), (1 << COUNT_BITS) - 1, "rows or columns of padding", remedy
    beats = sum(tensor_beats(program, tensor) for tensor in TENSORS)
    yield "memory", beats, 1 << ADDRESS_BITS - 1, "beats of all tensors", "split the layer"
    passes = results_nest(program).tile_passes
    yield "program", passes, (1 << 24) - 1, "drains of one tile", remedy
    for nest in (inputs_nest(program), weights_nest(program), results_nest(program)):
        yield "program", max((loop.extent for loop in nest.inner), default=1), (1 << COUNT_BITS) - 1, "iterations", remedy


def _whole_beats(program: SystemProgram) -> Iterator[Reason]:
    """Tiles begin with a beat, and a tile of several groups has all output channels of each."""
    layer, system, sizes = program.layer, program.system, program.sizes
    per_input, per_output = layer.C, layer.K
    remedy = "choose a multiple, or leave the whole dimension to stream"
    for loop in program.tile_loops:
        inputs = {"C": loop.step, "G": loop.step * per_input}.get(loop.dim, 0)
        outputs = {"K": loop.step, "G": loop.step * per_output}.get(loop.dim, 0)
        for tensor, step in (("inputs", inputs), ("outputs", outputs)):
            words = system.beat_words(tensor)
            unit = f"channels past a beat of {tensor} in a tile of {loop.dim}"
            yield "dram", step % words, 0, unit, remedy
    if sizes["G"] > 1:
        unit = "output channels of a group past its end, in a tile of several groups"
        yield "l2.outputs", sizes["K"] - layer.K, 0, unit, "divide K exactly, or take one group at a time"
        yield "l2.outputs", layer.K - sizes["K"], 0, "output channels of a group not in its tile", "keep K at stream"


def _outside(program: SystemProgram, dim: str) -> int:
    total = 1
    for loop in program.tile_loops:
        total *= loop.extent if loop.dim == dim else 1
    return total


def _whole(words: int, block: int) -> int:
    return -(-words // block) * block
