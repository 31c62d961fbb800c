"""Whole networks on the Verilog: all operations back to back from the descriptor queue, every tensor against the golden model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dataflows.arch import Accelerator
from dataflows.axi import PAGE_BYTES, AxiOptions
from dataflows.axi_schedule import AxiSchedule, queue_cycles
from dataflows.compile.network import CompiledNetwork, compile_network, require_addresses
from dataflows.compile.timing import op_cycles, op_schedules
from dataflows.errors import CheckFailed, SpecError
from dataflows.graph import Graph
from dataflows.program import program_beats
from dataflows.registers import SHELL_COUNTERS
from dataflows.tiling import Tiling
from sim.axi.place import base_address
from sim.bench.axi_queue import QueueResult, run_queue
from sim.bench.bulk import POISON
from sim.formats.network import constant_image, pack_tensor, unpack_tensor
from sim.golden.network import OpTensors, run_graph
from sim.network_report import NetworkReport, OpResult, Run
from sim.runner import Simulator
from sim.verify import model_counters

Values = Mapping[str, NDArray[np.integer]]
Progress = Callable[[int, int, str], None]
PATIENCE, PATIENCE_CYCLES = 20, 100_000
"""Times the model's cycles of all layers, and cycles more, without an interrupt after which a run counts as hung."""


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """One run of a network on the Verilog.

    Attributes
    ----------
    tensors : dict of (N, C, H, W) arrays of int64
        Every tensor that nothing has overwritten (`intact`).
    queue : QueueResult
        Counters and cycles.
    """

    tensors: dict[str, NDArray[np.int64]]
    queue: QueueResult


def intact(compiled: CompiledNetwork) -> list[str]:
    """Return the tensors that are still in memory after the last operation: what is made later lies elsewhere."""
    active = compiled.activations
    names = list(active.tensors)  # in the order they come to be; inputs are all there from the beginning

    def overwritten(name: str) -> bool:
        region, given = active.tensors[name], len(compiled.graph.inputs)
        later = names[max(given, names.index(name) + 1) :]
        return any(active.tensors[each].first < region.end and region.first < active.tensors[each].end for each in later)

    return [name for name in names if not overwritten(name)]


def memory_of(compiled: CompiledNetwork, tensors: Mapping[str, OpTensors], inputs: Values) -> NDArray[np.uint8]:
    """Return memory as the host leaves it before the first operation, shape (beats, bus_bytes); what nothing wrote is poison."""
    memory = np.full((compiled.end, compiled.acc.memory.bus_bytes), POISON, np.uint8)
    constants = compiled.constants
    memory[constants.first : constants.end] = constant_image(compiled, tensors)
    for name in compiled.graph.inputs:
        region = compiled.activations.tensors[name]
        memory[region.first : region.end] = pack_tensor(compiled.graph.tensor(name), compiled.acc, inputs[name])
    return memory


def run_network(
    compiled: CompiledNetwork, axi: AxiOptions, tensors: Mapping[str, OpTensors], inputs: Values, *,
    simulator: Simulator = "verilator",
) -> Inference:  # fmt: skip
    """Run a compiled network once on the generated Verilog behind AXI.

    Raises
    ------
    CheckFailed
        The simulation broke, a layer failed, or the queue did not come to its end.
    """
    acc, region = compiled.acc, compiled.activations.region
    patience = PATIENCE * max(op_cycles(compiled, axi)) + PATIENCE_CYCLES
    found = run_queue(
        acc, axi, memory_of(compiled, tensors, inputs), compiled.programs, (region.first, region.beats), base=base_address(axi),
        timeout_cycles=patience, simulator=simulator,
    )  # fmt: skip
    if found.error or found.completed != len(compiled.ops):
        at = compiled.ops[min(found.completed, len(compiled.ops) - 1)].name
        why = f"stopped with error {found.error}" if found.error else "did not finish"
        raise CheckFailed(f"{compiled.graph.name} on {acc.name}: operation {found.completed}, {at}, {why}")
    values = {}
    for name in intact(compiled):
        place = compiled.activations.tensors[name]
        beats = found.dump[place.first - region.first : place.end - region.first]
        values[name] = unpack_tensor(compiled.graph.tensor(name), acc, beats)
    return Inference(values, found)


def verify_network(
    graph: Graph, tensors: Mapping[str, OpTensors], images: Sequence[Values], acc: Accelerator, axi: AxiOptions,
    tilings: Mapping[str, Tiling], *, whole: int = 1, simulator: Simulator = "verilator", progress: Progress | None = None,
) -> NetworkReport:  # fmt: skip
    """Run a network on the Verilog and compare tensors with the golden model, cycles with the cycle model.

    Parameters
    ----------
    graph, tensors : Graph, mapping of str to OpTensors
        The network and its integers.
    images : sequence of mappings
        Stored input values, one run each.
    acc, axi : Accelerator, AxiOptions
        The design.
    tilings : mapping of str to Tiling
        See `dataflows.compile.network.compile_network`.
    whole : int
        In the first runs, so many, every tensor has memory of its own and is compared; in the others tensors share memory,
        and those are compared that are left at the end.
    simulator :
        See `sim.runner`.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    SpecError
        No image, or a design or network that cannot be compiled.
    InfeasibleError
        A layer does not fit.
    CheckFailed
        The simulation broke.
    """
    started = time.perf_counter()
    if not images:
        raise SpecError("images", 0, "at least one image", "give inputs")
    acc = replace(acc, memory=replace(acc.memory, interval=1))  # what the bench's memory does
    maps = {keep: compile_network(graph, acc, tilings, keep_all=keep) for keep in (True, False)}
    for compiled in maps.values():
        require_addresses(compiled, axi, base_address(axi))
    runs = []
    for number, inputs in enumerate(images):
        if progress:
            progress(number, len(images), f"image {number + 1} of {len(images)} on {simulator}")
        compiled = maps[number < whole]
        found = run_network(compiled, axi, tensors, inputs, simulator=simulator)
        golden = run_graph(graph, tensors, inputs, acc_bits=acc.array.acc_bits)
        runs.append(_compare(compiled, axi, found, golden, keep_all=number < whole))
    return NetworkReport(graph.name, acc.name, simulator, tuple(runs), time.perf_counter() - started)


def _compare(compiled: CompiledNetwork, axi: AxiOptions, found: Inference, golden: Values, *, keep_all: bool) -> Run:
    results, schedules = [], op_schedules(compiled, axi)
    for op, model, rtl in zip(compiled.ops, schedules, found.queue.layer_cycles, strict=True):
        made = found.tensors.get(op.op.output)
        expected = golden[op.op.output]
        wrong = np.argwhere(made != expected) if made is not None else np.zeros((0, 4), np.int64)
        first = ""
        if made is not None and len(wrong):
            at = tuple(int(x) for x in wrong[0])
            first = f"(n, c, y, x) = {at}: found {int(made[at])}, expected {int(expected[at])}"
        checked = 0 if made is None else expected.size
        results.append(OpResult(op.name, op.layer.op, op.op.output, len(wrong), checked, first, rtl, model.axi_cycles))
    outputs = {name: found.tensors[name] for name in compiled.graph.outputs}
    queue, model = found.queue, model_totals(compiled, schedules)
    different = tuple(name for name, value in model.items() if queue.totals[name] != value)
    span = queue_cycles(schedules) - first_address(compiled, axi)
    return Run(
        keep_all, tuple(results), queue.totals["axi_cycles"], queue.span, span, different, queue.cycles, queue.cpu_seconds,
        outputs,
    )  # fmt: skip


def model_totals(compiled: CompiledNetwork, schedules: Sequence[AxiSchedule]) -> dict[str, int]:
    """Return what the TOTAL counters must read after all layers."""
    sums: dict[str, int] = {}
    for op, timing in zip(compiled.ops, schedules, strict=True):
        found = model_counters(op.layer, compiled.acc, op.tiling, timing, op.op.table)
        found |= {name: getattr(timing, name) for name, _meaning in SHELL_COUNTERS}
        sums = {name: sums.get(name, 0) + value for name, value in found.items()}
    return sums


def first_address(compiled: CompiledNetwork, axi: AxiOptions) -> int:
    """Return the cycles from the start of the first layer to the cycle after its first address is taken.

    Its program is asked for from cycle 2 on; a burst is held until its end is known, queued, on AR, and seen by the bench.
    """
    acc = compiled.acc
    page = PAGE_BYTES // acc.memory.bus_bytes
    return 5 + min(axi.burst_beats, program_beats(acc), page - compiled.programs[0] % page)
