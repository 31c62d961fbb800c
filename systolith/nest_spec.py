"""What users type for an architecture of cost mode ``timeloop``: a preset with parameters, or a YAML file with levels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dataflows.errors import SpecError
from dataflows.exchange.roles import Names
from dataflows.nest.architecture import Architecture
from dataflows.nest.presets import PRESETS, parameters
from dataflows.nest.rules import CHOICES, Rules
from dataflows.yaml_lines import Document, read_yaml
from systolith import exchange
from systolith.textspec import integer, is_file, pairs, split_head

WHAT = "an architecture: a YAML file with a list of levels"


def find(text: str, names: Names | None = None, heard: exchange.Heard | None = None) -> Architecture | None:
    """Read an architecture argument.

    Parameters
    ----------
    text : str
        ``gemmini_dosa``, ``gemmini_dosa:dim=32,...``, or the path of a YAML file with ``levels``, or of one of Timeloop or
        ZigZag, whose notes are printed.
    names : Names, optional
        What the network's file calls data spaces, where it is one of Timeloop.
    heard : list of str, optional
        Takes the notes, too.

    Returns
    -------
    Architecture or None
        None when the text names something else, such as an accelerator of this suite.

    Raises
    ------
    SpecError
        For wrong parameters or a malformed file.
    """
    head, rest = split_head(text)
    if head in PRESETS:
        given = pairs(rest, text, parameters(head))
        return PRESETS[head](**{key: integer(value, f"{text}: {key}") for key, value in given.items()})
    if (foreign := exchange.machine(text, names)) is not None:
        exchange.say(foreign.notes, heard)
        return foreign.architecture
    path = Path(text)
    if is_file(text) and path.suffix.lower() in (".yaml", ".yml", ".json"):
        document = read_yaml(path, WHAT)
        if isinstance(document.data, dict) and "levels" in document.data:
            return from_document(document)
    return None


def from_document(document: Document) -> Architecture:
    """Build from the YAML form; errors carry file, line and field."""
    try:
        return Architecture.from_dict(document.data, "")
    except SpecError as error:
        place, colon, rest = error.path.partition(":")
        keys = [int(index) if index else name for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", place)]
        raise SpecError(document.where(*keys) + colon + rest, error.found, error.allowed, error.fix) from None


def rules(text: str | None) -> Rules:
    """Read ``halo=physical,window=exact,psums=strict,ramp=once``, each optional."""
    given: dict[str, Any] = pairs(text or "", "--rules", CHOICES)
    return Rules(**given)
