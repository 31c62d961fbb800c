"""``explore``: the main job, from a network and a budget to verified Verilog and a report."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from systolith import console
from systolith.commands.common import INTERRUPTED, Json, Out, emit_json
from systolith.explore_spec import ExploreSpec, read_explore_spec
from systolith.outdir import prepare
from systolith.versions import provenance

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="Exploration in YAML, see examples/.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the exploration that the folder holds.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that evaluate side by side.")]
Evaluations = Annotated[int | None, typer.Option("--evaluations", min=1, help="Accelerators to evaluate; overrides the file.")]
MaybeSeed = Annotated[int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of the search; overrides the file.")]


def explore(
    spec: Spec, output: Out = Path("out"), resume: Resume = False, workers: Workers = 2, evaluations: Evaluations = None,
    json: Json = False, seed: MaybeSeed = None,
) -> None:  # fmt: skip
    """Search hardware and mapping together, then generate and verify the winner and write a report."""
    asked = override(read_explore_spec(spec), evaluations=evaluations, seed=seed)
    made = prepare(output)
    try:
        data = run(asked, output, resume, workers)
    except KeyboardInterrupt:
        console.say(f"interrupted; finished trials are kept, go on with: systolith explore {spec} -o {output} --resume")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        for folder in made:  # nothing was written when the request could not be met
            with suppress(OSError):
                folder.rmdir()
    if json:
        emit_json(data, asked.search.seed)
    else:
        show(data, output)
    if not data["verified"]:
        why = data["verify"].get("error", "the generated hardware differs from its model")
        console.say(f"error: not verified: {why}; see {output / 'verify.json'}")
        raise typer.Exit(1)


def run(spec: ExploreSpec, output: Path, resume: bool, workers: int) -> dict[str, Any]:
    """Run the exploration and return result.json."""
    from dse.explore import explore as search

    with console.progress(f"explore {spec.name}") as tick:
        result = search(
            spec.job(), output, resume=resume, workers=workers, progress=tick, say=console.say,
            provenance=provenance(spec.search.seed),
        )  # fmt: skip
    return result.to_dict()


def override(spec: ExploreSpec, **given: int | None) -> ExploreSpec:
    """Replace search settings by those given on the command line."""
    changes = {key: value for key, value in given.items() if value is not None}
    return spec.model_copy(update={"search": spec.search.model_copy(update=changes)})


def show(data: dict[str, Any], output: Path) -> None:
    """Print the winner beside the best human design, what hardware and mapping gained, and how much was verified."""
    best, known, rule, gain = data["best"], data["baseline"], data["naive_baseline"], data["gain"]
    keys = ("cycles", "energy_pj", "edp")
    rows = [
        [f"{rule['name']}, mapped by a fixed rule", rule["design"], *(rule["naive"][key] for key in keys)],
        [f"{known['name']}, searched mapping", known["design"], *(known[key] for key in keys)],
        ["found", best["design"], *(best[key] for key in keys)],
    ]
    title = f"{data['network']['name']}: {data['evaluations']} evaluations, {data['seconds']:.0f} s"
    console.show_table(title, ("", "design", "cycles", "energy pJ", "EDP"), rows)
    console.show(
        f"hardware: {data['objective']} {gain['hardware']:.2f} times lower than {known['name']}, the best baseline, "
        "with the same budget and mapper"
    )
    console.show(
        f"mapping: {gain['mapping']:.2f} times lower by searching than by a fixed rule, each on its best baseline "
        f"(both together {gain['total']:.2f})"
    )
    columns = ("name", "kind", "mismatches", "checked", "cycles_rtl", "cycles_model", "counts_equal")
    cases = data["verify"]["cases"]
    if cases:
        console.show_table("whole layers through the Verilog", columns, ([case[key] for key in columns] for case in cases))
    console.show(f"verified: {'yes' if data['verified'] else 'NO'}, {data['verified_scope']}; report: {output / 'report.html'}")
