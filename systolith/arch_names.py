"""What an architecture argument may begin with, by kind, and what to say about a name that does not fit."""

from __future__ import annotations

import difflib
from typing import Literal

from dataflows.errors import SpecError

Use = Literal["map", "cost", "hardware", "verilog"]
KINDS: dict[Use, tuple[str, ...]] = {
    "map": ("engines", "accelerators", "systems"),
    "cost": ("engines", "accelerators", "mode timeloop", "arrays", "systems", "other tools", "published machines"),
    "hardware": ("engines", "accelerators", "arrays", "systems"),
    "verilog": ("engines", "accelerators", "arrays", "systems", "codecs"),
}
"""Kinds of names that commands take: `map`; `cost`; `synthesize`; `generate` and `verify`."""
ONLY = {
    "codecs": "can only be generated and verified",
    "mode timeloop": "can only be costed",
    "other tools": "can only be costed",
    "published machines": "can only be costed",
    "systems": "can be mapped, costed with a mapping, generated, verified and synthesized",
    "arrays": "has no memory around it: it can be costed with a mapping, generated, verified and synthesized",
}

NEAR = 0.6
"""Likeness from which a name is worth suggesting; at a half, nope is like unpu."""


def names() -> dict[str, tuple[str, ...]]:
    """Return all names by kind."""
    from dataflows.machines import MACHINES
    from dataflows.nest.presets import PRESETS
    from dataflows.spatial.named import NAMED
    from systolith import codec_spec, presets
    from systolith.peer_cost import MODES
    from systolith.specs import ENGINES
    from systolith.system_spec import NAMES

    return {
        "engines": tuple(ENGINES),
        "accelerators": presets.names(),
        "mode timeloop": tuple(PRESETS),
        "other tools": MODES,
        "published machines": tuple(name for name in MACHINES if name not in PRESETS),
        "arrays": tuple(NAMED),
        "systems": tuple(NAMES),
        "codecs": tuple(codec_spec.NAMES),
    }


def _nearest(head: str, allowed: dict[str, tuple[str, ...]], found: dict[str, tuple[str, ...]]) -> str:
    """Name the nearest of all names, and what can be done with it where the command does not take it."""
    kinds = {name: kind for kind, known in (found | allowed).items() for name in known}
    near = difflib.get_close_matches(head, list(kinds), n=1, cutoff=NEAR)
    if not near:
        return "see `systolith presets` and `engines`"
    kind = kinds[near[0]]
    return f"did you mean {near[0]!r}?" + ("" if kind in allowed else f" {near[0]} {ONLY[kind]}")


def unknown(text: str, use: Use) -> SpecError:
    """Return the error for an architecture that a command does not take: what it takes, and the nearest name."""
    head, found = text.partition(":")[0].strip(), names()
    allowed = {kind: found[kind] for kind in KINDS[use]}
    other = next((kind for kind, known in found.items() if kind not in allowed and head in known), None)
    if other:
        fix = f"{head} {ONLY[other]}"
    else:
        fix = _nearest(head, allowed, found)
    listed = "; ".join(f"{kind}: {', '.join(known)}" for kind, known in allowed.items())
    return SpecError("architecture", text, f"{listed}; or a YAML file", fix)
