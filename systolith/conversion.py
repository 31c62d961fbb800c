"""What ``convert`` works on: a network, an architecture and mappings, from files of any of the tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dataflows.errors import SpecError
from dataflows.exchange import files, timeloop_write
from dataflows.exchange.machine import Machine
from dataflows.exchange.machine import machine as own_machine
from dataflows.exchange.scalesim_cfg import ScaleSim, read_cfg
from dataflows.exchange.source import is_scalesim
from dataflows.exchange.timeloop_problem import Workload
from dataflows.layer_write import write_layers
from dataflows.mapping import Mapping
from dataflows.nest.architecture import Architecture
from dataflows.nest.nest import spelled_out
from dataflows.workload import Layer, Network
from dataflows.yaml_lines import read_yaml
from systolith import exchange, nest_cost, nest_spec
from systolith.commands.mapping import only
from systolith.textspec import is_file

WHAT = "a network, an architecture of mode timeloop, or a mapping"
Texts = dict[str, str | bytes]


@dataclass(slots=True)
class Given:
    """What the files hold."""

    workload: Workload | None = None
    machine: Machine | None = None
    array: ScaleSim | None = None
    mappings: dict[str, Mapping] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, none where no network is given."""
        return self.workload.network.layers if self.workload is not None else ()


def gather(paths: Sequence[Path], network: str | None, arch: str | None, layer: str | None, notes: list[str]) -> Given:
    """Read all files.

    Parameters
    ----------
    paths : sequence of Path
        In any order.
    network, arch : str or None
        What mappings are of and for, where no file says it.
    layer : str or None
        Only this layer of the network.
    notes : list of str
        Takes what was not understood, which is printed too.

    Raises
    ------
    SpecError
        For a file that is nothing of the kind, two of one kind, or a mapping without its network or architecture.
    """
    given, nests = Given(), []
    for path in paths:
        kinds = _kinds(path)
        if "network" in kinds:
            _once(given.workload, path, "network")
            given.workload = files.workload(path) or _own(exchange.find(str(path)))
        if "array" in kinds:
            _once(given.array, path, "array")
            given.array = read_cfg(path)
            exchange.say(given.array.notes, notes)
        if "mapping" in kinds:
            nests.append(path)
    if given.workload is None and network is not None:
        given.workload = exchange.workload(network) or _own(exchange.find(network))
    names = exchange.names_of(given.workload)
    for path in paths:
        if "architecture" in _kinds(path):
            _once(given.machine, path, "architecture")
            given.machine = _machine(str(path), names)
    if given.machine is None and arch is not None:
        given.machine = _machine(arch, names)
    if given.workload is not None:
        cut = only(given.workload.network, layer)
        given.workload = Workload(cut, given.workload.names, given.workload.notes, given.workload.operators)
    for found in (given.workload, given.machine):
        if found is not None:
            exchange.say(found.notes, notes)
    for path in nests:
        given.mappings |= _mappings(path, given, notes)
    return given


def _own(network: Network) -> Workload:
    return Workload(network, {}, ())


def _machine(text: str, names: exchange.Names | None) -> Machine:
    found = exchange.machine(text, names)
    if found is None:
        architecture = nest_spec.find(text)
        if architecture is None:
            raise SpecError(text, "no architecture of mode timeloop", WHAT, "see `systolith presets`")
        found = own_machine(architecture)
    return found


def _once(have: object, path: Path, what: str) -> None:
    if have is not None:
        raise SpecError(str(path), f"a second {what}", "one of each kind", "convert it apart")


def _kinds(path: Path) -> frozenset[str]:
    """Tell what a file holds: network, architecture, mapping, or array."""
    if not is_file(str(path)):
        raise SpecError(str(path), "no such file", WHAT, "check the path")
    if (held := files.what(path)) is not None:
        words = {"problem": "network", "workload": "network", "architecture": "architecture", "accelerator": "architecture"}
        words["mapping"] = "mapping"
        return frozenset(word for key, word in words.items() if f" {key}" in held)
    if is_scalesim(path):
        return frozenset({"array"})
    if path.suffix.lower() in (".csv", ".onnx"):
        return frozenset({"network"})
    if path.suffix.lower() in (".yaml", ".yml", ".json"):
        return frozenset({_own_kind(read_yaml(path, WHAT).data, str(path))})
    return frozenset({"mapping"})


def _own_kind(data: Any, path: str) -> str:
    """Tell our own documents apart: levels have `holds` or `read_pj` in architectures, loops in mappings."""
    levels = data.get("levels") if isinstance(data, dict) else None
    if isinstance(levels, list) and all(isinstance(level, dict) and "name" in level for level in levels):
        return "architecture"
    entries = data.get("layers") if isinstance(data, dict) else data
    if not isinstance(data, list) and not (isinstance(data, dict) and {"levels", "layers", "mappings", "mapping"} & set(data)):
        raise SpecError(path, data if isinstance(data, str) else "none of their fields", WHAT, "see docs/exchange.md")
    if levels is None and isinstance(entries, list) and not any(isinstance(one, dict) and "mapping" in one for one in entries):
        return "network"
    return "mapping"


def _mappings(path: Path, given: Given, notes: list[str]) -> dict[str, Mapping]:
    if given.machine is None or given.workload is None:
        lacking, option = ("architecture", "--arch") if given.machine is None else ("network", "--network")
        raise SpecError(str(path), f"a mapping without its {lacking}", f"a file of the {lacking} too", f"add it, or {option}")
    layers = [layer for layer, _ in given.workload.network.distinct()]
    found = files.mappings(path, layers, given.machine, given.workload)
    if found is None:
        return nest_cost.read(str(path), layers, given.machine.architecture)
    exchange.say(found[1], notes)
    return found[0]


def texts(given: Given, to: str) -> tuple[Texts, list[str]]:
    """Return the converted files by name, and what their form does not say."""
    return _timeloop(given) if to == "timeloop" else _systolith(given)


def _systolith(given: Given) -> tuple[Texts, list[str]]:
    made: Texts = {}
    if given.workload is not None:
        made["network.yaml"] = write_layers(given.workload.network)
    if given.machine is not None:
        data = given.machine.architecture.to_dict()
        made["architecture.yaml"] = yaml.safe_dump(data, sort_keys=False, width=130, default_flow_style=None)
    if given.array is not None:
        one = given.array
        made["array.txt"] = f"scalesim:rows={one.rows},cols={one.cols},dataflow={one.dataflow}\n"
    if given.mappings and given.machine is not None:
        arch = given.machine.architecture
        full = {name: spelled_out(nest, arch) for name, nest in given.mappings.items()}
        data = {"mappings": {name: nest.to_dict() for name, nest in full.items()}}
        made["mapping.yaml"] = yaml.safe_dump(data, sort_keys=False, width=130)
        made["mapping.txt"] = _printed(full)
    return made, []


def _printed(nests: dict[str, Mapping]) -> str:
    return "\n".join(f"# {name}\n{nest}\n" for name, nest in nests.items())


def _timeloop(given: Given) -> tuple[Texts, list[str]]:
    if given.array is not None:
        raise SpecError(
            given.array.name, "an array of SCALE-Sim", "--to systolith", "Timeloop has no architecture without memories"
        )
    made: Texts = {}
    notes: list[str] = []
    found = given.workload.network.distinct() if given.workload is not None else []
    layers = [layer for layer, _ in found]
    notes += [f"{layer.name}: written once for {number} layers of this shape" for layer, number in found if number > 1]
    for layer in layers:
        made[_name("problem", layer.name, layers)] = timeloop_write.dump(timeloop_write.problem(layer))
    if given.machine is not None:
        arch = given.machine.architecture
        one = layers[0] if layers else None
        if len({(layer.weight_bits, layer.input_bits, layer.output_width) for layer in layers}) > 1:
            notes.append(f"{arch.name}: words are as wide as those of {layers[0].name}")
        try:
            data, unsaid = timeloop_write.architecture(arch, one)
        except SpecError as error:
            if not given.mappings:
                raise
            notes.append(f"the architecture is not written: {error}")
        else:
            made["architecture.yaml"] = timeloop_write.dump(data)
            notes += unsaid
        made |= _nests(given, arch, layers)
    return made, notes


def _nests(given: Given, arch: Architecture, layers: list[Layer]) -> Texts:
    made: Texts = {}
    full: dict[str, Mapping] = {}
    for layer in layers:
        if layer.name in given.mappings:
            nest = given.mappings[layer.name]
            made[_name("mapping", layer.name, layers)] = timeloop_write.dump(timeloop_write.mapping(nest, arch, layers[0]))
            full[layer.name] = spelled_out(nest, arch)
    if full:
        made["mapping.txt"] = _printed(full)
    return made


def _name(kind: str, layer: str, layers: list[Layer]) -> str:
    """Return a file name: that of the layer where there are several, without what file systems refuse."""
    if len(layers) == 1:
        return f"{kind}.yaml"
    return f"{kind}-{''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in layer)}.yaml"
