"""What users type for a complete accelerator round an array of any connectivity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dataflows.arch import Memory
from dataflows.errors import SpecError
from dataflows.spatial.array_text import array_name
from dataflows.spatial.named import NAMED
from dataflows.spatial.system.coding import Coding
from dataflows.spatial.system.spec import L2_WORDS, SpatialSystem
from dataflows.spatial.system.text import KEYS, MEMORY, system_from_dict
from dataflows.yaml_lines import read_yaml
from systolith import spatial_spec
from systolith.textspec import integer, is_own_yaml, split_head

NAMES = {name.replace("array_", "system_", 1): name for name in NAMED}
"""Named systems, and the arrays in them."""
L2 = ("l2_weights", "l2_inputs", "l2_outputs")
RLC = {"rlc": "run_bits", "rlc_rows": "rows", "rlc_queue": "queue"}
"""Options of the coders, and what they are in YAML files; rlc=0 is a system without them."""
CODED = ("system_rs",)
"""Systems that have coders unless told otherwise: Eyeriss has (dense reference, 3.7)."""
OPTIONS = (*L2, "post_lanes", "channels", *MEMORY, *RLC)


def find(text: str) -> SpatialSystem | None:
    """Read a system argument.

    Parameters
    ----------
    text : str
        ``system_ws:rows=8,cols=8,l2_inputs=8192``: sizes of the array (`systolith.spatial_spec`), words in a half of each
        buffer, and the memory port; or the path of a YAML file of an array with one of `KEYS`.

    Returns
    -------
    SpatialSystem or None
        None when the text names something else.

    Raises
    ------
    SpecError
        For wrong parameters or a malformed file.
    """
    head, rest = split_head(text)
    if head in NAMES:
        return _named(head, rest, text)
    path = Path(text)
    if is_own_yaml(text):
        data = read_yaml(path, "a spatial array: a YAML file with a list of axes").data
        if isinstance(data, dict) and "axes" in data and any(key in data for key in KEYS):
            name = array_name(data, path.stem.replace("-", "_"), str(path))
            return replace(system_from_dict(data, str(path)), name=name)
    return None


def _named(head: str, rest: str, text: str) -> SpatialSystem:
    own: dict[str, int] = {}
    others = []
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in OPTIONS:
            others.append(part)
        elif key in own:
            raise SpecError(f"{text}: {key}", value, "each key once", f"remove one {key}")
        else:
            own[key] = integer(value, f"{text}: {key}")
    array = spatial_spec.named(NAMES[head], ",".join(others), text, OPTIONS)
    words = [own.get(key, have) for key, have in zip(L2, L2_WORDS, strict=True)]
    others_given = {key: own[key] for key in ("post_lanes", "channels") if key in own}
    try:
        memory = replace(Memory(), **{key: own[key] for key in MEMORY if key in own})
        coding = _coding(head, own)
        return SpatialSystem(array, memory, (words[0], words[1], words[2]), name=head, coding=coding, **others_given)
    except SpecError as error:
        raise SpecError(f"{text}: {error.path}", error.found, error.allowed, error.fix) from None


def _coding(head: str, own: dict[str, int]) -> Coding | None:
    """Return the coders that a named system has."""
    given = {RLC[key]: own[key] for key in RLC if key in own}
    if given.get("run_bits") == 0 or ("run_bits" not in given and head not in CODED):
        if rest := [key for key in ("rlc_rows", "rlc_queue") if key in own]:
            raise SpecError(rest[0], own[rest[0]], "nothing without coders", "give rlc, the bits of a run, or leave it out")
        return None
    try:
        return Coding(**given)
    except SpecError as error:
        if error.path == "system.rlc.run_bits":
            raise SpecError("rlc", error.found, f"{error.allowed}, or 0 for a system without coders", error.fix) from None
        raise
