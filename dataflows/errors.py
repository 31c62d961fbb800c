"""Errors a user can cause, in one form: where, what was found, what is allowed, what to change."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SystolithError(Exception):
    """Base of every error that the command line prints as one message without a traceback.

    Attributes
    ----------
    exit_code : int
        1 when a well-formed request is infeasible or a check fails, 2 when the input is malformed.
    """

    exit_code = 2


class SpecError(SystolithError):
    """Malformed input.

    Parameters
    ----------
    path : str
        Field path or file position, e.g. ``"examples/x.yaml:12: budget.macs"``.
    found : object
        The offending value.
    allowed : str
        What would have been accepted.
    fix : str
        What to change, one imperative clause.
    """

    def __init__(self, path: str, found: object, allowed: str, fix: str = "") -> None:
        self.path = path
        self.found = found
        self.allowed = allowed
        self.fix = fix
        text = f"{path}: found {found!r}; allowed: {allowed}"
        super().__init__(f"{text}; {fix}" if fix else text)


class CheckFailed(SystolithError):
    """A verification or consistency check did not hold."""

    exit_code = 1


def suggestion(word: str, known: Iterable[str], otherwise: str = "remove or rename it") -> str:
    """Return ``did you mean 'x'?`` for the nearest known word."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else otherwise
