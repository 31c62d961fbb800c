"""The main job: search, rank, build and verify the winner, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dataflows.arch import Accelerator
from dataflows.errors import SystolithError
from dataflows.onnx_import import Imported
from dse import cases, files
from dse.baselines import baselines
from dse.evaluate import Trial, map_exactly
from dse.gains import MappedBaseline, map_baseline, value
from dse.job import Job
from dse.report import write_report
from dse.result import design, shape, summary
from dse.search import Progress, Search
from dse.space import Space
from dse.study import Study
from dse.workers import Evaluator
from dse.workload import load
from mappers.network import NetworkMapping
from sim.golden.layer import golden_layer
from sim.verify import verify_layers

Tick = Callable[[int, int, str], None]
Say = Callable[[str], None]
FINALISTS = 16
"""Trials whose mappings are ranked by exact cycles before the winner is named."""

VERILOG = "verilog"


@dataclass(frozen=True, slots=True)
class ExploreResult:
    """What `explore` found; `data` is result.json."""

    data: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of ``explore``."""
        return self.data


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of the search, before anything is built."""

    progress: Progress
    baselines: tuple[MappedBaseline, ...]
    winner: Accelerator
    mapped: NetworkMapping
    seconds: float


def explore(
    job: Job, folder: Path, *, resume: bool = False, workers: int = 1, progress: Tick = lambda *_: None,
    say: Say = lambda _text: None, provenance: dict[str, Any] | None = None,
) -> ExploreResult:  # fmt: skip
    """Find the best accelerator for a network under a budget, write its Verilog and prove it right.

    Parameters
    ----------
    job : Job
        What to do.
    folder : Path
        An existing folder. It gets trials.sqlite while the search runs; design.yaml, verilog/, verify.json, result.json,
        layers.csv, trials.csv and report.html at the end.
    resume : bool
        Go on with the trials that the folder holds.
    workers : int
        Processes; they change nothing but the time.
    progress, say : callable
        Get (done, total, text) as work goes on, and a line for each stage.
    provenance : dict, optional
        Versions and the like, kept in result.json.

    Returns
    -------
    ExploreResult
        Its field ``verified`` is False when hardware and models disagree anywhere, or the hardware could not be built or
        run; ``verify.error`` says why, and everything the search found is written all the same. ``verified_scope`` says how
        much of the network was verified.

    Raises
    ------
    InfeasibleError
        Nothing fits the budget, or layers are beyond the layer program; raised before any file is written.
    SpecError
        The job names things that do not exist, or the folder holds another exploration.
    """
    started = time.perf_counter()
    loaded = load(job.network, job.shapes, job.budget.bits)
    cases.check_names(job, loaded.network)
    space = Space.of(job.budget, loaded.network.layers, job.dataflows)
    say(f"{loaded.network.name}: {len(loaded.network.layers)} layers, {loaded.network.macs:,} MACs{_coverage(loaded)}")
    found = search(job, loaded, space, folder, resume=resume, workers=workers, progress=progress, say=say)
    files.write(folder / "design.yaml", design_yaml(loaded, found))
    verify = build(job, loaded, found, folder, progress, say)
    data = summary(job, loaded, found, verify, seconds=time.perf_counter() - started) | (provenance or {})
    files.write_json(folder / "verify.json", data["verify"])
    files.write_json(folder / "result.json", data)
    write_report(folder)
    say(f"report: {folder / 'report.html'}")
    return ExploreResult(data)


def search(
    job: Job, loaded: Imported, space: Space, folder: Path, *, resume: bool, workers: int, progress: Tick, say: Say
) -> Found:
    """Map the baselines, search, and rank the best trials exactly."""
    started = time.perf_counter()
    net = loaded.network
    study = Study(folder, job.identity(net), resume=resume)
    try:
        if len(study):
            say(f"resuming: {len(study)} finished trials")
        known = tuple(map_baseline(each, net, job.objective) for each in baselines(space))
        for each in known:
            say(f"baseline {each.baseline.name}: {job.objective} {value(each.searched, job.objective):.4g}")
        watch = _watcher(job, progress, len(study))
        with Evaluator(net, job.objective, workers) as evaluator:
            done = Search(space, job.objective, job.evaluations, job.seed).run(study, evaluator, watch)
    finally:
        study.close()
    winner, mapped = finalists(job, loaded, done.trials, known)
    seconds = time.perf_counter() - started
    say(
        f"search: {len(done.trials)} evaluations in {seconds:.0f} s; best {winner.name}: "
        f"{job.objective} {value(mapped, job.objective):.4g}"
    )
    return Found(done, known, winner, mapped, seconds)


def finalists(
    job: Job, loaded: Imported, trials: list[Trial], known: tuple[MappedBaseline, ...]
) -> tuple[Accelerator, NetworkMapping]:
    """Return the best accelerator and its mappings, baselines included, with each layer's shortlist ranked by exact cycles."""
    best = sorted(trials, key=lambda trial: trial.value(job.objective))[:FINALISTS]
    ranked = [(trial.accelerator, map_exactly(loaded.network, trial.accelerator, job.objective)) for trial in best]
    ranked += [(each.baseline.accelerator, each.searched) for each in known]
    return min(ranked, key=lambda entry: value(entry[1], job.objective))


def build(job: Job, loaded: Imported, found: Found, folder: Path, progress: Tick, say: Say) -> dict[str, Any]:
    """Write the winner's Verilog, run whole layers through it and return verify.json; failures are part of it."""
    try:
        return _build(job, loaded, found, folder, progress, say)
    except SystolithError as error:
        say(f"verification failed: {error}")
        about = {"design": found.winner.name, "tensors": "none", "note": ""}
        return {"passed": False, "error": str(error), "simulator": "verilator", "cases": [], "seconds": 0.0} | about


def _build(job: Job, loaded: Imported, found: Found, folder: Path, progress: Tick, say: Say) -> dict[str, Any]:
    from rtl.export import export

    for name, text in export(found.winner).items():
        files.write(folder / VERILOG / name, text)
    names = cases.pick(job, loaded.network, found.mapped)
    say(f"verilog written; verifying {len(names)} whole layers: {', '.join(names)}")
    progress(0, len(names), "quantising the network")
    picked = cases.cases(job, loaded.network, found.mapped, names)
    about = {"design": found.winner.name, "tensors": picked.tensors, "note": picked.note}
    report = verify_layers(found.winner, picked.cases, progress=progress)
    data: dict[str, Any] = {**report.to_dict(), **about}
    for entry, case in zip(data["cases"], picked.cases, strict=True):
        original = next(layer for layer in loaded.network.layers if layer.name == case.name)
        entry.update(kind=original.kind, shape=shape(original))
        entry["onnxruntime"] = _outside(case, picked, found.winner)
    equal = sum(case.passed for case in report.cases)
    say(
        f"verified: {equal} of {len(report.cases)} layers equal in every value, cycle and counter "
        f"({report.cycles_per_cpu_second:,.0f} cycles per CPU second)"
    )
    return data


def _outside(case: Any, picked: cases.Picked, acc: Accelerator) -> dict[str, int] | None:
    """Compare the golden model with onnxruntime, which rounds in float32 and may differ by one."""
    reference = picked.references.get(case.name)
    if reference is None:
        return None
    golden = golden_layer(case.layer, case.tensors, acc_bits=acc.array.acc_bits).reshape(reference.shape)
    gap = abs(golden - reference.astype("int64"))
    return {"largest_difference": int(gap.max()), "differing": int((gap > 0).sum()), "elements": int(gap.size)}


def design_yaml(loaded: Imported, found: Found) -> str:
    """Return the winner as a design file: the accelerator and the mapping of every layer."""
    return yaml.safe_dump(design(loaded.network, found.winner, found.mapped), sort_keys=False, width=130)


def _coverage(loaded: Imported) -> str:
    counts = loaded.counts()
    text = ", ".join(f"{counts[status]} {status}" for status in ("mapped", "folded", "host") if counts[status])
    return f"; ONNX nodes: {text}" if text else ""


def _watcher(job: Job, progress: Tick, known: int) -> Callable[[int, Trial], None]:
    """Return what shows the search's progress: best so far and evaluations per second of this run."""
    started, first = time.perf_counter(), known

    def watch(count: int, best: Trial) -> None:
        rate = max(0, count - first) / max(1e-9, time.perf_counter() - started)
        name, figure = best.accelerator.name, best.value(job.objective)
        progress(count, job.evaluations, f"{job.objective} {figure:.4g} ({name}), {rate:.1f}/s")

    return watch
