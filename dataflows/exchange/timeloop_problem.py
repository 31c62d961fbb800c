"""Problems of Timeloop v0.4: a product of two tensors, as a layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.exchange.roles import Names, Rank, Shape, Space, roles
from dataflows.exchange.source import Place, Reader
from dataflows.nest.rules import TENSORS
from dataflows.workload import Layer, Network
from dataflows.yaml_lines import Document

_SHAPE = ("name", "dimensions", "data_spaces", "data-spaces", "coefficients")
_SPACE = ("name", "projection", "read_write", "read-write")
_DENSITY = ("density", "distribution", "workload_tensor_size")
_DISTRIBUTIONS = ("fixed_structured", "fixed-structured", "hypergeometric")


@dataclass(frozen=True, slots=True)
class Workload:
    """An imported network, and what its names meant.

    Attributes
    ----------
    network : Network
        Its layers.
    names : dict
        By layer, for mappings in the same tool's form.
    notes : tuple of str
        What was not understood.
    operators : dict
        By layer, what its tool calls the operation, such as ``Conv``; empty where it has no word.
    """

    network: Network
    names: dict[str, Names]
    notes: tuple[str, ...]
    operators: dict[str, str] = field(default_factory=dict)


def read_problem(document: Document) -> Workload:
    """Read the ``problem`` of a file.

    Raises
    ------
    SpecError
        With file, line and field, for a problem that is no convolution or matrix product, an expression, another version.
    """
    read = Reader(document)
    at: Place = ("problem",)
    problem = read.table(document.data["problem"], at, "a problem with shape and instance")
    read.version(problem, at)
    read.unknown(problem, ("version", "shape", "instance", "name"), at)
    shape, instance = problem.get("shape"), problem.get("instance")
    if isinstance(shape, str):
        raise read.unsupported((*at, "shape"), f"the predefined shape {shape}", "dimensions and data_spaces", "write them out")
    shape = read.table(shape, (*at, "shape"), "a shape with dimensions and data_spaces")
    instance = read.table(instance, (*at, "instance"), "an instance with a size per dimension")
    read.unknown(shape, _SHAPE, (*at, "shape"))
    dims = tuple(map(str, read.items(shape.get("dimensions"), (*at, "shape", "dimensions"), "a list of dimensions")))
    sizes = {dim: _size(read, instance, dim, (*at, "instance", dim)) for dim in dims}
    found = _shape(read, shape, instance, dims)
    extents = {found.names.dims[dim]: size for dim, size in sizes.items()}
    known = {*dims, *_coefficients(read, shape, instance), "densities", "name"}
    read.unknown(instance, known, (*at, "instance"))
    name = str(instance.get("name") or problem.get("name") or shape.get("name") or Path(document.path).stem)
    more: dict[str, Any] = {**dict.fromkeys("KCPQ", 1), **extents, **_densities(read, instance, found.names)}
    layer = Layer(name, stride=found.stride, dilation=found.dilation, **more)
    network = Network(name, (layer,), layer.parameters, document.path)
    return Workload(network, {name: found.names}, tuple(read.notes))


def _size(read: Reader, instance: dict[str, Any], dim: str, at: Place) -> int:
    if dim not in instance:
        raise read.unsupported(at, "nothing", f"the size of {dim}", f"add {dim} to the instance")
    return read.whole(instance[dim], at)


def _coefficients(read: Reader, shape: dict[str, Any], instance: dict[str, Any]) -> dict[str, int]:
    """Return the value of every coefficient: the instance's, or its default."""
    at: Place = ("problem", "shape", "coefficients")
    found = {}
    for place, entry in read.rows(shape.get("coefficients") or [], at, "{name, default}"):
        name = str(entry.get("name"))
        found[name] = read.whole(instance.get(name, entry.get("default", 1)), place)
    return found


def _shape(read: Reader, shape: dict[str, Any], instance: dict[str, Any], dims: tuple[str, ...]) -> Shape:
    key = "data-spaces" if "data-spaces" in shape else "data_spaces"
    at: Place = ("problem", "shape", key)
    entries = list(read.rows(shape.get(key), at, "{name, projection}"))
    if len(entries) != 3:
        raise read.unsupported(at, f"{len(entries)} data spaces", "three: weights, inputs and outputs", "split the problem")
    factors = _coefficients(read, shape, instance)
    spaces, written = [], []
    for place, entry in entries:
        read.unknown(entry, _SPACE, place)
        where: Place = (*place, "projection")
        axes = read.items(entry.get("projection"), where, "a list of axes")
        ranks = tuple(_rank(read, axis, dims, factors, (*where, index)) for index, axis in enumerate(axes))
        spaces.append(Space(str(entry.get("name")), ranks, read.document.where(*where)))
        written.append(entry.get("read_write", entry.get("read-write", False)) in (True, "true", "True", 1))
    if sum(written) != 1:
        raise read.unsupported(at, f"{sum(written)} data spaces that are written", "one", "set read_write: true on the outputs")
    first, second = (space for space, out in zip(spaces, written, strict=True) if not out)
    return roles(spaces[written.index(True)], (first, second), dims)


def _rank(read: Reader, axis: Any, dims: tuple[str, ...], factors: dict[str, int], at: Place) -> Rank:
    """Read one axis: a list of products, which are lists of a dimension and perhaps a coefficient."""
    if isinstance(axis, str):
        axis = [[axis]]
    terms = []
    for number, term in enumerate(read.items(axis, at, "a sum of products such as [[R, dilation], [P, stride]]")):
        parts = [term] if isinstance(term, str) else read.items(term, (*at, number), "a dimension and perhaps a coefficient")
        named = [part for part in parts if part in dims]
        if len(named) != 1:
            found = " * ".join(map(str, parts))
            raise read.unsupported((*at, number), found, f"one of the dimensions {', '.join(dims)}", "correct the projection")
        scale = 1
        for part in parts:
            if part in dims:
                continue
            if isinstance(part, str) and part not in factors:
                known = ", ".join(factors) or "none"
                raise read.unsupported((*at, number), part, f"a coefficient: {known}", "add it to the coefficients")
            scale *= factors[part] if isinstance(part, str) else read.whole(part, (*at, number))
        terms.append((str(named[0]), scale))
    return tuple(terms)


def _densities(read: Reader, instance: dict[str, Any], names: Names) -> dict[str, float]:
    """Return the densities of the instance; how the zeros are spread is not understood."""
    at: Place = ("problem", "instance", "densities")
    fields: dict[str, str] = dict(zip(TENSORS, ("weight_density", "input_density", "output_density"), strict=True))
    found = {}
    for name, given in read.table(instance.get("densities") or {}, at, "a density per data space").items():
        value, tensor = given, names.tensors.get(str(name))
        if tensor is None:
            raise read.unsupported((*at, name), name, f"a data space: {', '.join(names.tensors)}", "correct the name")
        if isinstance(given, dict):
            kind = given.get("distribution", _DISTRIBUTIONS[0])
            read.word(kind, (*at, name, "distribution"), _DISTRIBUTIONS)
            read.unknown(given, _DENSITY, (*at, name))
            read.note((*at, name), f"distribution {kind}: understood as its average only")
            value = given.get("density")
        value = read.number(value, (*at, name))
        if not 0 < value <= 1:
            raise SpecError(read.document.where(*at, name), value, "a number above 0 and at most 1", "correct the density")
        found[fields[tensor]] = float(value)
    return found
