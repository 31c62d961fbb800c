"""What to say of a command line that a command cannot read."""

from __future__ import annotations

import difflib
from typing import Any

from systolith.arch_names import NEAR

SAME = {"design": "arch", "arch": "design"}
"""Two names of what commands call the architecture: each command has one of them, or takes it as an argument."""


def usage(error: Any, words: list[str]) -> str:
    """Return the message of a usage error in one line: with the value given to the option it names, or what was meant.

    Parameters
    ----------
    error : click.UsageError
        What the parser raised.
    words : list of str
        The command line.
    """
    if (name := getattr(error, "option_name", None)) and hasattr(error, "possibilities"):
        fix = _meant(name, getattr(error, "ctx", None))
        return f"No such option: {name}" + (f"; {fix}" if fix else "")
    text = " ".join(error.format_message().split())
    option = next((name for name in getattr(getattr(error, "param", None), "opts", ()) if name in words[:-1]), None)
    return f"{text}; found {words[words.index(option) + 1]!r}" if option else text


def _meant(name: str, ctx: Any) -> str:
    """Say what an option that a command does not have was meant to be; nothing where nothing is near."""
    if ctx is None:
        return ""
    params = ctx.command.params
    known = [each[2:] for param in params for each in param.opts if each.startswith("--")]
    near = difflib.get_close_matches(name.lstrip("-"), [*known, *SAME], n=1, cutoff=NEAR)
    if not near:
        return ""
    meant = near[0] if near[0] in known else SAME[near[0]]
    if meant in known:
        return f"did you mean '--{meant}'?"
    takes = any(param.name == "arch" and param.param_type_name == "argument" for param in params)
    return f"the architecture is an argument: systolith {ctx.info_name} ARCH" if takes else ""
