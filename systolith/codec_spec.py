"""What users type for a codec on the memory side: ``rlc``, with the widths that differ from Eyeriss'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataflows.axi import AxiOptions
from dataflows.compression import MOST_PAIRS, Format
from dataflows.errors import SpecError
from systolith.textspec import integer, pairs, split_head

NAMES = {"rlc": "run-length encoder and decoder with stream ports, of Eyeriss' format unless told otherwise"}
DEFAULTS = {"run_bits": 5, "pack": 3, "flag_bits": 1, "word_bits": 16, "length_bits": 20}
"""Parameters and what they are when none is given."""
RANGES = {"run_bits": (1, 16), "pack": (1, MOST_PAIRS), "flag_bits": (0, 64), "word_bits": (1, 32), "length_bits": (1, 48)}


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec.

    Attributes
    ----------
    form : Format
        Of kind ``rlc``.
    word_bits, length_bits : int
        Width of a word; a tensor has at most ``2**length_bits`` words.
    """

    form: Format
    word_bits: int
    length_bits: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**self.form.to_dict(), "word_bits": self.word_bits, "length_bits": self.length_bits}


def find(text: str) -> tuple[str, Codec] | None:
    """Read a codec argument: its name and the codec, or None when the text names something else.

    Raises
    ------
    SpecError
        For unknown parameters, or values out of range.
    """
    head, rest = split_head(text)
    if head not in NAMES:
        return None
    given = {key: integer(value, f"{text}: {key}") for key, value in pairs(rest, text, DEFAULTS).items()}
    values = DEFAULTS | given
    for key, (low, high) in RANGES.items():
        if not low <= values[key] <= high:
            raise SpecError(f"{text}: {key}", values[key], f"{low} to {high}", "correct the value")
    try:
        form = Format(head, values["run_bits"], pack=values["pack"], flag_bits=values["flag_bits"])
    except SpecError as error:
        raise SpecError(f"{text}: {error.path}", error.found, error.allowed, error.fix) from None
    return head, Codec(form, values["word_bits"], values["length_bits"])


def refuse_for_codec(axi: AxiOptions | None) -> None:
    """Say that codecs have streams on both sides."""
    if axi is not None:
        raise SpecError("--bus", "axi", "native for a codec: it has streams", "choose an accelerator such as ws:rows=8,cols=8")
