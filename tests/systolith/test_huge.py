"""Sizes that no memory holds end in a cost or in a sentence, at once and without an internal error."""

from __future__ import annotations

import pytest

HUGE = 10**12
ROWS = f"conv:K=1,C=1,P={HUGE},Q={HUGE},R=3,S=3"
IMAGES = f"conv:K=1,C=1,N={HUGE},P={HUGE},Q=1,R=3,S=3"
NEST = "L2: P1000000 Q1000000 P1000000 Q1000000 R3 S3"
ALL = "conv:" + ",".join(f"{dim}={10**15}" for dim in "NKCPQRS")
COSTED = {
    "a nest": [ROWS, "--arch", "bit_fusion", "--mapping", NEST],
    "a nest, all rules": [
        ROWS, "--arch", "bit_fusion", "--mapping", NEST, "--rules", "halo=physical,window=exact,psums=strict,ramp=once",
    ],
    "a stride": ["conv:K=1,C=1,P=1000,Q=1,R=3,S=1,stride=1000000000x1", "--arch", "bit_fusion", "--mapping", "L2: P1000 R3"],
    "scalesim": [ROWS, "--arch", "scalesim:rows=32,cols=32,dataflow=ws"],
    "maestro": [ROWS, "--arch", "maestro:dataflow=kcp_ws,pes=256"],
    "maestro, all": [ALL, "--arch", "maestro:dataflow=kcp_ws,pes=256"],
    "zhang15": [ALL, "--arch", "zhang15"],
    "tpu_v1_counters": [ALL, "--arch", "tpu_v1_counters"],
    "isca16": [IMAGES, "--arch", "isca16:dataflow=osa"],
    "eyeriss_v1": [f"conv:K={HUGE},C={HUGE},P={HUGE},Q=5,R=3,S=3", "--arch", "eyeriss_v1"],
}  # fmt: skip
REFUSED = {
    "more than a float": ([f"gemm:M={10**200},N=1,K=1", "--arch", "zhang15"], 2, "at most 1,000,000,000,000,000"),
    "padding without end": (
        ["gemm:M=1,N=1,K=1", "--arch", "bit_fusion", "--mapping", "L1: " + "P1000000 " * 25], 2, "at most 1e+120",
    ),
    "images to try": ([IMAGES, "--arch", "isca16:dataflow=rs"], 2, "at most 2,000; split the layer"),
    "a buffer": ([ROWS, "--arch", "isca16:dataflow=rs"], 1, "buffer lacks"),
    "our hardware": (["conv:K=1,C=1,P=3,Q=3,R=1000000000,S=3", "--arch", "ws-8x8"], 1, "filter rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", COSTED)
def test_huge_layers_have_a_cost(case, systolith):
    ran = systolith("cost", *COSTED[case], "--json")
    (row,) = ran.json
    assert (ran.code, ran.err) == (0, "")
    assert row["cycles"] >= row["floor_cycles"] * (1 - 1e-12)
    assert row["below_floor"] == []
    assert systolith("cost", *COSTED[case]).code == 0


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_too_large_is_refused_with_its_limit(case, systolith):
    args, code, said = REFUSED[case]
    ran = systolith("map" if case == "our hardware" else "cost", *args)
    assert (ran.code, said in ran.err) == (code, True), ran.err
    assert "internal" not in ran.err
