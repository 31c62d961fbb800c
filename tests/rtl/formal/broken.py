"""Copies of a module with one mistake: a proof that does not notice it proves nothing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rtl.formal.bench import Bench
from rtl.formal.solve import Verdict, bounded


@dataclass(frozen=True)
class Mistake:
    """A claim, and a text of a source file that has to be replaced to break it."""

    claim: str
    right: str
    wrong: str

    def __str__(self) -> str:
        return self.claim


def refute(build: Callable[[Any, str], Bench], kind: type, mistake: Mistake, depth: int) -> Verdict:
    """Build a bench of the broken copy, with one claim alone, and expect a run of at most `depth` cycles that breaks it."""
    verdict = bounded(build(with_mistake(kind, mistake), mistake.claim), depth)
    assert verdict.status == "refuted", f"{mistake.wrong!r} was not noticed: {verdict.status}"
    assert verdict.failed == (mistake.claim,)
    assert len(verdict.trace.splitlines()) > 1
    return verdict


def with_mistake(kind: type, mistake: Mistake) -> Any:
    """Return the class as it would be if its file had the mistake. The text must be there, once."""
    original = sys.modules[kind.__module__]
    source = inspect.getsource(original)
    assert source.count(mistake.right) == 1, f"{kind.__module__} has {mistake.right!r} {source.count(mistake.right)} times"
    copy = ModuleType(original.__name__ + "_broken")
    copy.__file__ = original.__file__
    exec(compile(source.replace(mistake.right, mistake.wrong), str(original.__file__), "exec"), copy.__dict__)
    return copy.__dict__[kind.__name__]
