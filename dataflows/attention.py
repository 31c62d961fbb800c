"""Attention as batched matrix products: one group per head and sequence."""

from __future__ import annotations

from typing import Any

from dataflows.traffic import TrafficLayer
from dataflows.workload import Layer


def attention_products(
    name: str, *, heads: int, queries: int, keys: int, width: int, batch: int = 1, **rest: Any
) -> tuple[Layer, TrafficLayer, Layer]:
    """Return Q x K^T, its softmax, and P x V of one attention layer (attention reference, 1).

    Groups are heads x sequences: no operand is shared between them. The operand in the role of weights, K^T and then V, is
    made by the network itself, so it is traffic like any weight but no parameter of the model. Every query meets every
    key: a causal mask removes products only on an engine that skips them.

    Parameters
    ----------
    name : str
        Prefix; the parts are called ``name.qk``, ``name.softmax`` and ``name.pv``.
    heads, batch : int
        Heads per sequence and sequences.
    queries, keys : int
        Tokens that ask and tokens that are asked; equal when a whole sequence is processed, queries = 1 when one token is
        generated.
    width : int
        Elements of a head's query, key and value.
    rest : dict
        Further fields of both layers, such as ``input_bits``.
    """
    groups = heads * batch
    qk = Layer.gemm(f"{name}.qk", M=queries, N=keys, K=width, G=groups, **rest)
    pv = Layer.gemm(f"{name}.pv", M=queries, N=width, K=keys, G=groups, **rest)
    softmax = TrafficLayer.elementwise(f"{name}.softmax", "softmax", qk.output_words, bits=qk.input_bits, after=qk.name)
    return qk, softmax, pv
