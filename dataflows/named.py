"""Named dataflows: each is a choice of matrices and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from dataflows.errors import SpecError
from dataflows.relation import Relation, data_relation, stationary, unit


def weight_stationary() -> Relation:
    """Input channels along rows, output channels along columns, output pixels stream (dense reference, 2.1)."""
    return Relation(rows=unit("C"), cols=unit("K"), wave=unit("P", "Q"))


def output_stationary() -> Relation:
    """Output pixels (the folded plane) along rows, output channels along columns, the reduction streams.

    Channels are innermost because a buffer word holds one pixel's channels (dense reference, 2.3).
    """
    return Relation(rows=unit("P", "Q"), cols=unit("K"), wave=unit("R", "S", "C"))


_NAMED: dict[str, Callable[[], Relation]] = {"ws": weight_stationary, "os": output_stationary}


def by_name(name: str) -> Relation:
    """Return the relation called `name`; raise `SpecError` if there is none."""
    if name not in _NAMED:
        raise SpecError("array.dataflow", name, ", ".join(sorted(_NAMED)), "choose one of these dataflows")
    return _NAMED[name]()


@cache
def outputs_stay(name: str) -> bool:
    """Tell whether the PEs keep their outputs over a wave; models and generators ask this, not the name."""
    return stationary(data_relation("outputs"), by_name(name))
