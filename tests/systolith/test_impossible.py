"""Every cost is held against its floors, and what falls below is said."""

from __future__ import annotations

import pytest

from systolith import impossible

COSTS = {
    "machine": [
        "conv:K=16,C=8,P=8,Q=8,R=3,S=3", "--arch", "ws:rows=4,cols=4",
        "--mapping", "L2 K2 P4 ; L1 K2 C2 R3 S3 P2 Q8 ; L0 C4X K4X",
    ],
    "timeloop": ["gemm:M=6,N=4,K=10", "--arch", "tri256", "--mapping", "L2 C5 ; L1 K2X Q6X ; L0[O] C2 K2"],
    "maestro": ["conv:K=8,C=8,P=8,Q=8,R=3,S=3", "--arch", "maestro:dataflow=kcp_ws,pes=64"],
    "scalesim": ["gemm:M=6,N=4,K=10", "--arch", "scalesim:rows=8,cols=8,dataflow=ws"],
    "zhang15": ["conv:K=8,C=8,P=8,Q=8,R=3,S=3", "--arch", "zhang15"],
}  # fmt: skip


@pytest.mark.parametrize("mode", COSTS)
def test_every_mode_reports_its_floor(mode, systolith):
    ran = systolith("cost", *COSTS[mode], "--json")
    (row,) = ran.json
    assert row["mode"] == mode
    assert 0 < row["floor_cycles"] <= row["cycles"]
    assert row["below_floor"] == []
    assert "warning" not in ran.err
    assert "floor_cycles" in systolith("cost", *COSTS[mode]).out


def test_what_is_below_is_said_by_whom_it_comes_from(capsys):
    below = [{"figure": "cycles", "found": 1999, "floor": 2000}]
    impossible.warn([
        {"layer": "a", "mode": "timeloop", "below_floor": below}, {"layer": "b", "mode": "maestro", "below_floor": below},
        {"layer": "c", "mode": "maestro", "below_floor": []},
    ])  # fmt: skip
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "warning: a: cycles 1,999, but no hardware can do with fewer than 2,000; the cost is wrong, please report it"
    )
    assert second.endswith("this is what maestro reports, do not compare with it")
