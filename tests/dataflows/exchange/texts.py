"""Texts in the forms of other tools, and reading them."""

from __future__ import annotations

from pathlib import Path

from dataflows.exchange.source import TAGS
from dataflows.yaml_lines import Document, parse_yaml

EXAMPLES = Path(__file__).resolve().parents[3] / "examples/exchange"


def document(text: str) -> Document:
    """Parse text as a file called ``t.yaml``."""
    return parse_yaml(text, "t.yaml", TAGS)


def example(name: str) -> Document:
    """Parse one of the examples."""
    return document((EXAMPLES / name).read_text())
