"""``verify --network`` on systems: every distinct layer as the mapper lays it out, on the Verilog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflows.axi import AxiOptions
from dataflows.spatial.system.spec import SpatialSystem
from dataflows.workload import Network
from systolith import console

if TYPE_CHECKING:
    from sim.axi.report import AxiReport
    from sim.verify import VerifyReport


def verify_layers(
    net: Network, system: SpatialSystem, axi: AxiOptions | None, simulator: Any, seed: int, *, image: bool = True
) -> VerifyReport | AxiReport:
    """Map every distinct layer for latency and run it with random tensors; outputs, cycles and counters are compared.

    `image` says whether the inputs of the first one are an image (`sim.spatial.system.mapped`).

    Raises
    ------
    InfeasibleError
        With what every layer lacks of which nothing fits.
    """
    from mappers.system.network import map_system
    from rtl.spatial.system.pack import fetched_beats
    from sim.spatial.system.axi import verify_axi
    from sim.spatial.system.mapped import mapped_cases
    from sim.spatial.system.verify import verify_cases

    with console.progress(f"map {net.name}") as tick:
        mapped = map_system(net, system, "latency", program_beats=fetched_beats(system), progress=tick)
    with console.progress(f"verify {net.name} on {system.name}") as tick:
        tick(0, 1, "laying out tensors")
        cases = mapped_cases(system, [(result.layer, result.mapping) for _, _, result in mapped.layers], seed, image=image)
        if axi is not None:
            return verify_axi(system, axi, cases, seed=seed, simulator=simulator)
        return verify_cases(system, cases, simulator=simulator, seed=seed, progress=tick)
