"""The command ``systolith``: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from dataflows.errors import SystolithError
from dataflows.feasible import InfeasibleError
from systolith import console
from systolith.commands import compare, convert, cost, explore, generate, listing, mapping, report, synthesize, verify
from systolith.commands import compile as compile_
from systolith.commands.common import INTERRUPTED
from systolith.usage import usage

DEBUG = "SYSTOLITH_DEBUG"


class Group(TyperGroup):
    """A command group that ends every run with an exit code and at most one message."""

    def main(self, args: Any = None, **extra: Any) -> Any:
        """Run and exit; `standalone_mode` is ignored, so that errors are never printed twice."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        sys.exit(run(lambda: super(Group, self).main(args=words, **extra), words))

    def invoke(self, ctx: Any) -> Any:
        """Invoke a command; Ctrl-C becomes one line here, before typer turns it into a bare exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            console.say("interrupted")
            raise typer.Exit(INTERRUPTED) from None


def run(command: Callable[[], Any], words: list[str]) -> int:
    """Call `command` and return the exit code; print whatever went wrong as one message.

    Parameters
    ----------
    command : callable
        Returns an exit code, or nothing for success.
    words : list of str
        The command line it was made from.
    """
    as_json = "--json" in words
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:  # outside any command
        console.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return 1
    except SystolithError as error:
        return _fail(str(error), error_dict(error), error.exit_code, as_json)
    except Exception as error:
        if hasattr(error, "format_message"):  # usage errors of typer or click
            text = usage(error, words)
            return _fail(f"{text} (see systolith --help)", {"message": text}, 2, as_json)
        if os.environ.get(DEBUG):
            traceback.print_exc()
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return _fail(f"internal error: {text}; set {DEBUG}=1 to see where", {"message": text, "internal": True}, 1, as_json)


def error_dict(error: SystolithError) -> dict[str, Any]:
    """Return the JSON form of an error the user can mend."""
    data: dict[str, Any] = {"message": str(error)}
    for name in ("path", "allowed", "fix"):
        if hasattr(error, name):
            data[name] = getattr(error, name)
    if hasattr(error, "found"):
        data["found"] = repr(error.found)  # type: ignore[attr-defined]
    if isinstance(error, InfeasibleError):
        data["reasons"] = [reason.to_dict() for reason in error.reasons]
        if error.change is not None:
            data["change"] = error.change.to_dict()
    return data


def _fail(message: str, data: dict[str, Any], code: int, as_json: bool) -> int:
    try:
        console.say(f"error: {message}")
        if as_json:
            console.show_json({"error": {**data, "exit_code": code}})
            sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on; what went wrong has its code all the same
        _close_stdout()
    return code


def _close_stdout() -> None:
    """Point standard output at nothing, so that Python's own flush at exit stays quiet."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a neural network and a silicon budget to an accelerator in Verilog, proven against its models.",
)
app.command("explore")(explore.explore)
app.command("map")(mapping.map_command)
app.command("cost")(cost.cost)
app.command("compare")(compare.compare)
app.command("convert")(convert.convert)
app.command("generate")(generate.generate)
app.command("verify")(verify.verify)
app.command("compile")(compile_.compile_command)
app.command("synthesize")(synthesize.synthesize)
app.command("networks")(listing.networks)
app.command("presets")(listing.presets)
app.command("engines")(listing.engines)
app.command("report")(report.report)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="systolith")
