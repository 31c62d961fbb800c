"""AccelForge's mapper on one job: run by an interpreter that has ``accelforge``, never by ours.

Reads a job of `benchmarks.peers_jobs` as JSON on standard input, ``even`` with it, and prints one line of JSON at the end. It
imports nothing of this suite, since AccelForge wants an environment (and a Python) of its own. Numbers stand for energies and
throughputs, so no component model is asked: these need a newer C library than Debian 12 has.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PROJECTIONS = {"W": ("G", "K", "C", "R", "S"), "I": ("N", "G", "C"), "O": ("N", "G", "K", "P", "Q")}
WINDOW = (("P", "R", 0), ("Q", "S", 1))


def architecture(job: dict[str, Any]) -> dict[str, Any]:
    """Return the machine: memories outermost first, the array above the innermost, the multiplier last."""
    bits = job["word_bits"]
    nodes: list[dict[str, Any]] = []
    for at, level in enumerate(job["levels"]):
        if at == len(job["levels"]) - 1:
            array = [{"name": name, "fanout": size} for name, size in job["array"].items()]
            nodes.append({"!": "Container", "name": "array", "spatial": array})
        rate = "inf" if level["bandwidth"] is None else level["bandwidth"]
        action = {"energy": level["pj"], "throughput": rate, "bits_per_action": bits}
        nodes.append({
            "!": "Memory", "name": level["name"], "leak_power": 0, "area": 0,
            "size": "inf" if level["words"] is None else level["words"] * bits,
            "tensors": {"may_keep": "All"} if at else {"keep": "All"},
            "actions": [{"name": "read", **action}, {"name": "write", **action}],
        })  # fmt: skip
    mac = {"name": "compute", "energy": job["mac_pj"], "throughput": 1}
    nodes.append({"!": "Compute", "name": "mac", "leak_power": 0, "area": 0, "actions": [mac]})
    return {"nodes": nodes}


def workload(job: dict[str, Any]) -> dict[str, Any]:
    """Return the layer as one product of sums; dimensions of size 1 are left out."""
    sizes, accesses = job["sizes"], []
    for tensor, dims in PROJECTIONS.items():
        projection = {dim: dim.lower() for dim in dims if dim in sizes}
        for out, tap, axis in WINDOW if tensor == "I" else ():
            terms = [f"{job['stride'][axis]}*{out.lower()}"] * (out in sizes) + [tap.lower()] * (tap in sizes)
            if terms == [f"1*{out.lower()}"]:
                terms = [out.lower()]
            if terms:
                projection["H" if axis == 0 else "X"] = " + ".join(terms)
        accesses.append({"name": tensor, "projection": projection, **({"output": True} if tensor == "O" else {})})
    shape = [f"0 <= {dim.lower()} < {size}" for dim, size in sizes.items()]
    einsum = {"name": "layer", "tensor_accesses": accesses, "iteration_space_shape": shape}
    return {"bits_per_value": {"All": job["word_bits"]}, "einsums": [einsum]}


def text(value: Any, indent: str = "") -> str:
    """Write nested tables and lists as YAML, with the tag of a node under ``!``."""
    if isinstance(value, dict):
        tag = f"!{value['!']} " if "!" in value else ""
        return tag + "{" + ", ".join(f"{key}: {text(one)}" for key, one in value.items() if key != "!") + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text(one) for one in value) + "]"
    return json.dumps(value) if isinstance(value, str) and not value.isalnum() else str(value)


def nodes(mapping: Any) -> list[list[Any]]:
    """Return a mapping's nodes outermost first: what is kept where, and loops with the tile that they leave."""
    found: list[list[Any]] = []
    for node in mapping.nodes:
        kind = type(node).__name__
        if kind in ("Storage", "TensorHolder"):
            found.append(["keep", node.component, sorted(str(one) for one in node.tensors)])
        elif kind in ("Temporal", "Spatial"):
            axis = str(node.name) if kind == "Spatial" else None
            found.append(["loop", str(node.rank_variable).upper(), int(node.tile_shape), axis])
    return found


def given(job: dict[str, Any]) -> str:
    """Return a mapping that is to be costed, as YAML."""
    found = []
    for kind, name, what, *axis in job["nodes"]:
        if kind == "keep":
            found.append({"!": "Storage", "tensors": what, "component": name})
        elif axis[0] is None:
            found.append({"!": "Temporal", "rank_variable": name.lower(), "tile_shape": what})
        else:
            place = {"name": axis[0], "component": "array"}
            found.append({"!": "Spatial", "rank_variable": name.lower(), "tile_shape": what, **place})
    return text({"nodes": [*found, {"!": "Compute", "einsum": "layer", "component": "mac"}]})


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Map one job in one process, or cost the mapping that is given with it; return what was found."""
    # Not installed where this suite is checked.
    from accelforge import Spec  # pyright: ignore[reportMissingImports]
    from accelforge.frontend.mapper.metrics import Metrics  # pyright: ignore[reportMissingImports]
    from accelforge.frontend.mapping.mapping import Mapping  # pyright: ignore[reportMissingImports]
    from accelforge.util.parallel import set_n_parallel_jobs  # pyright: ignore[reportMissingImports]

    set_n_parallel_jobs(1)
    Mapping.render = lambda self, **_: ""  # it draws every result, with a program that may not be there
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it leaves a drawing in the folder where it runs
        Path("job.yaml").write_text(f"arch: {text(architecture(job))}\nworkload: {text(workload(job))}\n")
        if "nodes" in job:
            with Path("job.yaml").open("a") as file:
                file.write(f"mapping: {given(job)}\n")
        spec = Spec.from_yaml("job.yaml")
        spec.mapper.metrics = Metrics.ENERGY_DELAY_PRODUCT
        spec.mapper.info_metrics = Metrics.all_metrics()
        spec.mapper._timeloop_style_even = job["even"]
        began = time.process_time()
        found = spec.evaluate_mapping() if "nodes" in job else spec.map_workload_to_arch(print_progress=False)
        seconds = time.process_time() - began
        row = found.data.iloc[0]
        os.chdir("/")
    energy, cycles = float(row["Total<SEP>energy"]), float(row["Total<SEP>latency"])
    figures = {"energy_pj": energy, "cycles": cycles, "edp": energy * cycles, "cpu_s": seconds}
    if "nodes" in job:
        key = "<SEP>action<SEP>"
        return {**figures, "actions": {name.partition(key)[2]: float(row[name]) for name in row.index if key in name}}
    return {
        **figures, "evaluated": int(found.valid_mappings), "space": float(found.total_mappings),
        "nodes": nodes(row["Total<SEP>mapping"]()),
    }  # fmt: skip


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    result = run(asked) if asked else {"version": metadata.version("accelforge")}
    print("\n" + json.dumps(result))
