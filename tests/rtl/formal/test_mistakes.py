"""Every claim has a mistake that breaks it; docs/verification-formal.md says so and counts them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rtl.formal.bench import Bench
from tests.rtl.formal import (
    test_addresses,
    test_beats,
    test_engines,
    test_lite,
    test_order,
    test_queue,
    test_ram_queue,
    test_rlc,
    test_sequencer,
    test_spatial_tokens,
    test_spatial_walk,
)
from tests.rtl.formal.broken import Mistake

PAGE = Path(__file__).resolve().parents[3] / "docs" / "verification-formal.md"
MISTAKES: dict[Callable[[], Bench], list[Mistake]] = {
    test_queue.queue_bench: test_queue.MISTAKES,
    test_ram_queue.ram_queue_bench: test_ram_queue.MISTAKES,
    test_order.order_bench: test_order.MISTAKES,
    test_addresses.burst_bench: test_addresses.BURST,
    test_addresses.pixel_bench: test_addresses.PIXELS,
    test_addresses.tap_bench: test_addresses.TAPS,
    test_sequencer.tile_bench: test_sequencer.MISTAKES,
    test_spatial_tokens.short_bench: [*test_spatial_tokens.MISTAKES, test_spatial_tokens.STUCK, test_spatial_tokens.SLOWER],
    test_spatial_walk.walk_bench: test_spatial_walk.MISTAKES,
    test_engines.load_bench: test_engines.LOAD,
    test_engines.store_bench: test_engines.STORE,
    test_lite.lite_bench: test_lite.MISTAKES,
    test_rlc.encoder_bench: test_rlc.ENCODER,
    test_rlc.decoder_bench: test_rlc.DECODER,
    test_rlc.loop_bench: test_rlc.LOOP,
    test_beats.encoder_bench: test_beats.ENCODER,
    test_beats.decoder_bench: test_beats.DECODER,
    test_beats.loop_bench: test_beats.LOOP,
}


def family(claim: str) -> str:
    """One name for what the same line of a generator makes for several tensors."""
    return re.sub(r"^(weights|inputs|outputs)_", "TENSOR_", claim)


@pytest.mark.parametrize("build", MISTAKES, ids=lambda build: build.__name__)
def test_every_claim_has_a_mistake_that_breaks_it(build: Callable[[], Bench]) -> None:
    bench = build()
    assert bench.smt2  # built as in a proof: Amaranth warns of parts that are never used
    claims = {family(claim) for claim in bench.claims}
    assert claims == {family(mistake.claim) for mistake in MISTAKES[build]}


def test_the_page_counts_the_mistakes() -> None:
    assert f"{sum(map(len, MISTAKES.values()))} in all" in PAGE.read_text(encoding="utf-8")
