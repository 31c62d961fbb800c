"""Mutation runs: whether the benches notice that one pin of one cell is wrong."""
