"""BERT-base and GPT-2 small: 12 layers of 12 heads of width 64 (attention reference, 1)."""

from __future__ import annotations

from dataflows.attention import attention_products
from dataflows.errors import SpecError
from dataflows.networks_build import Builder
from dataflows.workload import Network

DEPTH, HEADS, HEAD_WIDTH = 12, 12, 64
WIDTH = HEADS * HEAD_WIDTH
HIDDEN = 4 * WIDTH
BERT_POSITIONS = 512
GPT2_POSITIONS, GPT2_VOCABULARY = 1024, 50257


def bert_base(seq: int = 512, batch: int = 1) -> Network:
    """BERT-base (Devlin et al., 2018): encoder and pooler; the embedding is a table look-up and not a layer."""
    _within("bert_base:seq", seq, BERT_POSITIONS)
    net = Builder("bert_base", (WIDTH, 1, seq), batch)
    net.elementwise("embedding.norm", "norm")
    for index in range(DEPTH):
        _block(net, f"layer{index}", queries=seq, keys=seq, joined=False)
    net.gemm("pooler", M=batch, N=WIDTH, K=WIDTH)
    net.elementwise("pooler.tanh", "activation", batch * WIDTH)
    return net.network(f"Devlin et al. 2018, encoder and pooler, {seq} tokens")


def gpt2(seq: int = 1024, new: int = 0, batch: int = 1) -> Network:
    """GPT-2 small (Radford et al., 2019) with its output projection, which shares the embedding's weights.

    Parameters
    ----------
    seq : int
        Tokens in the context, including the new ones.
    new : int
        Tokens computed; the keys and values of the others are taken from a cache. 0 means all of them, 1 is one step of
        generation.
    batch : int
        Sequences.

    Notes
    -----
    The causal mask is not exploited (see `dataflows.attention.attention_products`), and every new token is projected to
    the vocabulary.
    """
    _within("gpt2:seq", seq, GPT2_POSITIONS)
    if new > seq:
        raise SpecError("gpt2:new", new, f"at most seq={seq}", "compute no more tokens than the context has")
    queries = new or seq
    net = Builder("gpt2", (WIDTH, 1, queries), batch)
    for index in range(DEPTH):
        _block(net, f"layer{index}", queries=queries, keys=seq, joined=True)
    net.elementwise("norm", "norm", batch * queries * WIDTH)
    net.gemm("head", M=batch * queries, N=GPT2_VOCABULARY, K=WIDTH)
    return net.network(f"Radford et al. 2019, small, {queries} of {seq} tokens computed")


def _block(net: Builder, name: str, *, queries: int, keys: int, joined: bool) -> None:
    """Append attention and feed-forward; `joined` makes query, key and value in one product, as GPT-2 stores them."""
    rows = net.batch * queries
    words = rows * WIDTH
    for part in ("qkv",) if joined else ("query", "key", "value"):
        net.gemm(f"{name}.{part}", M=rows, N=3 * WIDTH if joined else WIDTH, K=WIDTH)
    qk, softmax, pv = attention_products(
        f"{name}.attention", heads=HEADS, queries=queries, keys=keys, width=HEAD_WIDTH, batch=net.batch
    )
    net.product(qk)
    net.traffic(softmax)
    net.product(pv)
    net.gemm(f"{name}.project", M=rows, N=WIDTH, K=WIDTH)
    net.elementwise(f"{name}.add1", "add", words, operands=2)
    net.elementwise(f"{name}.norm1", "norm", words)
    net.gemm(f"{name}.ffn1", M=rows, N=HIDDEN, K=WIDTH)
    net.elementwise(f"{name}.gelu", "activation", rows * HIDDEN)
    net.gemm(f"{name}.ffn2", M=rows, N=WIDTH, K=HIDDEN)
    net.elementwise(f"{name}.add2", "add", words, operands=2)
    net.elementwise(f"{name}.norm2", "norm", words)


def _within(path: str, seq: int, most: int) -> None:
    if seq > most:
        raise SpecError(path, seq, f"at most {most}, the positions the network was trained with", "shorten the sequence")
