"""Five of the six dataflows of ISCA 2016: what each may choose, and the accesses that follow (dense reference, 4.3).

Sums never leave the chip. Output-stationary dataflows keep the filters of one group in the buffer, `kept` of them with all
their channels, and beside them the inputs that the array works on; inputs come in again for every group of filters, and where
a dataflow has no convolutional reuse, for every window. Weight-stationary arrays hold a weight until all images have passed:
the buffer keeps the sums. Spatial parameters fill the array.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from dataflows.machines.isca16_counts import Accesses, Chip, Plan, Problem, largest, steps, sums


def weight_stationary(one: Problem, chip: Chip) -> Iterator[Plan]:
    """Yield WS: `m` filters x `c` channels of R x S weights side by side; inputs are broadcast, sums added from PE to PE.

    Inputs come as rows. A sum passes the S weights of a filter row (of `c` channels) while they do, and meets the next filter
    row a line of input later. No PE holds sums, so they wait in the buffer: R rounds for every channel.
    """
    window = one.R * one.S
    for m in steps(one.M, min(chip.pes // window, chip.buffer // (one.N * one.E * one.F))):
        for c in steps(one.C, chip.pes // (window * m)):
            inputs = one.N * one.C * one.rows(one.E) * one.cols(one.F) * ceil(one.M / m)
            turns = ceil(one.C / c)
            weights = Accesses(one.weights, one.weights, one.weights, one.macs)
            out = sums(one, turns * one.R, one.terms / (turns * one.R), in_rf=False)
            cycles = ceil(one.M / m) * turns * one.N * one.E * one.F
            yield Plan(one, weights, Accesses(inputs, inputs, one.macs), out, cycles, f"m={m},c={c}")


def pixels_of_one_channel(one: Problem, chip: Chip) -> Iterator[Plan]:
    """Yield OSA (SOC-MOP): `e` x `f` pixels of one filter, of `n` images where pixels are few; weights are broadcast."""
    for e in steps(one.E, chip.pes):
        for f in steps(one.F, chip.pes // e):
            tiles, area = ceil(one.E / e) * ceil(one.F / f), one.all_rows(e) * one.all_cols(f)
            for n in steps(one.N, chip.pes // (e * f)):
                plane, rounds = one.N * one.C * area, tiles * ceil(one.N / n)
                for kept in _kept(one, chip, n * one.C * one.rows(e) * one.cols(f)):
                    yield _outputs_stay(
                        one, plane * ceil(one.M / kept), plane * one.M, one.weights * rounds, one.weights * rounds,
                        f"e={e},f={f},n={n},kept={kept}",
                    )  # fmt: skip


def pixels_of_channels(one: Problem, chip: Chip) -> Iterator[Plan]:
    """Yield OSB (MOC-MOP): `f` pixels of a row and `m` filters; inputs are reused along the row and by the filters."""
    for f in steps(one.F, chip.pes):
        for m in steps(one.M, chip.pes // f):
            lines = one.N * one.C * one.E * one.R * one.all_cols(f)
            for n in steps(one.N, chip.pes // (f * m)):
                times = one.E * ceil(one.F / f) * ceil(one.N / n)
                for kept in _kept(one, chip, n * one.C * one.R * one.cols(f)):
                    yield _outputs_stay(
                        one, lines * ceil(one.M / kept), lines * ceil(one.M / m), one.weights * times,
                        ceil(one.M / m) * one.terms * times, f"f={f},m={m},n={n},kept={kept}",
                    )  # fmt: skip


def channels_of_one_pixel(one: Problem, chip: Chip) -> Iterator[Plan]:
    """Yield OSC (MOC-SOP): `m` filters of one pixel, of `n` images; only images share weights."""
    for m in steps(one.M, chip.pes):
        for n in steps(one.N, chip.pes // m):
            windows = one.N * one.E * one.F * one.terms
            for kept in _kept(one, chip, n * one.terms):
                times = one.E * one.F * ceil(one.N / n)
                yield _outputs_stay(
                    one, windows * ceil(one.M / kept), windows * ceil(one.M / m), one.weights * times,
                    ceil(one.M / m) * one.terms * times, f"m={m},n={n},kept={kept}",
                )  # fmt: skip


def no_local_reuse(one: Problem, chip: Chip) -> Iterator[Plan]:
    """Yield NLR: groups of `m` PEs share a pixel, `c` groups add up over channels; every weight comes from the buffer.

    The buffer may keep filters (inputs stream by rows), or inputs of a strip of `n` images (filters stream).
    """
    for m in steps(one.M, chip.pes):
        for c in steps(one.C, chip.pes // m):
            rounds = ceil(one.C / c) * one.R * one.S
            out = sums(one, rounds, one.terms / rounds, in_rf=False)
            cycles, reads = ceil(one.M / m) * rounds * one.N * one.E * one.F, one.macs / m
            for weights, inputs, text in _streams(one, chip, m):
                yield Plan(
                    one, Accesses(weights, one.macs), Accesses(inputs, reads, one.macs), out, cycles, f"m={m},c={c},{text}"
                )


def _streams(one: Problem, chip: Chip, m: int) -> Iterator[tuple[int, int, str]]:
    """Yield DRAM words of weights and inputs, by what the buffer keeps."""
    width = one.cols(one.F)
    plane = one.C * one.rows(one.E) * width
    for kept in _kept(one, chip, one.C * one.R * width + m):
        yield one.weights, one.N * plane * ceil(one.M / kept), f"kept={kept}"
    line = one.C * width
    for e in steps(one.E, max(0, chip.buffer // line - one.R) // one.U + 1):
        for n in steps(one.N, chip.buffer // (line * one.rows(e))):
            if n * one.C * one.rows(e) * width + m * one.R * one.S + m <= chip.buffer:
                blocks = ceil(one.E / e) * ceil(one.N / n)
                yield one.weights * blocks, one.N * one.C * one.all_rows(e) * width, f"e={e},n={n}"


def _kept(one: Problem, chip: Chip, inputs: int) -> list[int]:
    """Return the most filters that fit the buffer beside `inputs` words, evened out over the groups; nothing if none fits."""
    room = (chip.buffer - inputs) // one.terms
    return [largest(one.M, room)] if room > 0 else []


def _outputs_stay(one: Problem, dram: int, inputs: int, weights: int, cycles: int, text: str) -> Plan:
    """Every product takes its weight and its input off the array and finds its sum in the register file."""
    return Plan(
        one, Accesses(one.weights, weights, one.macs), Accesses(dram, inputs, one.macs), sums(one, 1, 1, in_rf=True), cycles, text
    )
