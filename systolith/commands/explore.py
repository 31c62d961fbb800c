"""``explore``: the main job, from a network and a budget to verified Verilog and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from systolith import console
from systolith.commands.common import Json, Out, emit_json
from systolith.explore_spec import ExploreSpec, read_explore_spec
from systolith.outdir import prepare

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="Exploration in YAML, see examples/.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the exploration that the folder holds.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that evaluate side by side.")]
Evaluations = Annotated[int | None, typer.Option("--evaluations", min=1, help="Accelerators to evaluate; overrides the file.")]
MaybeSeed = Annotated[int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of the search; overrides the file.")]


def explore(
    spec: Spec, output: Out = Path("out"), resume: Resume = False, workers: Workers = 1, evaluations: Evaluations = None,
    json: Json = False, seed: MaybeSeed = None,
) -> None:  # fmt: skip
    """Search hardware and mapping together, then generate and verify the winner and write a report."""
    job = override(read_explore_spec(spec), evaluations=evaluations, seed=seed)
    prepare(output)
    from dse.explore import explore as run

    with console.progress(f"explore {job.name}") as tick:
        result = run(job, output, resume=resume, workers=workers, progress=tick)
    data = result.to_dict()
    if json:
        emit_json(data, job.search.seed)
    else:
        show(data, output)
    if not data["verified"]:
        console.say("error: the generated hardware differs from its model; see verify.json")
        raise typer.Exit(1)


def override(spec: ExploreSpec, **given: int | None) -> ExploreSpec:
    """Replace search settings by those given on the command line."""
    changes = {key: value for key, value in given.items() if value is not None}
    return spec.model_copy(update={"search": spec.search.model_copy(update=changes)})


def show(data: dict[str, Any], output: Path) -> None:
    """Print the winner beside the baseline."""
    keys = ("cycles", "energy_pj", "edp")
    rows = [[title, *(data[part].get(key) for key in keys)] for title, part in (("best", "best"), ("baseline", "baseline"))]
    console.show_table(f"{data['evaluations']} evaluations, {data['seconds']:.0f} s", ("", *keys), rows)
    console.show(f"verified: {'yes' if data['verified'] else 'NO'}; report: {output / 'report.html'}")
