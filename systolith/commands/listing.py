"""``networks``, ``presets`` and ``engines``: what there is, one line each."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from dataflows.errors import SpecError
from dataflows.spatial.named import NAMED
from dataflows.workload import Layer, Network
from dataflows.yaml_lines import parse_yaml
from systolith import codec_spec, console, specs
from systolith import presets as bundled
from systolith.commands.common import Json, Seed, emit_json
from systolith.spatial_spec import FLAGS, WIDTHS, WORDS, about, sizes

Name = Annotated[str | None, typer.Argument(metavar="[NETWORK]", help="Show the layers of this network instead of the list.")]
Coverage = Annotated[bool, typer.Option("--coverage", help="Say for every ONNX node where it runs, and why.")]
Yaml = Annotated[bool, typer.Option("--yaml", help="Print the network as a layer file, to be changed and given back.")]
Size = Annotated[str | None, typer.Option("--size", metavar="HxW", help="Input size of a network that leaves it open.")]


def networks(
    name: Name = None, coverage: Coverage = False, size: Size = None, yaml: Yaml = False, json: Json = False, seed: Seed = 0
) -> None:
    """List the networks, or the layers, the data movement or the node coverage of one."""
    from dataflows.layer_write import write_layers
    from dataflows.networks import network, networks_json

    shape = image_size(size)
    if yaml and (json or coverage):
        raise SpecError("networks", "--yaml", "one of --yaml, --json and --coverage", "remove one of them")
    if name is None:
        if coverage or shape or yaml:
            allowed = "a network name with --coverage, --size or --yaml"
            raise SpecError("networks", "no network", allowed, "write for example: ocr_det --coverage")
        rows = networks_json()
        if json:
            emit_json(rows, seed)
        else:
            keys = ("name", "layers", "macs", "parameters", "source")
            console.show_table("", keys, ([row[key] for key in keys] for row in rows))
        return
    if coverage:
        _show_coverage(name, shape, json, seed)
        return
    net = network(name, shape)
    if json:
        emit_json(net.to_dict() | {"macs": net.macs}, seed)
    elif yaml:
        console.show(write_layers(net).rstrip("\n"))
    else:
        _show(net)


def _show(net: Network) -> None:
    """Print the layers of a network and what moves between them."""
    columns = ("layer", "kind", "bits", "N", "G", "K", "C", "P", "Q", "R", "S", "stride", "macs", "weights")
    rows = (
        (
            x.name, x.kind, _operands(x), x.N, x.G, x.K, x.C, x.P, x.Q, x.R, x.S, f"{x.stride[0]}x{x.stride[1]}", x.macs,
            x.parameters,
        )
        for x in net.layers
    )  # fmt: skip
    console.show_table(f"{net.name}: {len(net.layers)} layers, {net.macs:,} MACs, {net.parameters:,} parameters", columns, rows)
    if net.traffic:
        words = sum(entry.words for entry in net.traffic)
        title = f"{len(net.traffic)} operations between them, {words:,} words read and written"
        keys = ("name", "op", "bits", "input_words", "output_words", "after")
        console.show_table(title, keys, ([getattr(entry, key) for key in keys] for entry in net.traffic))


def _operands(layer: Layer) -> str:
    """Return inputs x weights, and outputs where they differ: ``u8x8>16`` has unsigned inputs of 8 bits."""
    sign = {True: "", False: "u"}
    text = f"{sign[layer.input_signed]}{layer.input_bits}x{sign[layer.weight_signed]}{layer.weight_bits}"
    return text if layer.output_width == layer.input_bits else f"{text}>{layer.output_width}"


def _show_coverage(name: str, shape: tuple[int, int] | None, json: bool, seed: int) -> None:
    """Print the coverage table of an ONNX network, rejected nodes included."""
    from dataflows.networks import imported

    found = imported(name, shape)
    rows = [row.to_dict() for row in found.coverage]
    if json:
        emit_json({"network": found.network.name, "counts": dict(found.counts()), "coverage": rows}, seed)
        return
    keys = ("name", "op_type", "status", "reason")
    console.show_table("", keys, ([row[key] for key in keys] for row in rows))
    console.show(", ".join(f"{count} {status}" for status, count in sorted(found.counts().items())))


def image_size(text: str | None) -> tuple[int, int] | None:
    """Read ``HxW``."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if not match or not (int(match[1]) and int(match[2])):
        raise SpecError("--size", text, "HxW with two positive integers", "write for example 320x320")
    return int(match[1]), int(match[2])


def presets(json: Json = False, seed: Seed = 0) -> None:
    """List the bundled accelerators, and the architectures that can only be costed."""
    from dataflows.nest.presets import PRESETS, parameters

    found: list[dict[str, Any]] = []
    for name in bundled.names():
        acc = specs.preset(name)
        about = parse_yaml(bundled.text(name), name).data.get("description", "")
        found.append({
            "name": name, "description": about, "macs_per_cycle": acc.array.macs, "buffer_bytes": acc.buffer_bytes,
            "accelerator": acc.to_dict(),
        })  # fmt: skip
    others: list[dict[str, Any]] = []
    for name, make in PRESETS.items():
        arch = make()
        others.append({
            "name": name, "description": arch.description, "macs_per_cycle": arch.pes, "parameters": parameters(name),
            "source": arch.source, "architecture": arch.to_dict(),
        })  # fmt: skip
    if json:
        emit_json(found + others, seed)
        return
    rows = ([row["name"], row["macs_per_cycle"], row["buffer_bytes"], row["description"]] for row in found)
    console.show_table("", ("name", "MACs/cycle", "buffer bytes", "description"), rows)
    shown = (
        [one["name"], one["macs_per_cycle"], ", ".join(f"{k}={v}" for k, v in one["parameters"].items()), one["source"]]
        for one in others
    )
    console.show_table("For `systolith cost` only, mode timeloop", ("name", "MACs/cycle", "parameters", "source"), shown)


def engines(json: Json = False, seed: Seed = 0) -> None:
    """List the engines and the parameters they take."""
    rows = [
        {"name": name, "description": text, "parameters": list(specs.KEYS), "complete": True}
        for name, text in specs.ENGINES.items()
    ] + [
        {"name": name, "description": about(name), "parameters": [*sizes(name), *WORDS, *WIDTHS, *FLAGS], "complete": False}
        for name in NAMED
    ] + [
        {"name": name, "description": text, "parameters": list(codec_spec.DEFAULTS), "complete": False}
        for name, text in codec_spec.NAMES.items()
    ]  # fmt: skip
    if json:
        emit_json(rows, seed)
        return
    console.show_table("Complete accelerators", ("name", "description"), specs.ENGINES.items())
    console.show(f"parameters: {', '.join(specs.KEYS)}")
    console.show("example: ws:rows=3,cols=7,bits=8,input_words=1024\n")
    arrays = ([row["name"], ", ".join(sizes(row["name"])), row["description"]] for row in rows if row["name"] in NAMED)
    console.show_table("Arrays with stream ports, or a YAML file with axes", ("name", "sizes", "description"), arrays)
    console.show(f"further parameters: {', '.join([*WORDS, *WIDTHS, *FLAGS])}")
    console.show("example: array_rs:rows=3,cols=4,weights_words=12\n")
    console.show_table("Codecs with stream ports", ("name", "description"), codec_spec.NAMES.items())
    console.show(f"parameters: {', '.join(codec_spec.DEFAULTS)}")
