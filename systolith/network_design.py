"""A network for a design: quantised, and every operation mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflows.arch import Accelerator
from dataflows.axi import AxiOptions
from dataflows.tiling import Tiling
from dataflows.workload import Layer
from systolith import specs
from systolith.bus import axi_for_network

if TYPE_CHECKING:
    from mappers.base import Mapper, Objective
    from sim.quantize.network import QuantizedNetwork


@dataclass(frozen=True, slots=True, eq=False)
class NetworkDesign:
    """What `compile` and ``verify --network`` start from.

    Attributes
    ----------
    quantized : QuantizedNetwork
        Graph, integers and the float network.
    acc, axi : Accelerator, AxiOptions
        The design; a network always runs behind AXI, whose queue it needs.
    tilings : dict of str to Tiling
        By operation.
    """

    quantized: QuantizedNetwork
    acc: Accelerator
    axi: AxiOptions
    tilings: dict[str, Tiling]


def network_design(
    network: str, design: str, bus: str, *, mapper: Mapper | None = None, objective: Objective = "latency", seed: int = 0
) -> NetworkDesign:
    """Read a design, quantise a network, and map it layer by layer.

    Raises
    ------
    SpecError
        Malformed or unknown names, a network that cannot be quantised, or a design that does not chain layers or whose
        sums could wrap.
    InfeasibleError
        Layers that do not fit the design.
    """
    acc, axi = specs.accelerator(design, "hardware"), axi_for_network(bus)
    from dataflows.axi_schedule import axi_schedule
    from dataflows.compile.layout import require_chaining
    from dataflows.compile.network import layers_to_map
    from dataflows.program import place
    from mappers.layers import map_layers
    from mappers.search import SearchMapper
    from sim.quantize.bundled import quantize_named
    from sim.quantize.room import require_room

    require_chaining(acc)
    quantized = quantize_named(network)
    require_room(quantized.graph, quantized.tensors, acc)

    def behind_axi(layer: Layer, on: Accelerator, tiling: Tiling) -> int:
        return axi_schedule(layer, on, tiling, place(layer, on, tiling), axi).axi_cycles

    layers = layers_to_map(quantized.graph, acc)
    tilings = map_layers(layers, acc, mapper or SearchMapper(), objective, seed, exact_cycles=behind_axi)
    return NetworkDesign(quantized, acc, axi, tilings)
