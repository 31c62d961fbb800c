"""What every tool of the comparison is given: the same layers on the same two machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.nest.architecture import Architecture, Axis, Fanout, StorageLevel
from dataflows.nest.presets import tri256
from dataflows.nest.rules import TENSORS
from dataflows.workload import DIMS, Layer

__all__ = ["ARCHITECTURES", "JOBS", "LAYERS", "Job", "find"]

WORD = 16
"""Bits of every word of both machines."""


def port256() -> Architecture:
    """Return a smaller machine of 256 PEs whose memories have ports: 4, 32 and 4 words a cycle, 16 K and 64 words."""
    everything, words = frozenset(TENSORS), (WORD, WORD, WORD)
    array = Fanout((Axis("rows", 16), Axis("cols", 16)))
    dram, glb, rf = (160.0, 160.0, 160.0), (4.0, 4.0, 4.0), (0.5, 0.5, 0.5)
    return Architecture(
        name="port256",
        levels=(
            StorageLevel("dram", everything, dram, dram, words, bandwidth=4),
            StorageLevel("glb", everything, glb, glb, words, capacity_bits=16384 * WORD, bandwidth=32, fanout=array),
            StorageLevel("rf", everything, rf, rf, words, capacity_bits=64 * WORD, bandwidth=4),
        ),
        mac_pj=1.0,
        source="made to compare mappers",
        description="A small machine whose ports bind: what is fetched costs time as well as energy.",
    )


def nano4() -> Architecture:
    """Return 2 x 2 PEs with 48 and 8 words: so small that windows are fetched in parts, even of a layer that others finish."""
    everything, words = frozenset(TENSORS), (WORD, WORD, WORD)
    array = Fanout((Axis("rows", 2), Axis("cols", 2)))
    dram, glb, rf = (200.0, 200.0, 200.0), (6.0, 6.0, 6.0), (1.0, 1.0, 1.0)
    return Architecture(
        name="nano4",
        levels=(
            StorageLevel("dram", everything, dram, dram, words),
            StorageLevel("glb", everything, glb, glb, words, capacity_bits=48 * WORD, fanout=array),
            StorageLevel("rf", everything, rf, rf, words, capacity_bits=8 * WORD),
        ),
        mac_pj=1.0,
        source="made to compare mappers",
    )


def _layers() -> tuple[Layer, ...]:
    conv, gemm = Layer.conv, Layer.gemm
    return (
        gemm("gemm64", M=64, N=64, K=64),
        gemm("gemm128", M=128, N=128, K=128),
        gemm("gemm1024", M=1024, N=1024, K=1024),
        gemm("bert_ffn", M=512, N=3072, K=768),
        gemm("r50_fc", M=1, N=1000, K=2048),
        conv("r50_conv1", K=64, C=3, H=224, W=224, R=7, S=7, stride=2, padding=3),
        conv("r50_c2_1x1", K=256, C=64, H=56, W=56, R=1, S=1),
        conv("r50_c2_3x3", K=64, C=64, H=56, W=56, R=3, S=3, padding=1),
        conv("r50_c5_1x1", K=2048, C=512, H=7, W=7, R=1, S=1),
        conv("mbv2_dw", K=192, C=192, G=192, H=28, W=28, R=3, S=3, padding=1),
        conv("mbv2_pw", K=64, C=192, H=28, W=28, R=1, S=1),
    )


LAYERS = {layer.name: layer for layer in _layers()}
ARCHITECTURES = {arch.name: arch for arch in (tri256(), port256())}
LINE = Layer.conv("conv_line", K=8, C=8, H=1, W=18, R=1, S=3)
"""A convolution along a line: what windows of neighbours share is counted, in a space that every tool finishes."""


@dataclass(frozen=True, slots=True)
class Job:
    """A layer on an architecture."""

    layer: Layer
    arch: Architecture

    @property
    def name(self) -> str:
        """``LAYER/ARCHITECTURE``."""
        return f"{self.layer.name}/{self.arch.name}"

    def neutral(self) -> dict[str, Any]:
        """Return what a tool's own environment can read without this suite: sizes above 1, words, pJ and words a cycle."""
        layer = self.layer
        sizes = {dim: getattr(layer, dim) for dim in DIMS if getattr(layer, dim) > 1}
        levels = [
            {
                "name": level.name,
                "words": None if level.capacity_bits is None else int(str(level.capacity_bits)) // WORD,
                "pj": level.read_pj[0],
                "bandwidth": level.bandwidth,
            }
            for level in self.arch.levels
        ]
        array = {axis.name: axis.size for level in self.arch.levels for axis in level.fanout.axes}
        stride = layer.stride
        return {
            "name": self.name, "layer": layer.name, "sizes": sizes, "stride": stride, "word_bits": WORD,
            "levels": levels, "array": array, "mac_pj": self.arch.mac_pj,
        }  # fmt: skip


JOBS = (*(Job(layer, arch) for arch in ARCHITECTURES.values() for layer in LAYERS.values()), Job(LINE, nano4()))


def find(names: str | None) -> tuple[Job, ...]:
    """Return the jobs whose names contain one of `names`, separated by commas; all without."""
    return tuple(job for job in JOBS if names is None or any(name in job.name for name in names.split(",")))
