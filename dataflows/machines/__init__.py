"""Models of published machines, each by the rules of its source, so that its printed tables can be held against ours.

They say what the sources say, not what this suite builds; docs/published-machines.md compares. A model costs one layer, named
parameters aside; one that needs to know what is fused between the layers costs a network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dataflows.errors import SpecError
from dataflows.machines import eyeriss_v1, isca16, nvdla_workbook, systolic, tpu_v1_counters, zhang15
from dataflows.machines.result import MachineCost
from dataflows.workload import Network

Rows = list[tuple[MachineCost, int]]


@dataclass(frozen=True, slots=True)
class Machine:
    """A model that the command line can ask.

    Attributes
    ----------
    name : str
        Of the model, which is its cost mode too.
    source : str
        What it reproduces.
    options : dict
        Parameters with their defaults; a type instead of a value for one that has to be given.
    costs : callable
        (network, options) to the cost of every distinct layer with how often it occurs.
    columns : tuple of str
        What a table shows of the figures.
    """

    name: str
    source: str
    options: dict[str, Any]
    costs: Callable[[Network, dict[str, Any]], Rows]
    columns: tuple[str, ...]


def _by_layer(cost: Callable[..., MachineCost]) -> Callable[[Network, dict[str, Any]], Rows]:
    return lambda network, options: [(cost(layer, **options), count) for layer, count in network.distinct()]


def _nvdla(network: Network, options: dict[str, Any]) -> Rows:
    return nvdla_workbook.network_costs(network, nvdla_workbook.Nvdla(**options))


MACHINES: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine(
            systolic.MODE, "ideal systolic arrays in closed form",
            {"rows": int, "cols": int, "dataflow": "ws", "overlap": "yes"}, _by_layer(systolic.cost), ("folds", "plain_cycles"),
        ),
        Machine(
            nvdla_workbook.MODE, "NVIDIA's performance workbook for NVDLA",
            {"macs": 2048, "cbuf_kb": 512, "gbps": 10.0, "mhz": 1000.0, "element_bytes": 1, "sheet": "resnet50"}, _nvdla,
            ("dram_kb", "dram_cycles", "mac_cycles"),
        ),
        Machine(
            zhang15.MODE, "Zhang et al., FPGA 2015", {"tm": 64, "tn": 7, "tr": 13, "tc": 13, "halves": 1, "mhz": 100.0},
            _by_layer(zhang15.cost), ("trips", "cycles_per_group", "ms"),
        ),
        Machine(
            tpu_v1_counters.MODE, "hardware counters of TPU v1, Jouppi et al., ISCA 2017",
            {"non_matrix": 0.0, "gbps": tpu_v1_counters.MEMORY_GBPS, "mhz": tpu_v1_counters.CLOCK_MHZ},
            _by_layer(tpu_v1_counters.cost), ("array_active", "weight_stall", "weight_shift", "tops"),
        ),
        Machine(
            isca16.MODE, "six dataflows on equal area, Chen et al., ISCA 2016", {"dataflow": "rs", "pes": 256},
            _by_layer(isca16.cost), ("energy_per_mac", "dram_per_mac", "active_pes"),
        ),
        Machine(
            eyeriss_v1.MODE, "Eyeriss v1, Chen et al., ISSCC 2016 and JSSC 2017", {"mapping": ""}, _by_layer(eyeriss_v1.cost),
            ("active_pes", "passes", "ms_at_200_mhz", "glb_mb", "dram_mb"),
        ),
    )
}  # fmt: skip


def options_of(machine: Machine, given: dict[str, str], text: str) -> dict[str, Any]:
    """Read the parameters of a machine.

    Raises
    ------
    SpecError
        For a parameter that is missing or of the wrong kind; `text` is the whole argument, for the message.
    """
    read: dict[str, Any] = {}
    for key, default in machine.options.items():
        kind = default if isinstance(default, type) else type(default)
        if key not in given:
            if isinstance(default, type):
                raise SpecError(f"{text}: {key}", "nothing", f"{_KINDS[kind]}", f"write for example {machine.name}:{key}=16")
            read[key] = default
            continue
        try:
            read[key] = kind(given[key])
        except ValueError:
            raise SpecError(f"{text}: {key}", given[key], _KINDS[kind], "correct the value") from None
    return read


_KINDS = {int: "an integer", float: "a number", str: "a word"}
