"""``verify --network``: a whole network on the Verilog, operation by operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from systolith import console
from systolith.commands.common import emit_json
from systolith.network_design import network_design

COLUMNS = ("op", "name", "output", "mismatches", "checked", "cycles_rtl", "cycles_model")
IMAGE_COLUMNS = ("image", "memory", "mismatches", "checked", "cycles_rtl", "cycles_model", "class_rtl", "class_float")


def verify_network_command(network: str, arch: str, bus: str, images: int, simulator: str, *, json: bool, seed: int) -> None:
    """Run all operations back to back from the descriptor queue; see `sim.network.verify_network`."""
    with console.progress(f"verify {network} on {arch}") as tick:
        tick(0, images, f"quantise and map {network}")
        found = network_design(network, arch, bus)
        from sim.network import verify_network
        from sim.quantize.agreement import classes_of
        from sim.quantize.trial import trial_inputs

        quantized = found.quantized
        inputs = trial_inputs(network, quantized, images, seed)
        stored = [quantized.quantize_inputs(each) for each in inputs]
        which: Any = simulator
        report = verify_network(
            quantized.graph, quantized.tensors, stored, found.acc, found.axi, found.tilings,
            whole=(images + 1) // 2, simulator=which, progress=tick,
        )  # fmt: skip
    data = report.to_dict()
    last = quantized.model.outputs[0]
    session = quantized.model.session((last,))
    classes = [
        (classes_of(quantized, quantized.host_outputs(run.outputs)[last]), classes_of(quantized, session(feeds)[last]))
        for run, feeds in zip(report.runs, inputs, strict=True)
    ]
    data |= compare_classes(data["images"], classes)
    if json:
        emit_json(data, seed)
    else:
        show(data)
    if not data["passed"]:
        wrong = ", ".join(differences(data)[:5])
        console.say(f"error: {data['network']} on {data['design']}: differs from the model: {wrong}")
        raise typer.Exit(1)


def compare_classes(images: list[dict[str, Any]], classes: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> dict[str, int]:
    """Add the classes of both networks to each run, an integer, or a list for a batch; count the images and those that agree."""
    for image, (rtl, real) in zip(images, classes, strict=True):
        image["class_rtl"], image["class_float"] = (each[0] if len(each) == 1 else list(each) for each in (rtl, real))
    pairs = [pair for both in classes for pair in zip(*both, strict=True)]
    return {"agreeing": sum(rtl == real for rtl, real in pairs), "classified": len(pairs)}


def passed(op: dict[str, Any]) -> bool:
    """Whether an operation's values and cycles are right."""
    return not op["mismatches"] and op["cycles_rtl"] in (None, op["cycles_model"])


def differences(data: dict[str, Any]) -> list[str]:
    """Return what is not as in the model: operations, counters of all operations together, sums of cycles; each once."""
    found: dict[str, None] = {}
    for image in data["images"]:
        found |= dict.fromkeys(op["name"] for op in image["ops"] if not passed(op))
        found |= dict.fromkeys(f"counter {name}" for name in image["counts_different"])
        totals = (("cycles", "cycles of all operations"), ("span", "cycles to the interrupt"))
        found |= dict.fromkeys(name for key, name in totals if image[f"{key}_rtl"] != image[f"{key}_model"])
        if not image["checked"]:
            found["nothing was compared"] = None
    return list(found)


def show(data: dict[str, Any]) -> None:
    """Print the operations of the first image, and one line for each image."""
    title = f"{data['network']} on {data['design']}, {data['simulator']}, {data['seconds']:.1f} s; first image"
    console.show_table(title, COLUMNS, ([op[key] for key in COLUMNS] for op in data["images"][0]["ops"]))
    rows = [
        [number, "kept" if image["keep_all"] else "shared", *(image[key] for key in IMAGE_COLUMNS[2:])]
        for number, image in enumerate(data["images"])
    ]
    console.show_table("all images", IMAGE_COLUMNS, rows)
    verdict = "passed" if data["passed"] else "FAILED"
    console.show(f"{verdict}: {data['classified']} images, class as in float for {data['agreeing']}")
