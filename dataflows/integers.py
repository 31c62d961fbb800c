"""Linear algebra over the integers for matrices of a few rows: products, kernels, solutions."""

from __future__ import annotations

from collections.abc import Iterable

Matrix = tuple[tuple[int, ...], ...]


def multiply(left: Matrix, right: Matrix) -> Matrix:
    """Return the product of an (m, n) and an (n, k) matrix."""
    columns = list(zip(*right, strict=True))
    return tuple(tuple(_dot(row, column) for column in columns) for row in left)


def join(left: Matrix, right: Matrix) -> Matrix:
    """Put two matrices of equal height side by side."""
    return tuple(a + b for a, b in zip(left, right, strict=True))


def is_zero(matrix: Matrix) -> bool:
    """Tell whether every entry is 0."""
    return not any(any(row) for row in matrix)


def kernel(matrix: Matrix) -> list[tuple[int, ...]]:
    """Return a basis of the integer vectors x with matrix x = 0."""
    echelon, steps, rank = _column_echelon(matrix)
    return [tuple(steps[j]) for j in range(rank, len(echelon))]


def solve(matrix: Matrix, target: Matrix) -> tuple[int, ...] | None:
    """Return an integer x with matrix x = target (a column), or None if there is none."""
    echelon, steps, rank = _column_echelon(matrix)
    rest = [row[0] for row in target]
    found = [0] * len(echelon)
    for column, step in zip(echelon[:rank], steps[:rank], strict=True):
        lead = next(i for i, value in enumerate(column) if value)
        times, remainder = divmod(rest[lead], column[lead])
        if remainder:
            return None
        rest = [value - times * c for value, c in zip(rest, column, strict=True)]
        found = [value + times * s for value, s in zip(found, step, strict=True)]
    return None if any(rest) else tuple(found)


def _column_echelon(matrix: Matrix) -> tuple[list[list[int]], list[list[int]], int]:
    """Bring the columns to echelon form by integer column operations (Hermite normal form without the reduction).

    Returns
    -------
    columns : list of columns
        The first `rank` are not zero, each leading further down than the one before.
    steps : list of columns
        The unimodular combination of the original columns that each of them is.
    rank : int
    """
    columns = [list(column) for column in zip(*matrix, strict=True)]
    steps = [[int(i == j) for i in range(len(columns))] for j in range(len(columns))]
    rank = 0
    for row in range(len(matrix)):
        # Euclid's algorithm on this row's entries leaves one column that is not zero there.
        while live := [j for j in range(rank, len(columns)) if columns[j][row]]:
            pivot = min(live, key=lambda j: abs(columns[j][row]))
            if live == [pivot]:
                columns[rank], columns[pivot] = columns[pivot], columns[rank]
                steps[rank], steps[pivot] = steps[pivot], steps[rank]
                rank += 1
                break
            for j in live:
                if j != pivot:
                    times = columns[j][row] // columns[pivot][row]
                    columns[j] = [a - times * b for a, b in zip(columns[j], columns[pivot], strict=True)]
                    steps[j] = [a - times * b for a, b in zip(steps[j], steps[pivot], strict=True)]
    return columns, steps, rank


def _dot(left: Iterable[int], right: Iterable[int]) -> int:
    return sum(a * b for a, b in zip(left, right, strict=True))
