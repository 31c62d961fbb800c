"""From float nodes to steps of the accelerator: who is a step, a function behind one, a mere view, or left to the host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflows.errors import SpecError
from sim.quantize.affine import factors, scaled
from sim.quantize.float_model import FloatModel
from sim.quantize.joined import widened
from sim.quantize.lower_nodes import HANDLERS, canonical
from sim.quantize.pointwise import Chain, elementwise
from sim.quantize.steps import Shape, Stage, Step, identity

if TYPE_CHECKING:
    from onnx import NodeProto

VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")
HOST = ("Softmax", "LogSoftmax", "ArgMax", "Hardmax")
"""Operators that end a network; they and what only reshapes their results run on the host."""


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A network as the accelerator can run it.

    Attributes
    ----------
    stages : tuple of Stage
    inputs, outputs : tuple of str
        Tensors that the host writes and reads.
    """

    stages: tuple[Stage, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Lowering:
    """Walks the nodes of a model once, in order."""

    def __init__(self, model: FloatModel) -> None:
        self.model, self.graph = model, model.graph
        self.shapes: dict[str, Shape] = {}  # of tensors in memory or between a step and its function
        self._views: dict[str, str] = {}
        self._chains: dict[str, Chain] = {}
        self._steps: dict[str, Step] = {}  # by the tensor each makes
        self._host: set[str] = set()
        self._needed: dict[str, None] = {}
        self._outputs: dict[str, None] = {}

    def lower(self) -> Lowered:
        """Return the steps; raise `SpecError` for a node that cannot be one."""
        for name in self.model.inputs:
            found = canonical(self.graph.shape(name))
            if found is None:
                allowed = "a tensor of two to four dimensions, all known"
                raise SpecError(f"{self.model.where}: {name}", self.graph.shape(name), allowed, "give the shapes of the inputs")
            self.shapes[name] = found
        for node in self.graph.nodes:
            if not all(not name or self.graph.is_constant(name) for name in node.output):
                self._take(node)
        for name in self.model.outputs:
            if name not in self._host:
                self._outputs[self.source(name)] = None
        self._needed |= self._outputs
        return Lowered(tuple(widened(self._stages(), self.graph, self._outputs)), self.model.inputs, tuple(self._outputs))

    def source(self, name: str) -> str:
        """Return the tensor that holds the elements of `name`: itself unless it is a view."""
        return self._views.get(name, name)

    def shape(self, name: str) -> Shape:
        """Return (N, C, H, W) of a tensor that is no view."""
        chain = self._chains.get(name)
        return self.shapes[chain.root if chain else name]

    def _take(self, node: NodeProto) -> None:
        data = [name for name in node.input if name and not self.graph.is_constant(name)]
        if any(name in self._host for name in data) or node.op_type in HOST:
            self._leave(node, data)
        elif node.op_type in VIEWS:
            self._views[node.output[0]] = self.source(data[0])
        elif self._scale(node, data):
            return
        elif (chain := elementwise(node, self.graph, {name: self.source(name) for name in data}, self._chains)) is not None:
            self._chains[node.output[0]] = chain
        elif node.op_type not in HANDLERS or node.domain not in ("", "ai.onnx"):
            allowed = "convolutions, products with weights, sums, pools, elementwise functions, factors per channel"
            raise self.model.refuse(node, node.op_type, allowed, "end the network before it, or replace the operator")
        else:
            for step in HANDLERS[node.op_type](node, self):
                self._add(step)

    def _add(self, step: Step) -> None:
        layer = step.layer
        self._steps[step.makes] = step
        self.shapes[step.makes] = (layer.N, layer.G * layer.K, layer.P, layer.Q)
        self._needed |= dict.fromkeys(step.reads)

    def _scale(self, node: NodeProto, data: list[str]) -> bool:
        """Fold factors and offsets per channel into the weights of the step that makes their input."""
        step = self._steps.get(data[0]) if len(data) == 1 else None
        if step is None or step.layer.op != "mac" or self.graph.only_reader(data[0]) is None:
            return False
        found = factors(node, self.graph, data[0])
        if found is None:
            return False
        del self._steps[data[0]]
        self._steps[node.output[0]] = replace(scaled(step, found), makes=node.output[0])
        self.shapes[node.output[0]] = self.shapes[data[0]]
        return True

    def _leave(self, node: NodeProto, data: list[str]) -> None:
        if node.op_type not in (*HOST, *VIEWS, "Cast"):
            raise self.model.refuse(node, "an input that the host computes", "Softmax and the like at the end only", "cut it off")
        self._host.update(node.output)
        self._outputs |= dict.fromkeys(self.source(name) for name in data if name not in self._host)

    def _stages(self) -> list[Stage]:
        stages = []
        for root in (*self.model.inputs, *self._steps):
            step = self._steps.get(root)
            chains = [self._chains[name] for name in self._needed if name in self._chains and self._chains[name].root == root]
            if step is not None and len(chains) == 1 and root not in self._needed:
                stages.append(Stage(step, chains[0].output, chains[0]))
                continue
            if step is not None and (chains or root in self._needed):
                stages.append(Stage(step, root))
            for chain in chains:
                copy = identity(chain.nodes[-1].name, root, self.shapes[root])
                stages.append(Stage(copy, chain.output, chain))
        return stages
