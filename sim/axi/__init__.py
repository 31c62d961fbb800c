"""Verification of an accelerator behind AXI."""
