"""ZigZag's mapper on one job: run by an interpreter that has ``zigzag-dse``, never by ours.

Reads a job of `benchmarks.peers_jobs` as JSON on standard input and prints one line of JSON at the end. LOMA with uneven
mappings, as ZigZag comes; it imports nothing of this suite.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

WIDE = 1 << 12
"""Words that a port without limit moves in a cycle."""
OPERANDS = {"W": "KGCRS", "I": "NGC", "O": "NGKPQ"}
NAMES = {"N": "B", "G": "G", "K": "K", "C": "C", "P": "OY", "Q": "OX", "R": "FY", "S": "FX"}
LPF_LIMIT = 6
DIRECTIONS = ("fh", "tl")
OUTPUT = ("fh", "tl", "fl", "th")


def accelerator(job: dict[str, Any]) -> dict[str, Any]:
    """Return the machine; a port costs what all its words cost.

    Where nothing limits a memory, every movement has a port of its own: two that share one would wait for each other.
    """
    bits, memories = job["word_bits"], {}
    array = [f"D{number + 1}" for number in range(len(job["array"]))]
    for at, level in reversed(list(enumerate(job["levels"]))):
        width = WIDE if level["bandwidth"] is None else level["bandwidth"]
        moves = [f"{one}, {way}" for one in ("I1", "I2") for way in DIRECTIONS] + [f"O, {way}" for way in OUTPUT]
        shared = [moves] if level["bandwidth"] is not None else [[move] for move in moves]
        ports = [
            {"name": f"rw_port_{number}", "type": "read_write", "bandwidth_min": bits, "bandwidth_max": width * bits,
             "allocation": taken}
            for number, taken in enumerate(shared, 1)
        ]  # fmt: skip
        memories[level["name"]] = {
            "size": 10**12 if level["words"] is None else level["words"] * bits,
            "r_cost": level["pj"] * width, "w_cost": level["pj"] * width, "area": 0, "latency": 1,
            "operands": ["I1", "I2", "O"], "ports": ports,
            "served_dimensions": [] if at == len(job["levels"]) - 1 else array,
        }  # fmt: skip
    whole = {"unit_energy": job["mac_pj"], "unit_area": 1, "dimensions": array, "sizes": list(job["array"].values())}
    return {"name": "machine", "memories": memories, "operational_array": whole}


def workload(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layer, its input as large as its windows reach, so that none of it is padding."""
    sizes, bits = dict(job["sizes"]), job["word_bits"]
    window = {"R", "S"} & set(sizes) or "P" in sizes
    for dim in "KCPQRS" if window else "KC":
        sizes.setdefault(dim, 1)
    if "G" in sizes:
        sizes.pop("K"), sizes.pop("C")
    if not window:
        sizes.setdefault("N", sizes.pop("Q", 1))  # the rows of a matrix product are ZigZag's batch
    dims = [dim for dim in NAMES if dim in sizes]
    named = {operand: [NAMES[dim] for dim in own if dim in sizes] for operand, own in OPERANDS.items()}
    named["I"] += ["IY", "IX"] if window else []
    text = {operand: operand + "".join(f"[{dim.lower()}]" for dim in own) for operand, own in named.items()}
    layer: dict[str, Any] = {
        "id": 0, "name": "layer", "operator_type": "Conv" if window else "Gemm",
        "equation": f"{text['O']}+={text['W']}*{text['I']}",
        "loop_dims": [NAMES[dim] for dim in dims], "loop_sizes": [sizes[dim] for dim in dims],
        "operand_precision": {"W": bits, "I": bits, "O": bits, "O_final": bits}, "operand_source": {"W": 0, "I": 0},
    }  # fmt: skip
    if window:
        rows, cols = job["stride"]
        layer["dimension_relations"] = [f"iy={rows}*oy+1*fy", f"ix={cols}*ox+1*fx"]
        layer["pr_loop_dims"] = ["IY", "IX"]
        layer["pr_loop_sizes"] = [(sizes["P"] - 1) * rows + sizes["R"], (sizes["Q"] - 1) * cols + sizes["S"]]
        layer["padding"] = [[0, 0], [0, 0]]
    return [layer]


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Map one job, and return what was found."""
    import yaml
    from zigzag.api import get_hardware_performance_zigzag  # pyright: ignore[reportMissingImports]
    from zigzag.cost_model.cost_model import CostModelEvaluation  # pyright: ignore[reportMissingImports]

    logging.disable(logging.WARNING)
    evaluated = 0
    calculate = CostModelEvaluation.run

    def counted(self: Any) -> Any:
        nonlocal evaluated
        evaluated += 1
        return calculate(self)

    CostModelEvaluation.run = counted
    links = [{"name": "default", "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"}}]
    files = {"accelerator": accelerator(job), "workload": workload(job), "mapping": links}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, data in files.items():
            Path(f"{name}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
        began = time.process_time()
        energy, cycles, cmes = get_hardware_performance_zigzag(
            "workload.yaml", "accelerator.yaml", "mapping.yaml", opt="EDP", lpf_limit=LPF_LIMIT, dump_folder=f"{folder}/out",
            loma_show_progress_bar=False,
        )  # fmt: skip
        seconds = time.process_time() - began
        os.chdir("/")
    best = cmes[0][1][0][0]
    times = best.temporal_mapping.mapping_dic_origin
    return {
        "energy_pj": float(energy), "cycles": float(cycles), "edp": float(energy) * float(cycles), "cpu_s": seconds,
        "steps": float(best.ideal_temporal_cycle), "evaluated": evaluated,
        "levels": {str(one): [[[str(dim), int(size)] for dim, size in level] for level in own] for one, own in times.items()},
        "spatial": [[str(axis), str(dim), int(size)] for axis, unrolled in best.layer.spatial_mapping.data.items()
                    for dim, size in unrolled.items()],
    }  # fmt: skip


if __name__ == "__main__":
    given = json.load(sys.stdin)
    result = run(given) if given else {"version": metadata.version("zigzag-dse")}
    print("\n" + json.dumps(result))
