"""Verification of complete accelerators round arrays of any connectivity."""
