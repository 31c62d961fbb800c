"""Verification of spatial arrays: random layers and mappings, streams in and out, every sum and every cycle."""
