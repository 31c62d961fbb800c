"""What users type for a spatial array: a named dataflow with sizes, or a YAML file with axes."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

from dataflows.errors import SpecError
from dataflows.nest.rules import TENSORS
from dataflows.spatial.array import SpatialArray
from dataflows.spatial.array_text import array_from_dict, array_name
from dataflows.spatial.named import NAMED
from dataflows.yaml_lines import read_yaml
from systolith.textspec import integer, is_own_yaml, pairs, split_head

WIDTHS = ("input_bits", "weight_bits", "acc_bits", "tag_bits", "pe_stages", "tree_levels")
FLAGS = ("zero_gating",)
"""0 or 1 here, false or true in a file."""
WORDS = tuple(f"{tensor}_words" for tensor in TENSORS)


def find(text: str) -> tuple[str, SpatialArray] | None:
    """Read an array argument.

    Parameters
    ----------
    text : str
        ``array_ws:rows=8,cols=8``, or the path of a YAML file with ``axes``.

    Returns
    -------
    (str, SpatialArray) or None
        Name and array; None when the text names something else.

    Raises
    ------
    SpecError
        For wrong parameters or a malformed file.
    """
    head, rest = split_head(text)
    if head in NAMED:
        return head, named(head, rest, text)
    path = Path(text)
    if is_own_yaml(text):
        document = read_yaml(path, "a spatial array: a YAML file with a list of axes")
        if isinstance(document.data, dict) and "axes" in document.data:
            array = array_from_dict(document.data, str(path))
            return array_name(document.data, path.stem.replace("-", "_"), str(path)), array
    return None


def sizes(name: str) -> dict[str, int | None]:
    """Return the sizes that a named array takes and their defaults; None for those that must be given."""
    found: dict[str, int | None] = {}
    for key, value in inspect.signature(NAMED[name]).parameters.items():
        if key != "words":
            found[key] = None if value.default is value.empty else value.default
    return found


def about(name: str) -> str:
    """Return what a named array is, in one sentence."""
    text = " ".join((NAMED[name].__doc__ or "").split("\n\n")[0].split())
    return text.partition(" (dense reference")[0].rstrip(".")


def named(head: str, rest: str, text: str, more: tuple[str, ...] = ()) -> SpatialArray:
    """Read what follows a named array; `more` are keys that belong to what is round it, and `text` is the whole argument.

    Raises
    ------
    SpecError
        For wrong parameters.
    """
    known = sizes(head)
    allowed = [*known, *WORDS, *WIDTHS, *FLAGS, *more]
    given = {key: integer(value, f"{text}: {key}") for key, value in pairs(rest, text, allowed).items()}
    for key, default in known.items():
        if default is None and key not in given:
            raise SpecError(text, "nothing", f"a value for {key}", f"write for example {split_head(text)[0]}:{key}=8")
    try:
        array = NAMED[head](**{key: value for key, value in given.items() if key in known})
        words = [given.get(key, have) for key, have in zip(WORDS, array.l1_words, strict=True)]
        widths = {key: given[key] for key in WIDTHS if key in given}
        flags = {key: {0: False, 1: True}.get(given[key], given[key]) for key in FLAGS if key in given}
        return replace(array, l1_words=(words[0], words[1], words[2]), **widths, **flags)
    except SpecError as error:
        raise SpecError(f"{text}: {error.path}", error.found, error.allowed, error.fix) from None
