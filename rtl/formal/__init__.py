"""Formal checks: what a component promises, proved by an SMT solver."""
