"""The systems that are verified: the named and random arrays with small buffers, narrow and wide memory ports."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from dataflows.arch import ARRAY_BITS, Memory
from dataflows.errors import SpecError
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.system.coding import Coding
from dataflows.spatial.system.spec import SpatialSystem
from sim.spatial.arrays import random_array

WORDS = (1024, 1024, 512)
CODING = Coding(run_bits=3, rows=256, queue=6)


def small(array: SpatialArray, memory: Memory | None = None, post_lanes: int = 2) -> SpatialSystem:
    """Return a system with room for a few tiles of small layers."""
    return SpatialSystem(array, memory or Memory(8, 1, 12), WORDS, post_lanes, channels=128)


def random_system(rng: Random) -> SpatialSystem:
    """Draw an array of any connectivity, and what is round it."""
    while True:
        array = random_array(rng)
        bits = [
            rng.choice([bits for bits in ARRAY_BITS if bits <= 8 or have > 8]) for have in (array.input_bits, array.weight_bits)
        ]
        array = replace(array, input_bits=bits[0], weight_bits=bits[1], tag_bits=rng.choice((4, 5, 6)))
        memory = Memory(rng.choice((4, 8, 8, 16)), rng.choice((1, 1, 1, 2, 3)), rng.choice((1, 2, 7, 20, 40)))
        words = [rng.choice((64, 200, 512, 1024)) for _ in range(3)]
        most = 8 * memory.bus_bytes // array.input_bits
        lanes = rng.choice([lanes for lanes in (1, 2, 4, 8) if lanes <= most])
        try:
            return SpatialSystem(array, memory, (words[0], words[1], words[2]), lanes, channels=rng.choice((64, 128)))
        except SpecError:  # a beat too narrow for a tag
            continue


def random_coded(rng: Random) -> SpatialSystem:
    """Draw a system and its coders."""
    coding = Coding(rng.choice((1, 2, 3, 5)), 256, rng.choice((2, 3, 6, 16)))
    return replace(random_system(rng), coding=coding)
