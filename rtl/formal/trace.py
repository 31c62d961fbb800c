"""A run found by a solver, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcd.reader import ScalarChange, TokenKind, VectorChange, tokenize

__all__ = ["table"]


def table(vcd: Path, rows: Sequence[str]) -> str:
    """Return the values of signals of the outermost module, a row per signal and a column per cycle.

    Parameters
    ----------
    vcd : Path
        As yosys-smtbmc writes it: ``smt_step`` counts the cycles.
    rows : sequence of str
        Signals in the order wanted; those that the file lacks are left out. None: all.
    """
    names, cycles = _read(vcd)
    shown = [name for name in rows or sorted(names.values()) if name in names.values()]
    values = [[str(cycle.get(name, "")) for cycle in cycles] for name in shown]
    left = max([5, *map(len, shown)])
    widths = [max(map(len, column)) for column in zip(*values, [str(at) for at in range(len(cycles))], strict=True)]
    head = [str(at) for at in range(len(cycles))]
    lines = [(name, cells) for name, cells in zip(["cycle", *shown], [head, *values], strict=True)]
    return "\n".join(
        name.ljust(left) + "".join("  " + c.rjust(w) for c, w in zip(cells, widths, strict=True)) for name, cells in lines
    )


def _read(vcd: Path) -> tuple[dict[str, str], list[dict[str, int]]]:
    """Return the names of the outermost module's signals by their code, and the values in every cycle."""
    names: dict[str, str] = {}
    cycles: list[dict[str, int]] = []
    now: dict[str, int] = {}
    depth, step = 0, ""
    with vcd.open("rb") as stream:
        for token in tokenize(stream):
            if token.kind is TokenKind.SCOPE:
                depth += 1
            elif token.kind is TokenKind.UPSCOPE:
                depth -= 1
            elif token.kind is TokenKind.VAR:
                if token.var.reference == "smt_step":
                    step = token.var.id_code
                elif depth == 1:
                    names[token.var.id_code] = token.var.reference
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change: ScalarChange | VectorChange = token.data  # type: ignore[assignment]
                if change.id_code == step:
                    now = dict(now)
                    cycles.append(now)
                elif change.id_code in names:
                    now[names[change.id_code]] = int(change.value) if str(change.value).isdigit() else -1
    return names, cycles[:-1]  # the last one only says how long the cycle before it takes
