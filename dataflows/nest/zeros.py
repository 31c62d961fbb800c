"""Accesses at the multipliers that zeros save, where the datapath gates or skips them (sparse reference, 12).

Zeros are independent and uniform. One access may serve many multipliers, by multicast, by addition on the way, or side by
side in a row; it is saved only where none of them needs it.
"""

from __future__ import annotations

from dataflows.nest.nest import Nest
from dataflows.nest.rules import RELEVANT, TENSORS

OPERANDS = ("weights", "inputs")


def density(nest: Nest, tensor: str) -> float:
    """Return the share of a tensor's words that are not zero; of outputs, when they are final: sums are dense."""
    ly = nest.layer
    return {"weights": ly.weight_density, "inputs": ly.input_density, "outputs": ly.output_density}[tensor]


def active_share(nest: Nest, tensor: str, level: int) -> float:
    """Return the share of the accesses between the multipliers and `level` that zeros do not save.

    Sums are accessed for products that are done. An operand is accessed where a partner is known not to be zero: the partner
    is gated or skipped, and is either stored with an index of its zeros, or read first because this operand is not watched.
    Products that share an input or a weight are treated exactly, windows that overlap between instances as independent.
    """
    path = nest.arch.datapath
    watched = frozenset() if path is None else path.gate | path.skip
    if not watched:
        return 1.0
    if tensor != "outputs":
        (partner,) = (operand for operand in OPERANDS if operand != tensor)
        if partner not in watched or (tensor in watched and not _indexed(nest, partner)):
            return 1.0
        watched = frozenset((partner,))
    sizes = _served(nest, tensor, level)
    # One block per index that both operands depend on: it is active when an input and a weight of it are not zero.
    active = 1.0
    for operand, alone in (("inputs", sizes["inputs"]), ("weights", sizes["weights"])):
        if operand in watched:
            active *= 1 - (1 - density(nest, operand)) ** alone
    return 1 - (1 - active) ** sizes["both"]


def _served(nest: Nest, tensor: str, level: int) -> dict[str, int]:
    """Count what one access serves: instances along dimensions of the inputs alone, of the weights alone, and of both."""
    storage = nest.storage[level]
    rows = "" if storage.row_bits is None else storage.row_dims[TENSORS.index(tensor)]
    sizes = {"inputs": 1, "weights": 1, "both": 1}
    for at in range(level + 1):
        net = nest.storage[at].fanout
        joins = net.reduction if tensor == "outputs" else net.multicast
        for dim, extent, _, _ in nest.spreads[at]:
            if dim in rows or (dim not in RELEVANT[tensor] and joins):
                operands = [operand for operand in OPERANDS if dim in RELEVANT[operand]]
                sizes[operands[0] if len(operands) == 1 else "both"] *= extent
    return sizes


def _indexed(nest: Nest, tensor: str) -> bool:
    """Whether the innermost level that holds a tensor stores where its zeros are."""
    level = next(i for i, holds in enumerate(nest.holds) if tensor in holds)
    return nest.storage[level].formats[TENSORS.index(tensor)].kind != "dense"
