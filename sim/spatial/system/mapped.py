"""Verification of given mappings: what a mapper found for the layers of a network, on the Verilog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dataflows.mapping import Mapping
from dataflows.spatial.system.coded import codable
from dataflows.spatial.system.compile import compile_system
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Layer
from sim.spatial.system.cases import SystemCase
from sim.tensors import random_tensors, with_zeros


def mapped_cases(
    system: SpatialSystem, mappings: Sequence[tuple[Layer, Mapping]], seed: int = 0, *, image: bool = True
) -> list[SystemCase]:
    """Return a case for every layer, with random tensors at the widths of the array.

    A system with coders codes every tensor where the mapping allows it, but for the inputs of the first layer if they are an
    `image`, which has no zeros worth coding.

    Raises
    ------
    SpecError, InfeasibleError
        For a mapping that the system does not take.
    """
    rng, array = np.random.default_rng(seed), system.array
    cases = []
    for number, (layer, mapping) in enumerate(mappings):
        whole = replace(layer, input_bits=array.input_bits, weight_bits=array.weight_bits)
        tensors = random_tensors(whole, rng, acc_bits=array.acc_bits)
        program = compile_system(whole, system, mapping)
        if system.coding:
            program = replace(program, coded=codable(program, (number > 0 or not image, True)))
            tensors = with_zeros(tensors, rng)
        cases.append(SystemCase(layer.name, program, tensors))
    return cases


def cropped(layer: Layer, most: int) -> Layer:
    """Return a layer with at most so many output rows and columns, input channels, filters and groups: the same kind of work."""
    sizes = {dim: min(getattr(layer, dim), most) for dim in "GKCPQ"}
    top, left, _, _ = layer.padding
    whole = sizes["P"] == layer.P, sizes["Q"] == layer.Q
    padding = (top, left, layer.padding[2] if whole[0] else 0, layer.padding[3] if whole[1] else 0)
    size = {"H": layer.H if whole[0] else 0, "W": layer.W if whole[1] else 0}
    return replace(layer, **sizes, **size, padding=padding)
