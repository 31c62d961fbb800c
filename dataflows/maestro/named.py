"""The three dataflows that the tool's users compare by name, in the directives published with it."""

from __future__ import annotations

from dataflows.errors import SpecError, suggestion
from dataflows.maestro.directives import Directives

_DEPTHWISE = (
    "SpatialMap(1,1) C; TemporalMap(Sz(R),1) Y; TemporalMap(Sz(S),1) X; TemporalMap(Sz(R),Sz(R)) R; TemporalMap(Sz(S),Sz(S)) S"
)
_TAPS = "TemporalMap(Sz(R),Sz(R)) R; TemporalMap(Sz(S),Sz(S)) S"
_WINDOW = "TemporalMap(Sz(R),1) Y; TemporalMap(Sz(S),1) X"
_TEXTS = {
    # NVDLA: output channels over clusters, input channels within a cluster of 64, one window at a time
    "kcp_ws": f"SpatialMap(1,1) K; TemporalMap(64,64) C; {_TAPS}; {_WINDOW}; Cluster(64); SpatialMap(1,1) C; {_WINDOW}; {_TAPS}",
    # Eyeriss: output rows over clusters, filter rows and their input rows on the diagonals of a cluster
    "rs": f"SpatialMap(1,1) Y'; TemporalMap(1,1) X'; TemporalMap(1,1) C; TemporalMap(16,16) K; {_TAPS}; "
    "Cluster(Sz(R)); SpatialMap(1,1) Y; SpatialMap(1,1) R; TemporalMap(Sz(S),Sz(S)) S",
    # ShiDianNao: output rows over clusters, eight windows along a row within a cluster
    "yxp_os": f"TemporalMap(1,1) K; TemporalMap(1,1) C; SpatialMap(Sz(R),1) Y; TemporalMap(10,8) X; {_TAPS}; "
    "Cluster(8); SpatialMap(Sz(S),1) X; TemporalMap(Sz(S),Sz(S)) S",
}
NAMED: dict[str, Directives] = {
    name: Directives(name, Directives.parse(text).items, Directives.parse(_DEPTHWISE).items) for name, text in _TEXTS.items()
}
"""Dataflows by name; all three run depthwise layers with channels over the PEs, as the tool's mapping files do."""


def dataflow(name: str) -> Directives:
    """Return a named dataflow.

    Raises
    ------
    SpecError
        For an unknown name.
    """
    if name not in NAMED:
        raise SpecError("dataflow", name, ", ".join(NAMED), suggestion(name, NAMED, "choose one of these"))
    return NAMED[name]
