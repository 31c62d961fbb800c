"""SCALE-Sim topologies: comma-separated layers, as convolutions or as matrix products (dense reference, 11.3).

Both forms have one header line and one layer a line, and are read as their tool reads them, with its traps made visible:

- Convolutions know no padding. Input sizes are taken as they stand, so files that forget the border stay without it.
- The output size rounds up, ``ceil((H - R + stride) / stride)``: the last window may reach past the input, which becomes
  padding at the bottom and right here.
- Rows may end with a comma, with a comment, or without either; blank lines and tabs instead of commas occur.
- The same name may stand on several rows; the second becomes ``name_2``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dataflows.errors import SpecError
from dataflows.workload import Layer, Network
from dataflows.yaml_lines import read_text

_CONV = ("IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter", "Strides")
_GEMM = ("M", "N", "K")
_WHAT = "a topology: Layer name, IFMAP Height, ..., Strides or Layer, M, N, K"
_SPARSITY = re.compile(r"([0-9]{1,4}):([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class _Row:
    """Cells of one layer, and where they stand."""

    place: str
    name: str
    cells: tuple[str, ...]

    def number(self, index: int, field: str) -> int:
        """Return a positive integer."""
        text = self.cells[index] if index < len(self.cells) else ""
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
            found = text or "nothing"
            raise SpecError(f"{self.place}: {field}", found, "a positive integer", "correct the cell")
        return int(text)


def read_topology(path: str | Path, *, depthwise: bool = False) -> Network:
    """Read a topology file.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` file; the header decides between the convolution form and the M, N, K form.
    depthwise : bool
        Read rows with one filter over several channels as depthwise layers. SCALE-Sim's own MobileNet files are written
        that way: multiply-accumulates and weights agree with the real layer, but the output has one channel instead of C.
        Rows whose name contains ``DP`` are depthwise in the tool itself and are always read so.

    Returns
    -------
    Network
        A ``N:M`` in the sparsity column becomes the density of the layer's weights.

    Raises
    ------
    SpecError
        With ``file:line: field``.
    """
    lines = read_text(path, _WHAT).removeprefix("\ufeff").splitlines()
    rows = [(number, _cells(line)) for number, line in enumerate(lines, 1) if line.strip(" \t,;")]
    if not rows:
        raise SpecError(f"{path}:1", "an empty file", _WHAT, "add a header and layers")
    (line, header), *rest = rows
    names = [re.sub(r"[\s_]+", " ", cell).lower() for cell in header]
    gemm = names[1:4] == ["m", "n", "k"]
    if not gemm and not (len(names) > 7 and "height" in names[1] and "stride" in names[7]):
        raise SpecError(f"{path}:{line}: header", ", ".join(header), _WHAT, "give the file one of these headers")
    if not rest:
        raise SpecError(f"{path}:{line}", "a header without layers", _WHAT, "add a line for each layer")
    layers: list[Layer] = []
    taken: set[str] = set()
    for number, cells in rest:
        row = _Row(f"{path}:{number}", _unique(cells[0] or f"layer{len(layers) + 1}", taken), tuple(cells[1:]))
        layers.append(_gemm(row, names) if gemm else _conv(row, names, depthwise))
    return Network(Path(path).stem, tuple(layers), sum(layer.parameters for layer in layers), str(path))


def _cells(line: str) -> list[str]:
    """Split at commas, or at tabs where there are none, and drop comments and what is empty at the end."""
    bare = line.partition("#")[0]
    cells = [cell.strip() for cell in bare.split("," if "," in bare else "\t")]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def _unique(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _gemm(row: _Row, header: list[str]) -> Layer:
    m, n, k = (row.number(index, field) for index, field in enumerate(_GEMM))
    return Layer.gemm(row.name, M=m, N=n, K=k, weight_density=_density(row, header, 3))


def _conv(row: _Row, header: list[str], depthwise: bool) -> Layer:
    height, width, taps_r, taps_s, channels, filters, stride = (row.number(index, field) for index, field in enumerate(_CONV))
    two = len(header) > 8 and "stride" in header[8]
    strides = (stride, row.number(7, "Stride width") if two else stride)
    out, after = [], []
    for axis, (have, taps) in enumerate(((height, taps_r), (width, taps_s))):
        if taps > have:
            field = f"Filter {('Height', 'Width')[axis]}"
            raise SpecError(f"{row.place}: {field}", taps, f"at most {have}, the input's", "enter the padded input size")
        out.append(-(-(have - taps + strides[axis]) // strides[axis]))
        after.append((out[axis] - 1) * strides[axis] + taps - have)
    groups = channels if "DP" in row.name or (depthwise and filters == 1 and channels > 1) else 1
    return Layer(
        row.name, G=groups, K=filters, C=channels // groups, P=out[0], Q=out[1], R=taps_r, S=taps_s, H=height, W=width,
        stride=strides, padding=(0, 0, after[0], after[1]), weight_density=_density(row, header, 8 if two else 7),
    )  # fmt: skip


def _density(row: _Row, header: list[str], index: int) -> float:
    """Return the share of non-zero weights: ``N:M`` or a bare 1 in the sparsity column, 1 without such a column."""
    if len(row.cells) <= index:
        return 1.0
    text, field = row.cells[index], "Sparsity"
    if len(header) <= index + 1 or "spars" not in header[index + 1]:
        raise SpecError(f"{row.place}: {field}", text, "no further cell under this header", "remove it, or name it in the header")
    match = _SPARSITY.fullmatch(text if ":" in text else f"{text}:1")
    kept, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 < kept <= of:
        raise SpecError(f"{row.place}: {field}", text, "N:M with N non-zero weights of M", "write for example 2:4")
    return kept / of
