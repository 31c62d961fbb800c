"""Stored size of sparse tensors: expected bits of a block in each compressed format.

Zeros are independent and uniform: every word is non-zero with probability `density`. Real tensors have zeros in clusters,
which makes runs longer and formats that store runs smaller. The formats are those of the sparse reference, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dataflows.errors import SpecError, suggestion
from dataflows.option_text import join_options, split_options, whole
from dataflows.zero_runs import Number, memory_words, padding, pairs_per_word, trailing

MOST_BITS = 64
MOST_PAIRS = 256
_MOST_TERMS = 1 << 18  # most pack * 4**run_bits: half as many complex numbers are a step of the chain that counts packed words

_WHOLE_BLOCK = {"segment": 0, "segment_bits": 0}
# What a format has besides its name, with the value it takes when none is given. Segment 0 is the whole block, index_bits 0
# of a coordinate as many as the segment needs.
KINDS: dict[str, dict[str, int]] = {
    "dense": {},
    "bitmask": _WHOLE_BLOCK,
    "rlc": {"run_bits": 5, "pack": 1, "flag_bits": 0} | _WHOLE_BLOCK,
    "csc": {"index_bits": 4} | _WHOLE_BLOCK,
    "coordinate": {"index_bits": 0} | _WHOLE_BLOCK,
    "zfnaf": {"segment": 16},
}
_LIMITS = {
    "run_bits": (1, 16), "index_bits": (1, 32), "pack": (1, MOST_PAIRS), "flag_bits": (0, MOST_BITS),
    "segment": (1, 1 << 40), "segment_bits": (0, MOST_BITS),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """How a block of words is stored.

    A field that a format does not have stays 0; one that it has and that is left 0 takes its default.

    Attributes
    ----------
    kind : str
        ``dense``: every word. ``bitmask``: one bit per word, then the non-zeros (SparTen, SIGMA; Cambricon-X' direct
        indexing). ``rlc``: pairs of a run of zeros and a word, trailing zeros included (Eyeriss). ``csc``: pairs of a
        relative index and a word, trailing zeros left out (EIE, SCNN, Cambricon-X' step indexing). ``coordinate``: pairs
        of an absolute index and a word. ``zfnaf``: aligned bricks with an offset beside every word; saves time, not
        space (Cnvlutin).
    run_bits, index_bits : int
        Width of a run, or of an index. Longer runs take pairs whose word is a zero.
    pack, flag_bits : int
        Pairs in one memory word and further bits of that word; the last memory word is padded. Eyeriss has 3 and 1.
    segment, segment_bits : int
        Words that are coded on their own (a column, a brick; the last may be shorter), and the bits that each segment adds:
        its pointer or count.
    """

    kind: str
    run_bits: int = 0
    index_bits: int = 0
    pack: int = 0
    flag_bits: int = 0
    segment: int = 0
    segment_bits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SpecError("format", self.kind, ", ".join(KINDS), suggestion(str(self.kind), KINDS, "choose one of these"))
        fields = KINDS[self.kind]
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if name not in fields:
                if value != 0 or isinstance(value, bool):
                    raise SpecError(f"format.{name}", value, _known(self.kind), f"remove it: {self.kind} has no {name}")
            elif isinstance(value, int) and not isinstance(value, bool) and value == 0:
                object.__setattr__(self, name, fields[name])
            else:
                whole(value, f"format.{name}", low, high)
        if self.segment_bits and not self.segment:
            raise SpecError("format.segment_bits", self.segment_bits, "0 without segments", "give segment, the words of each")
        if self.kind == "rlc" and self.pack > most_pairs(self.run_bits):
            where, allowed = (
                "format.pack, run_bits",
                f"pack up to {most_pairs(self.run_bits)} with run_bits={self.run_bits}",
            )
            raise SpecError(where, (self.pack, self.run_bits), allowed, "make one smaller")

    def bits(self, words: int, density: Number, word_bits: int) -> float:
        """Return the expected stored bits of a block.

        Parameters
        ----------
        words : int
            Words of the block, zeros included.
        density : float or Fraction
            Probability that a word is not zero, from 0 to 1.
        word_bits : int
            Width of a word.

        Raises
        ------
        SpecError
            For a density outside 0 to 1, for sizes that are no integers, or a coordinate too narrow for the block.
        """
        return float(self.expected_bits(words, float(checked_density(density)), word_bits))

    def ratio(self, density: Number, word_bits: int, words: int | None = None) -> float:
        """Return `bits` over dense storage; without `words`, the limit of long blocks. Above 1 the format costs space."""
        if words is None:
            return float(self._bits_per_word(float(checked_density(density)), word_bits)) / word_bits
        if words == 0:
            return 1.0
        return self.bits(words, density, word_bits) / (words * word_bits)

    def expected_bits(self, words: int, density: Number, word_bits: int) -> Number:
        """Return the expected stored bits in the arithmetic of `density`: exact for a `Fraction`."""
        _sizes(words, word_bits)
        checked_density(density)
        return self._over_segments(words, lambda size: self._segment_bits(size, words, density, word_bits))

    def entries(self, words: int, density: Number) -> Number:
        """Return the expected number of stored words, padding included: the slots that an engine has to walk."""
        _sizes(words, 1)
        checked_density(density)
        return self._over_segments(words, lambda size: self._segment_entries(size, density))

    def _over_segments(self, words: int, of: Callable[[int], Number]) -> Number:
        if not self.segment or words <= self.segment:
            return of(words) if words else 0
        full, rest = divmod(words, self.segment)
        return full * of(self.segment) + (of(rest) if rest else 0)

    def _segment_entries(self, words: int, density: Number) -> Number:
        if self.kind == "dense":
            return words
        if self.kind == "zfnaf":
            return self.segment
        if self.kind == "rlc":
            return words * density + padding(words, density, self.run_bits) + trailing(words, density, self.run_bits)
        if self.kind == "csc":
            return words * density + padding(words, density, self.index_bits)
        return words * density

    def _segment_bits(self, words: int, block: int, density: Number, word_bits: int) -> Number:
        entries = self._segment_entries(words, density)
        if self.kind == "rlc" and self.pack > 1:
            packed = memory_words(words, density, self.run_bits, self.pack, entries)
            return packed * self._memory_word_bits(word_bits) + self.segment_bits
        mask = words if self.kind == "bitmask" else 0
        return entries * (word_bits + self._index_width(self.segment or block) + self.flag_bits) + mask + self.segment_bits

    def _memory_word_bits(self, word_bits: int) -> int:
        return self.pack * (self.run_bits + word_bits) + self.flag_bits

    def _index_width(self, span: int) -> int:
        """Bits beside every word, for positions below `span`."""
        if self.kind == "rlc":
            return self.run_bits
        needed = (span - 1).bit_length()
        if self.kind == "coordinate" and self.index_bits and needed > self.index_bits:
            allowed = f"at least {needed} for {span} positions"
            raise SpecError("format.index_bits", self.index_bits, allowed, "widen the index or give a smaller segment")
        return needed if self.kind == "zfnaf" or (self.kind == "coordinate" and not self.index_bits) else self.index_bits

    def _bits_per_word(self, density: Number, word_bits: int) -> Number:
        _sizes(0, word_bits)
        if self.segment:
            return self.expected_bits(self.segment, density, word_bits) / self.segment
        if self.kind == "coordinate" and not self.index_bits:
            raise SpecError(
                "words", "none", "the words of a block: they set the width of a coordinate", "give words or index_bits"
            )
        if self.kind == "bitmask":
            return 1 + density * word_bits
        if self.kind == "rlc":
            return pairs_per_word(density, self.run_bits) * self._memory_word_bits(word_bits) / self.pack
        entries = {"dense": 1, "csc": density and pairs_per_word(density, self.index_bits)}.get(self.kind, density)
        return entries * (word_bits + self.index_bits)

    def to_dict(self) -> dict[str, Any]:
        """Return the YAML form, ``{format: rlc, run_bits: 5}``; what has its default value is left out, widths are not."""
        return {"format": self.kind, **self._options()}

    def _options(self) -> dict[str, int]:
        fields = KINDS[self.kind]
        shown = {name: getattr(self, name) for name in fields}
        widths = ("run_bits", "index_bits")
        return {name: value for name, value in shown.items() if value and (name in widths or value != fields[name])}

    def __str__(self) -> str:
        return join_options(self.kind, self._options())

    @classmethod
    def parse(cls, value: Any, path: str = "format") -> Format:
        """Read the text form, ``rlc:run_bits=5``, or the YAML form; raise `SpecError` with the field's path."""
        if isinstance(value, Format):
            return value
        if isinstance(value, str):
            kind, options = split_options(value, path)
        elif isinstance(value, dict) and "format" in value:
            kind, options = value["format"], {str(key): item for key, item in value.items() if key != "format"}
        else:
            raise SpecError(path, value, "text such as rlc:run_bits=5, or {format: rlc, run_bits: 5}", "correct the value")
        if not isinstance(kind, str) or kind not in KINDS:
            raise SpecError(path, kind, ", ".join(KINDS), suggestion(str(kind), KINDS, "choose one of these"))
        for key in options:
            if key not in KINDS[kind]:
                fix = suggestion(key, KINDS[kind], f"remove it: {kind} has no {key}")
                raise SpecError(f"{path}.{key}", options[key], _known(kind), fix)
        made = {key: whole(item, f"{path}.{key}", *_LIMITS[key]) for key, item in options.items()}
        try:
            return cls(kind, **made)
        except SpecError as error:
            raise SpecError(path + error.path.removeprefix("format"), error.found, error.allowed, error.fix) from None


DENSE = Format("dense")


def most_pairs(run_bits: int) -> int:
    """Return the most pairs of a memory word whose mean number can be told; it is all that limits them."""
    return max(1, min(MOST_PAIRS, _MOST_TERMS >> 2 * run_bits))


def checked_density(density: Any, path: str = "density") -> Number:
    """Return a density from 0 to 1, or raise `SpecError`."""
    if isinstance(density, bool) or not isinstance(density, int | float | Fraction) or not 0 <= density <= 1:
        raise SpecError(path, density, "a number from 0 to 1", "give the share of words that are not zero")
    return density


def _known(kind: str) -> str:
    return ", ".join(KINDS[kind]) or "no fields"


def _sizes(words: object, word_bits: object) -> None:
    for name, value, low in (("words", words, 0), ("word_bits", word_bits, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise SpecError(name, value, f"an integer of at least {low}", "correct the value")
