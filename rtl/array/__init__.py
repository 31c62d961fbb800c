"""The PE array, generated from what its dataflow relation implies."""

from __future__ import annotations

from rtl.array.core import PEArray
from rtl.array.plan import ArrayPlan

__all__ = ["ArrayPlan", "PEArray"]
