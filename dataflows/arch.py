"""Accelerators: a spatial array, the buffers round it and the memory behind it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from dataflows.errors import SpecError
from dataflows.named import outputs_stay

SCHEMA = 1
MOST_ROWS = MOST_COLS = 256
MOST_INPUT_WORDS = MOST_WEIGHT_WORDS = 1 << 16
MOST_ACC_WORDS = 1 << 15
LEAST_WORDS = 4
MOST_TILE_BLOCKS = 256
NARROWEST_BUS, WIDEST_BUS = 4, 128
MOST_INTERVAL, MOST_LATENCY = 64, 1000
Dataflow = Literal["ws", "os"]
ARRAY_BITS = (4, 8, 16)
MOST_PE_STAGES = 2
MOST_TABLE_BITS = 8


@dataclass(frozen=True, slots=True)
class Array:
    """The PE array; what wires what is derived from its dataflow relation (`dataflows.relation`).

    Attributes
    ----------
    rows, cols : int
        PEs along each axis.
    dataflow : str
        Name of a constructor in `dataflows.named` that returns the relation: ``ws`` or ``os``.
    input_bits, weight_bits : int
        Signed operand widths: 4, 8 or 16.
    acc_bits : int
        Accumulator and psum width; sums wrap modulo 2**acc_bits.
    pe_stages : int
        Pipeline registers in a PE between operands and adder. 0: multiply and add in one cycle. 1: operands are multiplied
        where they are passed on, a cycle later, which costs no register. 2: the product has a register too. Results come that
        many cycles later; the clock can be faster (docs/physical.md).
    """

    rows: int
    cols: int
    dataflow: Dataflow = "ws"
    input_bits: int = 8
    weight_bits: int = 8
    acc_bits: int = 32
    pe_stages: int = 0

    def __post_init__(self) -> None:
        _between("array.pe_stages", self.pe_stages, 0, MOST_PE_STAGES)
        _between("array.rows", self.rows, 1, MOST_ROWS)
        _between("array.cols", self.cols, 1, MOST_COLS)
        if self.dataflow not in ("ws", "os"):
            raise SpecError("array.dataflow", self.dataflow, "ws or os", "choose one of these dataflows")
        for name in ("input_bits", "weight_bits"):
            if getattr(self, name) not in ARRAY_BITS:
                raise SpecError(f"array.{name}", getattr(self, name), "4, 8 or 16", "choose one of these widths")
        _between("array.acc_bits", self.acc_bits, self.input_bits + self.weight_bits, 48)

    @property
    def outputs_stay(self) -> bool:
        """Whether PEs keep their outputs over a wave, as derived from the relation."""
        return outputs_stay(self.dataflow)

    @property
    def product_held(self) -> bool:
        """Whether a PE has a register for its product."""
        return self.pe_stages == MOST_PE_STAGES

    @property
    def product_bits(self) -> int:
        """Width of a product."""
        return self.input_bits + self.weight_bits

    @property
    def macs(self) -> int:
        """Multiply-accumulates per cycle at full use."""
        return self.rows * self.cols


@dataclass(frozen=True, slots=True)
class MemoryLevel:
    """One level of storage as the cost model and reports see it.

    Attributes
    ----------
    name : str
        e.g. ``input_buffer``.
    operands : tuple of str
        Tensors it holds: ``inputs``, ``weights``, ``psums``, ``outputs``, ``scales``.
    words, word_bits : int
        Total words (all copies of a double buffer) and their width; 0 words means unlimited.
    copies : int
        2 when double buffered: a tile may fill words / copies.
    """

    name: str
    operands: tuple[str, ...]
    words: int
    word_bits: int
    copies: int = 1

    @property
    def size_bits(self) -> int:
        """Capacity in bits."""
        return self.words * self.word_bits


@dataclass(frozen=True, slots=True)
class Memory:
    """The off-chip memory as seen from the native port (the memory profile).

    Attributes
    ----------
    bus_bytes : int
        Bytes per beat.
    interval : int
        Cycles between two accepted beats: bandwidth is bus_bytes / interval bytes per cycle.
    latency : int
        Cycles from an accepted read beat to its data.
    """

    bus_bytes: int = 16
    interval: int = 1
    latency: int = 32

    def __post_init__(self) -> None:
        _between("memory.bus_bytes", self.bus_bytes, NARROWEST_BUS, WIDEST_BUS)
        if self.bus_bytes & (self.bus_bytes - 1):
            allowed = f"a power of two from {NARROWEST_BUS} to {WIDEST_BUS}"
            raise SpecError("memory.bus_bytes", self.bus_bytes, allowed, "round it")
        _between("memory.interval", self.interval, 1, MOST_INTERVAL)
        _between("memory.latency", self.latency, 1, MOST_LATENCY)

    @property
    def bandwidth_bits_per_cycle(self) -> float:
        """Sustained bandwidth."""
        return 8 * self.bus_bytes / self.interval


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Everything that Verilog, header, testbench and cost model are derived from.

    Attributes
    ----------
    name : str
        Used for file names; letters, digits, ``-`` and ``_``.
    array, memory : Array, Memory
        See there.
    input_words, weight_words, acc_words : int
        Words in *each half* of the double-buffered buffers. A word feeds the array for one cycle: ``rows`` inputs,
        ``cols`` weights, ``cols`` accumulators. The output buffer has as many words as the accumulator.
    post_lanes : int
        Requantisers working side by side; ceil(cols / post_lanes) cycles per output word.
    tile_blocks : int
        Most output-channel blocks (of ``cols``) in one tile: sizes the scale memory.
    channelwise : bool
        Whether there is a path past the array for operations channel by channel: add, multiply, pool (`Layer.op`).
    table : bool
        Whether every post lane has a memory for an activation table. Designs with inputs of more than
        `MOST_TABLE_BITS` bits have none either way.
    """

    name: str
    array: Array
    memory: Memory = field(default_factory=Memory)
    input_words: int = 1024
    weight_words: int = 512
    acc_words: int = 256
    post_lanes: int = 4
    tile_blocks: int = 8
    channelwise: bool = True
    table: bool = True

    def __post_init__(self) -> None:
        if not self.name or not all(ch.isalnum() or ch in "-_" for ch in self.name):
            raise SpecError("name", self.name, "letters, digits, - and _", "rename the design")
        _between("input_words", self.input_words, LEAST_WORDS, MOST_INPUT_WORDS)
        _between("weight_words", self.weight_words, max(LEAST_WORDS, self.array.rows), MOST_WEIGHT_WORDS)
        least = self.array.rows if self.array.outputs_stay else 1
        _between("acc_words", self.acc_words, max(LEAST_WORDS, least), MOST_ACC_WORDS)
        _between("post_lanes", self.post_lanes, 1, self.array.cols)
        _between("tile_blocks", self.tile_blocks, 1, MOST_TILE_BLOCKS)
        if not isinstance(self.channelwise, bool):
            raise SpecError("channelwise", self.channelwise, "true or false", "say whether the design has the path")
        if not isinstance(self.table, bool):
            raise SpecError("table", self.table, "true or false", "say whether the design has activation tables")

    @property
    def channel_lanes(self) -> int:
        """Lanes of the path past the array: a lane needs an input and an accumulator."""
        return min(self.array.rows, self.array.cols) if self.channelwise else 0

    # Word geometry. A word crosses the bus in whole beats; the last beat is padded.

    @property
    def beat_bits(self) -> int:
        """Bits per memory beat."""
        return 8 * self.memory.bus_bytes

    def beats(self, word_bits: int) -> int:
        """Beats one on-chip word takes."""
        return math.ceil(word_bits / self.beat_bits)

    @property
    def input_word_bits(self) -> int:
        """``rows`` input operands."""
        return self.array.rows * self.array.input_bits

    @property
    def weight_word_bits(self) -> int:
        """``cols`` weights."""
        return self.array.cols * self.array.weight_bits

    @property
    def acc_word_bits(self) -> int:
        """``cols`` accumulators."""
        return self.array.cols * self.array.acc_bits

    @property
    def output_word_bits(self) -> int:
        """``cols`` requantised outputs, as wide as inputs."""
        return self.array.cols * self.array.input_bits

    @property
    def scale_lane_bits(self) -> int:
        """Bias (accumulator width), multiplier (32), shift (8)."""
        return self.array.acc_bits + MULTIPLIER_BITS + SHIFT_BITS

    @property
    def scale_word_bits(self) -> int:
        """One scale word serves ``post_lanes`` output channels."""
        return self.post_lanes * self.scale_lane_bits

    @property
    def post_groups(self) -> int:
        """Cycles the post-processing unit spends on one output word."""
        return math.ceil(self.array.cols / self.post_lanes)

    @property
    def table_entries(self) -> int:
        """Entries of the activation table, one per stored value; 0 where the design has no table."""
        return 1 << self.array.input_bits if self.table and self.array.input_bits <= MOST_TABLE_BITS else 0

    @property
    def table_beats(self) -> int:
        """Beats of an activation table in memory, which are also the words of each of its memories on chip."""
        return self.beats(self.table_entries * self.array.input_bits)

    def levels(self) -> tuple[MemoryLevel, ...]:
        """Buffers from the array outwards, DRAM last."""
        scale_words = SCALE_SLOTS * self.tile_blocks * self.post_groups
        return (
            MemoryLevel("input_buffer", ("inputs",), 2 * self.input_words, self.input_word_bits, 2),
            MemoryLevel("weight_buffer", ("weights",), 2 * self.weight_words, self.weight_word_bits, 2),
            MemoryLevel("accumulator", ("psums",), 2 * self.acc_words, self.acc_word_bits, 2),
            MemoryLevel("output_buffer", ("outputs",), 2 * self.acc_words, self.output_word_bits, 2),
            MemoryLevel("scale_buffer", ("scales",), scale_words, self.scale_word_bits, SCALE_SLOTS),
            MemoryLevel("dram", ("inputs", "weights", "outputs", "scales", "program"), 0, self.beat_bits),
        )

    def tables(self) -> tuple[MemoryLevel, ...]:
        """Activation tables, one memory per post lane: part of the post unit, no buffer; empty where there are none."""
        if not self.table_entries:
            return ()
        bits = min(self.beat_bits, self.table_entries * self.array.input_bits)
        return (MemoryLevel("activation_table", ("tables",), self.post_lanes * self.table_beats, bits, self.post_lanes),)

    @property
    def buffer_bytes(self) -> int:
        """On-chip bytes of all buffers, both halves."""
        return sum(math.ceil(level.size_bits / 8) for level in self.levels())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Accelerator:
        """Inverse of `to_dict`; unknown fields raise `SpecError`."""
        known = {f.name for f in fields(cls)}
        for key, value in data.items():
            if key not in known | {"schema"}:
                raise SpecError(key, value, ", ".join(sorted(known)), "remove or rename the field")
        rest = {k: v for k, v in data.items() if k not in ("schema", "array", "memory")}
        return cls(array=Array(**data["array"]), memory=Memory(**data.get("memory", {})), **rest)


MULTIPLIER_BITS, SHIFT_BITS = 32, 8
"""Fields of a requantisation scale, see docs/hardware.md."""

# Scale slots: a load for output tile o may run while tiles o-1 .. o-3 still wait for requantisation (docs/hardware.md).
SCALE_SLOTS = 4


def _between(path: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SpecError(path, value, f"an integer from {low} to {high}", "change the value")
