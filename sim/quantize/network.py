"""From a float ONNX network to a graph of integer operations that one accelerator runs from end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError
from dataflows.graph import Graph, GraphOp, GraphTensor
from dataflows.onnx_model import Shapes, require_onnx
from sim.golden.network import OpTensors, run_graph
from sim.quantize.constants import convert, trimmed
from sim.quantize.float_model import FloatModel, fold, start
from sim.quantize.lower import Lowered, Lowering
from sim.quantize.lower_nodes import canonical
from sim.quantize.model import Feeds
from sim.quantize.ranges import Range, Scale, observe
from sim.quantize.steps import Stage


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedNetwork:
    """A network in integers, and the float one it came from.

    Attributes
    ----------
    graph : Graph
        Operations and tensors. Tensors bear the names they have in `model`, but for the parts of a Concat.
    tensors : dict
        Stored integers by name of the operation.
    model : FloatModel
        The float network, folded.
    """

    graph: Graph
    tensors: dict[str, OpTensors]
    model: FloatModel

    def quantize_inputs(self, inputs: Feeds | NDArray[np.float32]) -> dict[str, NDArray[np.int8]]:
        """Return what the host writes: stored values (N, C, H, W) by name of the input."""
        made = {}
        for name, values in self.model.feeds(inputs).items():
            tensor = self.graph.tensor(name)
            shape = (tensor.N, tensor.C, tensor.H, tensor.W)
            if values.size != tensor.words or canonical(values.shape) != shape:
                raise SpecError(f"{self.model.where}: {name}", values.shape, f"shape {shape}", "resize the input")
            made[name] = self.scale(name).store(values).reshape(shape).astype(np.int8)
        return made

    def run(self, inputs: Feeds | NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
        """Return every tensor in integers, by the golden model."""
        return run_graph(self.graph, self.tensors, self.quantize_inputs(inputs))

    def scale(self, name: str) -> Scale:
        """Return how a tensor of the graph is stored."""
        tensor = self.graph.tensor(name)
        return Scale(tensor.scale, tensor.zero_point, tensor.bits)

    def host_outputs(self, made: Mapping[str, NDArray[np.integer]]) -> dict[str, NDArray[np.float64]]:
        """Return the network's outputs in float, from the graph's output tensors: what the host computes at the end.

        Parameters
        ----------
        made : mapping
            Stored values of at least the graph's outputs.
        """
        reals = {name: self.scale(name).real(made[name]).astype(np.float32) for name in self.graph.outputs}
        seen = {name: reals[name].reshape(self.model.graph.shape(name)) for name in reals}
        rest = [name for name in self.model.outputs if name not in seen]
        if not rest:
            return {name: seen[name].astype(np.float64) for name in self.model.outputs}
        tail = require_onnx().utils.Extractor(self.model.proto).extract_model(list(seen), rest)
        found = dict(zip(rest, start(tail, self.model.where).run(rest, seen), strict=True))
        return {name: np.asarray((found | seen)[name], np.float64) for name in self.model.outputs}


def quantize_network(
    path: str | Path,
    calibration: Sequence[Feeds | NDArray[np.float32]],
    *,
    shapes: Shapes | list[Shapes | None] | None = None,
    name: str = "",
) -> QuantizedNetwork:
    """Quantise a float ONNX network to int8.

    Activations have a scale and zero point per tensor, from the range seen on the calibration inputs; weights a scale per
    output channel and zero point 0. Every operation but a Softmax or the like at the end becomes one of the accelerator's.

    Parameters
    ----------
    path : str or Path
        Float model.
    calibration : sequence
        Inputs: mappings by tensor name, or arrays when there is one input.
    shapes : mapping, tuple of int or list of these, optional
        For dynamic inputs, see `dataflows.onnx_model.fix_shapes`.
    name : str
        Of the graph; the file stem when empty.

    Raises
    ------
    SpecError
        A file that cannot be read, no calibration inputs, or a node that the accelerator cannot run, by its name.
    """
    model = fold(path, *(shapes if isinstance(shapes, list) else [shapes]))
    lowered = Lowering(model).lower()
    if not lowered.stages:
        raise SpecError(f"{path}", "no operation for the accelerator", "at least one", "give another network")
    found = observe(model, _observed(lowered), calibration)
    return _converted(model, lowered, found, name or Path(path).stem)


def _observed(lowered: Lowered) -> list[str]:
    """Return the float tensors whose ranges matter."""
    names = list(lowered.inputs)
    for stage in lowered.stages:
        names += [stage.step.range_of, stage.range_of]
    return names


def _converted(model: FloatModel, lowered: Lowered, found: dict[str, Range], name: str) -> QuantizedNetwork:
    scales = {each: Scale.covering(found[each]) for each in lowered.inputs}
    tensors: list[GraphTensor] = []
    ops: list[GraphOp] = []
    stored: dict[str, OpTensors] = {}
    for each in lowered.inputs:
        shape = canonical(model.graph.shape(each))
        if shape is not None:
            tensors.append(GraphTensor(each, *shape, scales[each].step, scales[each].zero))
    for stage in lowered.stages:
        before, after, table = _scales(stage, scales, found, model)
        reads = [scales[each] for each in stage.step.reads]
        op, stored[stage.step.layer.name] = convert(stage, reads, before, after, model, table=table)
        scales[stage.output] = after
        layer = op.layer
        tensors.append(GraphTensor(stage.output, layer.N, layer.G * layer.K, layer.P, layer.Q, after.step, after.zero))
        ops.append(op)
    return QuantizedNetwork(Graph(name, tuple(tensors), tuple(ops), lowered.inputs, lowered.outputs), stored, model)


def _scales(stage: Stage, scales: dict[str, Scale], found: dict[str, Range], model: FloatModel) -> tuple[Scale, Scale, bool]:
    """Return the scales before and after a stage's function, and whether it is a table."""
    step, chain = stage.step, stage.chain
    if step.layer.op == "max" and (chain is None or chain.bounds(model.graph) is not None):
        kept = scales[step.reads[0]]  # a maximum is one of the values it is taken of
        return kept, kept, False
    after = Scale.covering(found[stage.range_of])
    if chain is None or chain.bounds(model.graph) is not None:
        return after, after, False
    return Scale.covering(trimmed(chain, model, found[step.range_of], after.step)), after, True
