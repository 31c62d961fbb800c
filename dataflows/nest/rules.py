"""What the cost model of loop nests may be asked to assume: tensors, relevance of dimensions, and the rule switches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataflows.errors import SpecError

Tensor = Literal["weights", "inputs", "outputs"]
TENSORS: tuple[Tensor, ...] = ("weights", "inputs", "outputs")
LETTERS: dict[str, Tensor] = {"W": "weights", "I": "inputs", "O": "outputs"}
RELEVANT: dict[str, frozenset[str]] = {
    "weights": frozenset("GKCRS"),
    "inputs": frozenset("NGCPQRS"),
    "outputs": frozenset("NGKPQ"),
}
"""Dimensions that select other words of a tensor (codesign reference, 4.1); G selects in all three."""
WINDOW = frozenset("PQRS")
"""Dimensions that move the input window."""

CHOICES = {
    "halo": ("timeloop", "physical"),
    "window": ("box", "exact"),
    "psums": ("timeloop", "strict"),
    "ramp": ("none", "once"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Switches of the counting rules; the defaults reproduce Timeloop.

    Attributes
    ----------
    halo : str
        ``timeloop``: words that two successive input tiles share stay only where the innermost loop above the buffer moves the
        window. ``physical``: whatever the old and the new tile share stays (codesign reference, 4.3).
    window : str
        ``box``: an input tile is the whole box from its first to its last row and column. ``exact``: only the rows and
        columns that are used, which are fewer where the stride exceeds the filter.
    psums : str
        ``timeloop``: every stay of an output tile counts a fill, its drain is not read. ``strict``: a first visit is not filled,
        every drain is read, and partial sums are charged at their own width (codesign reference, 4.5).
    ramp : str
        ``none``: overlap is perfect from the first cycle. ``once``: the first tiles go in, and the last go out, before and
        after everything else (codesign reference, 4.6).
    """

    halo: str = "timeloop"
    window: str = "box"
    psums: str = "timeloop"
    ramp: str = "none"

    def to_dict(self) -> dict[str, str]:
        """Return a JSON-ready dictionary."""
        return {name: getattr(self, name) for name in CHOICES}

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SpecError(f"rules.{name}", getattr(self, name), " or ".join(allowed), "choose one of these")
