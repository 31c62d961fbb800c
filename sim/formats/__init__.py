"""Encodings of tensors as engines store them."""
