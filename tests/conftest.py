"""Settings shared by all tests."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings

# Machines that run CI differ in speed by ten times: a deadline would test the machine.
settings.register_profile("default", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# A run of CI must be repeatable; fresh examples are tried at every desk and in the nightly run.
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

COVERAGE = "cases walked"
"""Property of a test that walked loop nests: how many, and in how many of them each feature occurred."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what the walker was held against, over all tests that ran, on whatever worker."""
    seen: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, counts in report.user_properties:
            if name == COVERAGE:
                seen.update(counts)
    if cases := seen.pop("cases", 0):
        terminalreporter.section("loop nests walked")
        terminalreporter.write_line(f"{cases:,} cases, {len(seen)} features, the rarest first:")
        terminalreporter.write_line(", ".join(f"{name} {times:,}" for name, times in sorted(seen.items(), key=lambda x: x[1])))
