"""The lines of NVIDIA's two worksheets, as they stand there (dense reference, 15.5)."""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.machines.nvdla_workbook import Entry, Nvdla, evaluate
from dataflows.workload import Layer


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a worksheet: a layer, what is fused into it, and how often the line occurs."""

    layer: Layer
    entry: Entry
    count: int = 1


def resnet50() -> tuple[Line, ...]:
    """ResNet-50 with strides in the first convolution of a block; the first of them is entered with 256 channels, not 64."""
    lines = [
        _line("Conv1", 224, 3, 64, 7, 2, outputs=56 * 56 * 64, first=True),
        _line("Res2a_branch1", 56, 64, 256, 1),
        _line("Res2a_branch2a", 56, 256, 64, 1),
        _line("Res2a_branch2b", 56, 64, 64, 3, count=3),
        _line("Res2a_branch2c", 56, 64, 256, 1, add=True, count=3),
        _line("Res2b_branch2a", 56, 256, 64, 1, count=2),
    ]
    for stage, size, channels, narrow, blocks in ((3, 56, 256, 128, 4), (4, 28, 512, 256, 6), (5, 14, 1024, 512, 3)):
        wide, half = 4 * narrow, size // 2
        lines += [
            _line(f"Res{stage}a_branch1", size, channels, wide, 1, 2),
            _line(f"Res{stage}a_branch2a", size, channels, narrow, 1, 2),
            _line(f"Res{stage}a_branch2b", half, narrow, narrow, 3, count=blocks),
            _line(f"Res{stage}a_branch2c", half, narrow, wide, 1, add=True, count=blocks - (stage == 5)),
            _line(f"Res{stage}b_branch2a", half, wide, narrow, 1, count=blocks - 1),
        ]
    lines.append(_line("Res5c_branch2c", 7, 512, 2048, 1, outputs=2048, add=True))
    return (*lines, Line(Layer.gemm("fc", M=1, N=1000, K=2048), Entry()))


def alexnet(batch: int = 16) -> tuple[Line, ...]:
    """AlexNet; layers of two groups are two equal lines, fully connected layers run for `batch` images at once."""
    return (
        Line(Layer.conv("1", K=96, C=3, H=224, W=224, R=11, S=11, stride=4), Entry(27 * 27 * 96, first=True)),
        _line("2", 27, 48, 128, 5, outputs=13 * 13 * 128, count=2),
        _line("3", 13, 256, 384, 3),
        _line("4", 13, 192, 192, 3, count=2),
        _line("5", 13, 192, 128, 3, outputs=6 * 6 * 128, count=2),
        Line(Layer.conv("fc1", N=batch, K=4096, C=256, H=6, W=6, R=6, S=6), Entry()),
        Line(Layer.gemm("fc2", M=batch, N=4096, K=4096), Entry()),
        Line(Layer.gemm("fc3", M=batch, N=1000, K=4096), Entry()),
    )


def frame_cycles(lines: tuple[Line, ...], machine: Nvdla) -> float:
    """Return the cycles of one image, all lines one after another."""
    found = ((line, evaluate(line.layer, machine, line.entry)) for line in lines)
    return sum(line.count * cost.cycles / cost.figures["images"] for line, cost in found)


def _line(
    name: str, size: int, C: int, K: int, R: int, stride: int = 1, *, outputs: int = 0, add: bool = False, first: bool = False,
    count: int = 1,
) -> Line:  # fmt: skip
    layer = Layer.conv(name, K=K, C=C, H=size, W=size, R=R, S=R, stride=stride, padding=R // 2)
    return Line(layer, Entry(outputs, add, first), count)
