"""An array with the memory system round it, as it is generated."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dataflows.arch import ARRAY_BITS, Memory
from dataflows.compression import Format, most_pairs
from dataflows.errors import SpecError
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.system.coding import LENGTH_BITS, Coding

MOST_L2 = 1 << 20
MOST_CHANNELS = 1 << 14
MULTIPLIER_BITS, SHIFT_BITS = 32, 8
Words = tuple[int, int, int]
L2_WORDS: Words = (4096, 4096, 2048)


@dataclass(frozen=True, slots=True)
class SpatialSystem:
    """A complete accelerator: an array, buffers for every tensor, post-processing, a memory port.

    Attributes
    ----------
    array : SpatialArray
        What computes.
    memory : Memory
        The native memory port and the profile of what is behind it.
    l2_words : tuple of int
        Words of weights, inputs and sums in one half of each buffer; every buffer has two.
    post_lanes : int
        Outputs requantised in a cycle, a power of two and at most the outputs in a beat.
    channels : int
        Output channels of a layer that the scale buffer holds.
    coding : Coding or None
        Coders between memory and buffers, for rows of inputs and outputs (`dataflows.spatial.system.coding`).
    name : str
        What modules and files are called after.
    """

    array: SpatialArray
    memory: Memory = field(default_factory=Memory)
    l2_words: Words = L2_WORDS
    post_lanes: int = 4
    channels: int = 1024
    coding: Coding | None = None
    name: str = "system"

    def __post_init__(self) -> None:
        for tensor, words in zip(TENSORS, self.l2_words, strict=True):
            _whole(f"system.l2_words.{tensor}", words, 1, MOST_L2)
        for name in ("input_bits", "weight_bits"):
            if getattr(self.array, name) not in ARRAY_BITS:
                allowed = ", ".join(map(str, ARRAY_BITS))
                raise SpecError(f"system.{name}", getattr(self.array, name), allowed, "choose a width that divides a beat")
        if not re.fullmatch(r"[A-Za-z]\w*", self.name, re.ASCII):
            raise SpecError("system.name", self.name, "letters, digits and _, beginning with a letter", "rename it")
        _whole("system.channels", self.channels, 1, MOST_CHANNELS)
        _whole("system.post_lanes", self.post_lanes, 1, self.beat_words("outputs"))
        if any(self.array.links):
            allowed = "an array without links: buffers bring every delivery whole"
            raise SpecError("system.links", "neighbours that pass words on", allowed, "leave the links out")
        if self.tag_width > self.beat_bits:
            raise SpecError(
                "system.bus_bytes", self.memory.bus_bytes, f"{-(-self.tag_width // 8)} for a PE's tag", "widen the bus"
            )
        if self.post_lanes & (self.post_lanes - 1):
            raise SpecError("system.post_lanes", self.post_lanes, "a power of two", "round it")

    @property
    def tag_width(self) -> int:
        """Bits of what a PE is told before a layer, which come in one beat."""
        array = self.array
        positions = array.tag_bits * sum(len(array.fields(tensor)) for tensor in TENSORS[:2])
        return 1 + positions + max(1, (array.pes // array.lanes("outputs") - 1).bit_length())

    @property
    def beat_bits(self) -> int:
        """Width of the memory port."""
        return 8 * self.memory.bus_bytes

    @property
    def code_pairs(self) -> int:
        """Pairs of a run and a word that fit in a beat beside the flag; 0 without coders."""
        if not self.coding:
            return 0
        return min((self.beat_bits - 1) // (self.coding.run_bits + self.array.input_bits), most_pairs(self.coding.run_bits))

    @property
    def code(self) -> Format:
        """The format of coded rows: a memory word is a beat."""
        assert self.coding is not None, "a system without coders has no format"
        return Format("rlc", run_bits=self.coding.run_bits, pack=self.code_pairs, flag_bits=1)

    @property
    def table_entries(self) -> int:
        """Lengths of coded rows in a beat."""
        return self.beat_bits // LENGTH_BITS

    def beat_words(self, tensor: str) -> int:
        """Words of a tensor in one beat; outputs are as wide as inputs."""
        return self.beat_bits // (self.array.weight_bits if tensor == "weights" else self.array.input_bits)

    def banks(self, tensor: str) -> int:
        """Banks of the buffer of inputs or outputs, neighbouring words in neighbouring banks.

        As many as a beat (inputs) or a group of requantised outputs has, and as there are ports. With several ports their
        number is prime: lanes that are any distance apart, but a multiple of it, then meet in different banks.
        """
        block = self.beat_words("inputs") if tensor == "inputs" else self.post_lanes
        lanes = self.array.lanes(tensor)
        return block if lanes == 1 else _prime(max(lanes, block))

    def rows(self, tensor: str) -> int:
        """Words of each bank in one half; for weights, the deliveries' beats that a half holds."""
        words = self.l2_words[TENSORS.index(tensor)]
        return -(-words // (self.row_words if tensor == "weights" else self.banks(tensor)))

    @property
    def row_parts(self) -> int:
        """Beats that one cycle's weights for all ports take in memory."""
        return -(-self.array.lanes("weights") // self.beat_words("weights"))

    @property
    def rows_per_beat(self) -> int:
        """Cycles' weights that one beat holds."""
        if self.row_parts > 1:
            return 1
        return self.beat_words("weights") >> (self.array.lanes("weights") - 1).bit_length()

    @property
    def row_words(self) -> int:
        """Words of weights for all ports in one cycle, filled up to a power of two or to whole beats."""
        return self.beat_words("weights") * self.row_parts // self.rows_per_beat

    @property
    def scale_lane_bits(self) -> int:
        """Bias, multiplier and shift of one channel."""
        return self.array.acc_bits + MULTIPLIER_BITS + SHIFT_BITS

    @property
    def scale_beats(self) -> int:
        """Beats that the scales of `post_lanes` channels take."""
        return -(-self.post_lanes * self.scale_lane_bits // self.beat_bits)

    @property
    def post_groups(self) -> int:
        """Cycles that the outputs of a beat take to be requantised."""
        return self.beat_words("outputs") // self.post_lanes

    def to_dict(self) -> dict[str, Any]:
        """Return the YAML form: that of the array, and what is round it."""
        memory = self.memory
        return {
            **self.array.to_dict(), "name": self.name,
            "l2_words": dict(zip(TENSORS, self.l2_words, strict=True)), "post_lanes": self.post_lanes,
            "channels": self.channels,
            "memory": {"bus_bytes": memory.bus_bytes, "interval": memory.interval, "latency": memory.latency},
            **({"rlc": self.coding.to_dict()} if self.coding else {}),
        }  # fmt: skip


def _whole(path: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SpecError(path, value, f"an integer from {low} to {high}", "correct the value")


def _prime(least: int) -> int:
    """Return the smallest prime from `least` on."""
    while any(least % factor == 0 for factor in range(2, least)):
        least += 1
    return max(least, 2)
