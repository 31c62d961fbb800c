"""``map --explain``: why a mapping is the best, what holds it back, and what more hardware would buy, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.errors import SpecError
from dataflows.feasible import Change, InfeasibleError, amount
from systolith import console

if TYPE_CHECKING:
    from dataflows.arch import Accelerator
    from dataflows.nest.architecture import Architecture
    from mappers.explain.model import Explanation, Larger, Room, Worth
    from mappers.nest.network import NestNetwork
    from mappers.network import NetworkMapping
    from systolith.nest_map import Request

Explain = Annotated[
    bool, typer.Option("--explain", help="Say why the mapping of --layer is the best, what binds, and what more would buy.")
]
TITLES = {"edp": "EDP", "energy": "energy", "latency": "cycles"}
NOTHING = 1e-9
"""As `mappers.explain.model.TINY`."""


def check(layers: int, mapper: str) -> None:
    """Refuse what cannot be explained.

    Raises
    ------
    SpecError
        For more than one layer, and for mappers that prove nothing.
    """
    if layers != 1:
        raise SpecError("--explain", f"{layers} layers", "one layer", "choose one with --layer")
    if mapper != "optimal":
        raise SpecError("--explain", f"--mapper {mapper}", "the mapper optimal, which knows what is best", "leave out --mapper")


def of_machine(mapped: NetworkMapping, acc: Accelerator, seconds: float | None) -> Explanation:
    """Explain the only layer of a network on our own accelerator."""
    from mappers.explain.machine import explain_machine
    from mappers.optimal import OptimalMapper

    (each,) = mapped.layers
    with console.progress("explain") as tick:
        return explain_machine(each.result, acc, mapper=OptimalMapper(seconds=seconds), progress=tick)


def of_nest(mapped: NestNetwork, arch: Architecture, asked: Request) -> Explanation:
    """Explain the only layer of a network on a loop-nest architecture."""
    from mappers.explain.nest import explain_nest
    from mappers.nest.base import Options

    ((_, _, result),) = mapped.layers
    options = Options(asked.bypass, asked.padded)
    with console.progress("explain") as tick:
        return explain_nest(result, arch, rules=asked.rules, options=options, seconds=asked.seconds, progress=tick)


@contextmanager
def naming_change(find: Callable[[], Change | None]) -> Iterator[None]:
    """Add the smallest change that makes the layers feasible to an error that says what they lack."""
    try:
        yield
    except InfeasibleError as error:
        change = find() if error.change is None else error.change
        raise InfeasibleError(error.reasons, change) from None


def show(found: Explanation) -> None:
    """Print an explanation."""
    title = TITLES[found.objective]
    for line in _why(found):
        console.show(line)
    console.show("")
    times = [(name, cycles, cycles / found.cycles) for name, cycles in found.times.items()]
    console.show_table("what takes the cycles", ("limit", "cycles", "of all"), [(n, c, f"{s:.1%}") for n, c, s in times])
    if found.rooms:
        columns = ("level", "used", "size", "unit", "full", "larger tile")
        console.show_table("how full the memories are", columns, [_room(room, found) for room in found.rooms])
    if found.worths:
        columns = ("change", "from", "to", "unit", f"{title} saved", "by another mapping")
        console.show_table("what more would buy", columns, [_worth(each) for each in found.worths])
    if any(each.worth < 0 for each in found.worths):
        console.show("below nothing: larger memories and wider beats take more energy, in every access, than they save")
    for line in _verdict(found):
        console.show(line)


def _why(found: Explanation) -> Iterator[str]:
    """Say what is proved."""
    proof = found.proof
    yield f"why this mapping of {found.layer}, by {TITLES[found.objective]}"
    looked = f"{proof.evaluated:,} mappings or sets of mappings looked at"
    space = f"a space of {_size(proof.space)}" + (" that fit" if proof.fitting else "")
    if proof.gap == 0:
        yield f"proof: no mapping in {space} has less than {_figure(found.value)}; {looked}"
    else:
        least = f"no mapping in {space} has less than {_figure(proof.lower)}"
        yield f"so far: {_figure(found.value)}, at most {proof.gap:.2%} above the least; {least}; {looked}"
    if found.cycles == found.work:
        yield f"cycles: {found.cycles:,}: every multiplier does useful work in every cycle, fewer are impossible on this array"
    else:
        share = found.work / found.cycles
        yield f"cycles: {found.cycles:,}; all multipliers at work in every cycle would take {found.work:,} ({share:.1%})"
    first, *others = sorted(found.times, key=lambda name: name != found.bound)
    busy = [first, *(name for name in others if found.times[name] == found.times[first])]
    yield f"busiest: {' and '.join(_limit(name) for name in busy)}"


def _limit(name: str) -> str:
    return "the multipliers" if name == "compute" else name if name.startswith("fill of") else f"the port of {name}"


def _room(room: Room, found: Explanation) -> tuple[object, ...]:
    return room.level, room.used, room.size, room.unit, f"{room.full:.1%}", _nearest(room, found)


def _nearest(room: Room, found: Explanation) -> str:
    """Say which larger tile lacks least, or what the best of those that fit would be like."""
    lacking = [near for near in room.larger if near.lacks]
    if lacking:
        near = min(lacking, key=_over)
        rest = "; ".join(f"{lack.level} lacks {amount(lack.demand - lack.bound)} {lack.unit}" for lack in near.lacks)
        return f"{near.change}: {rest}"
    fitting = [near for near in room.larger if near.value is not None]
    if fitting:
        near = min(fitting, key=lambda each: each.value or 0.0)
        more = (near.value or 0.0) / found.value - 1
        return f"{near.change} fits: " + (f"{more:+.2%} {TITLES[found.objective]}" if abs(more) > NOTHING else "no better")
    return "-"


def _over(near: Larger) -> float:
    return max(lack.demand / lack.bound for lack in near.lacks)


def _worth(each: Worth) -> tuple[object, ...]:
    before, after = ("no limit" if value is None else amount(value) for value in (each.before, each.after))
    saved = _share(each.worth)
    if not each.proved:
        saved += f", at most {_share(each.most)}"
    return f"{each.field}: {each.step}", before, after, each.unit, saved, _share(each.by_mapping)


def _share(share: float) -> str:
    if share == 0:
        return "nothing"
    return f"{share:.2%}" if abs(share) >= 5e-5 else f"{share:.1e}"


def _verdict(found: Explanation) -> Iterator[str]:
    title = TITLES[found.objective]
    if found.interrupted:
        yield "interrupted: not every step was looked at"
        if not found.worths:
            return
    if found.exhausted:
        how = "none of these steps saves any" if found.ceiling is None else "having no limit on any of them would save no"
        yield f"nothing more can be bought with memory or bandwidth: {how} {title}"
        return
    if found.pays:
        best = next((each for each in found.pays if each.after is not None), found.pays[0])
        step = "without limit" if best.after is None else f"of {amount(best.after)} {best.unit}"
        yield f"what binds: {', '.join(found.binding)}; the step that saves most: {best.field} {step}, {_share(best.worth)}"
    elif not all(each.proved for each in found.worths):
        yield "no step was found to be worth anything; whether one is was not proved"
    elif found.ceiling is None:
        yield "none of these steps is worth its cost"
    else:
        yield "no limit binds alone: none of these steps is worth anything without the others"
    if found.ceiling is not None:
        share = _share(found.ceiling.worth) + ("" if found.ceiling.proved else f", at most {_share(found.ceiling.most)}")
        yield f"all memories and ports without limits together save {share}"
    if not all(each.proved for each in found.worths):
        yield "where it says at most, the proof was not finished"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value < 1e7 else f"{value:.4e}"


def _size(space: float) -> str:
    return f"{space:,.0f} mappings" if space < 1e7 else f"{space:.1e} mappings"
