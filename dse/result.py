"""result.json and design.yaml: everything an exploration found, as plain data with units in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataflows.arch import Accelerator
from dataflows.cost import area_by_part
from dataflows.onnx_import import Imported
from dataflows.picture.machine import picture
from dataflows.schedule import schedule
from dataflows.tech import technology
from dataflows.tiling import mapping_of
from dataflows.workload import Layer, Network
from dse.gains import Gain, best_naive, best_searched, totals
from dse.job import Job
from mappers.network import NetworkMapping

if TYPE_CHECKING:
    from dse.evaluate import Trial
    from dse.explore import Found

SCHEMA = 1


def summary(job: Job, loaded: Imported, found: Found, verify: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
    """Return result.json."""
    objective, verified = job.objective, scope(loaded.network, verify)
    trials = found.progress.trials
    return {
        "schema": SCHEMA, "name": job.name, "objective": objective, "spec": job.spec, "budget": job.budget.to_dict(),
        "network": network_dict(loaded),
        "best": best_dict(loaded.network, found.winner, found.mapped),
        "baseline": best_searched(found.baselines, objective).to_dict(objective),
        "naive_baseline": best_naive(found.baselines, objective).to_dict(objective),
        "baselines": [each.to_dict(objective) for each in found.baselines],
        "gain": Gain.over(found.baselines, found.mapped, objective).to_dict(),
        "front": [_point(trial, index) for index, trial in front(trials)],
        "search": {
            "seed": job.seed, "generations": found.progress.generations, "starts": found.progress.starts,
            "seconds": found.seconds, "best_so_far": best_so_far(trials, objective),
            "ranked_by": f"{objective} of the whole network on exact cycles; trials map by the bound, the best 16 and the "
            "baselines rank each layer's 8 best mappings by exact cycles",
        },
        "trials": [_point(trial, index) for index, trial in enumerate(trials)],
        "verify": {**verify, **verified}, "verified": bool(verify["passed"]), "verified_scope": verified["scope"],
        "evaluations": len(trials), "seconds": seconds,
        "technology_table": technology().to_dict(),
    }  # fmt: skip


def scope(net: Network, verify: Mapping[str, Any]) -> dict[str, Any]:
    """Return how much of a network a verification covers, in numbers and in words."""
    equal = {
        case["name"]
        for case in verify["cases"]
        if not case["mismatches"] and case["cycles_rtl"] == case["cycles_model"] and case["counts_equal"]
    }
    shapes, distinct = len({layer.shape for layer in net.layers if layer.name in equal}), len(net.distinct())
    text = f"{shapes} of {distinct} distinct layer shapes"
    if shapes:
        text += f", each alone, with {'real quantised' if verify['tensors'] == 'quantised' else verify['tensors']} inputs"
    return {"verified_shapes": shapes, "distinct_shapes": distinct, "scope": text}


def network_dict(loaded: Imported) -> dict[str, Any]:
    """Return the network and what became of each of its nodes."""
    net = loaded.network
    return {
        "name": net.name, "source": net.source, "layers": len(net.layers), "distinct": len(net.distinct()), "macs": net.macs,
        "parameters": net.parameters, "coverage_counts": dict(loaded.counts()),
        "coverage": [row.to_dict() for row in loaded.coverage],
    }  # fmt: skip


def best_dict(net: Network, acc: Accelerator, mapped: NetworkMapping) -> dict[str, Any]:
    """Return the winner with its layers; totals count every occurrence of a layer."""
    tech = technology()
    return {
        "design": acc.name, "file": "design.yaml", **totals(mapped), "accuracy": None,
        "macs_per_cycle": acc.array.macs, "utilization": net.macs / (mapped.cycles * acc.array.macs),
        "buffer_bytes": acc.buffer_bytes, "area_um2": sum(area_by_part(acc, tech).values()),
        "area_by_part_um2": area_by_part(acc, tech), "accelerator": acc.to_dict(),
        "levels": [
            {
                "name": level.name, "operands": list(level.operands), "words": level.words, "word_bits": level.word_bits,
                "copies": level.copies, "bytes": -(-level.size_bits // 8),
            }
            for level in acc.levels()
        ],
        "energy_by_level_pj": _energy(mapped),
        "layers": [_layer(net, acc, each) for each in mapped.layers],
    }  # fmt: skip


def _layer(net: Network, acc: Accelerator, each: Any) -> dict[str, Any]:
    result, cost = each.result, each.result.cost
    timing = schedule(result.layer, acc, result.tiling)
    original = next(layer for layer in net.layers if layer.name == each.name)
    nest = mapping_of(result.layer, acc, result.tiling)
    dram = cost.levels["dram"]
    beats = sum(kinds["reads"] + kinds["writes"] for kinds in dram.values())
    return {
        "name": each.name, "count": each.count, "kind": original.kind, "shape": shape(original), "macs": cost.macs,
        "cycles": cost.cycles, "bound_cycles": cost.bound_cycles, "array_busy": timing.array_busy,
        "wait_load": timing.wait_load, "wait_accumulator": timing.wait_accumulator, "bus_busy": timing.bus_busy,
        "energy_pj": cost.energy_pj, "edp": cost.edp, "utilization": cost.utilization, "bound": cost.bound,
        "dram_bytes": beats * acc.memory.bus_bytes, "energy_by_level_pj": cost.energy_by_level, "levels": cost.levels,
        "mapping": nest.to_dict(), "nest": str(nest),
        "picture": picture(replace(result.layer, name=each.name), acc, result.tiling, cost.to_dict()).to_dict(),
    }  # fmt: skip


def shape(layer: Layer) -> str:
    """Return a layer's shape in words."""
    channels = f", {layer.G * layer.C} to {layer.G * layer.K} channels"
    if layer.kind == "depthwise" and layer.K == 1:
        channels = f" depthwise, {layer.G} channels"
    elif layer.G > 1:
        channels += f" in {layer.G} groups"
    stride = "" if layer.stride == (1, 1) else f", stride {layer.stride[0]}x{layer.stride[1]}"
    return f"{layer.R}x{layer.S}{channels}, {layer.P}x{layer.Q} out{stride}"


def _energy(mapped: NetworkMapping) -> dict[str, dict[str, float]]:
    """Return pJ by level and operand over all layers."""
    total: dict[str, dict[str, float]] = {}
    for each in mapped.layers:
        for level, operands in each.result.cost.energy_by_level.items():
            into = total.setdefault(level, {})
            for operand, energy in operands.items():
                into[operand] = into.get(operand, 0.0) + each.count * energy
    return total


def design(net: Network, acc: Accelerator, mapped: NetworkMapping) -> dict[str, Any]:
    """Return design.yaml: the accelerator, and a mapping for every layer by name."""
    by_shape = {each.result.layer.shape: each.result for each in mapped.layers}
    layers = []
    for layer in net.layers:
        result = by_shape[layer.flattened().shape]
        layers.append({"name": layer.name, "mapping": mapping_of(result.layer, acc, result.tiling).to_dict()})
    return {"schema": SCHEMA, "network": net.name, "accelerator": acc.to_dict(), "layers": layers}


def front(trials: list[Trial]) -> list[tuple[int, Trial]]:
    """Return the trials that no other beats in both cycles and energy, by rising cycles."""
    ordered = sorted(enumerate(trials), key=lambda entry: (entry[1].cycles, entry[1].energy_pj, entry[0]))
    kept: list[tuple[int, Trial]] = []
    for index, trial in ordered:
        if not kept or trial.energy_pj < kept[-1][1].energy_pj:
            kept.append((index, trial))
    return kept


def best_so_far(trials: list[Trial], objective: str) -> list[list[float]]:
    """Return ``[evaluations, best value]`` at every improvement, and at the end."""
    steps: list[list[float]] = []
    for index, trial in enumerate(trials, 1):
        if not steps or trial.value(objective) < steps[-1][1]:
            steps.append([index, trial.value(objective)])
    return [*steps, [len(trials), steps[-1][1]]] if steps else []


def _point(trial: Trial, index: int) -> dict[str, Any]:
    acc = trial.accelerator
    return {
        "trial": index, "design": acc.name, "cycles": trial.cycles, "energy_pj": trial.energy_pj, "edp": trial.edp,
        "area_um2": trial.area_um2, "dataflow": acc.array.dataflow, "rows": acc.array.rows, "cols": acc.array.cols,
        "input_words": acc.input_words, "weight_words": acc.weight_words, "acc_words": acc.acc_words,
        "post_lanes": acc.post_lanes, "tile_blocks": acc.tile_blocks, "buffer_bytes": acc.buffer_bytes,
    }  # fmt: skip
