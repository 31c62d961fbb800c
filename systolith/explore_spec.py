"""The YAML that ``systolith explore`` reads: a network, a budget, and how to search and verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dataflows.arch import MOST_COLS, MOST_LATENCY, MOST_ROWS, NARROWEST_BUS
from dataflows.documents import validate
from dataflows.errors import SpecError
from dataflows.onnx_options import split_file
from dataflows.yaml_lines import read_yaml

if TYPE_CHECKING:
    from dse.job import Job

Int = Annotated[int, Field(strict=True)]
Bandwidth = Literal[1, 2, 4, 8, 16, 32, 64, 128]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Strict):
    """Size of the network's image input, in pixels; needed where the network leaves it open."""

    H: Annotated[Int, Field(ge=1, le=8192)]
    W: Annotated[Int, Field(ge=1, le=8192)]


class Calibration(_Strict):
    """Image that activation ranges are taken from, and that verification runs on."""

    image: str = "skimage:page"


class Budget(_Strict):
    """What the accelerator may use."""

    macs: Annotated[Int, Field(ge=1, le=MOST_ROWS * MOST_COLS, description="multipliers: rows x cols at most")] = 256
    buffer_kib: Annotated[Int, Field(ge=1, le=65536, description="KiB of all on-chip buffers")] = 128
    bandwidth_bytes_per_cycle: Bandwidth = 16
    dram_latency: Annotated[Int, Field(ge=1, le=MOST_LATENCY, description="cycles from an accepted read to its data")] = 32


class Search(_Strict):
    """How far to search, and for what."""

    evaluations: Annotated[Int, Field(ge=1, le=10_000_000, description="accelerators to evaluate")] = 300
    seed: Annotated[Int, Field(ge=0, le=2**32 - 1)] = 0
    dataflows: Annotated[tuple[Literal["ws", "os"], ...], Field(min_length=1)] = ("ws", "os")
    objective: Literal["edp", "energy", "latency"] = "edp"
    bits: Literal[4, 8, 16] = 8


class Verify(_Strict):
    """Whole layers of the winner to run through its Verilog."""

    layers: Literal["auto"] | Annotated[tuple[str, ...], Field(min_length=1)] = "auto"
    count: Annotated[Int, Field(ge=1, le=1000, description="layers picked when `layers` is auto")] = 4


class ExploreSpec(_Strict):
    """One exploration."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: str = ""
    network: str
    input: Input | None = None
    calibration: Calibration = Calibration()
    budget: Budget = Budget()
    search: Search = Search()
    verify: Verify = Verify()

    @property
    def shapes(self) -> tuple[int, int] | None:
        """(H, W), or None to leave the network as it is."""
        return (self.input.H, self.input.W) if self.input else None

    def job(self) -> Job:
        """Return the job in the units of the hardware."""
        from dataflows.arch import Memory
        from dse.budget import Budget as Limits
        from dse.job import Job

        bandwidth = self.budget.bandwidth_bytes_per_cycle
        bus = max(NARROWEST_BUS, bandwidth)  # less bandwidth is a longer interval between beats
        memory = Memory(bus_bytes=bus, interval=bus // bandwidth, latency=self.budget.dram_latency)
        limits = Limits(self.budget.macs, 1024 * self.budget.buffer_kib, memory, self.search.bits)
        layers = None if self.verify.layers == "auto" else tuple(self.verify.layers)
        return Job(
            name=self.name, network=self.network, budget=limits, shapes=self.shapes, image=self.calibration.image,
            evaluations=self.search.evaluations, seed=self.search.seed, dataflows=self.search.dataflows,
            objective=self.search.objective, verify_layers=layers, verify_count=self.verify.count, spec=self.to_dict(),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the complete specification, defaults included."""
        return self.model_dump(mode="json", by_alias=True)


def read_explore_spec(path: Path) -> ExploreSpec:
    """Read and check a specification; paths inside it become relative to its folder.

    Raises
    ------
    SpecError
        With file, line and field.
    """
    document = read_yaml(path, "an exploration, see examples/")
    spec = validate(ExploreSpec, document)
    if len(set(spec.search.dataflows)) != len(spec.search.dataflows):
        raise SpecError(
            document.where("search", "dataflows"), spec.search.dataflows, "each dataflow once", "remove the repeated one"
        )
    network = beside(path, spec.network)
    image = spec.calibration.image if spec.calibration.image.startswith("skimage:") else beside(path, spec.calibration.image)
    update = {"network": network, "calibration": Calibration(image=image), "name": spec.name or path.stem}
    return spec.model_copy(update=update)


def beside(spec: Path, text: str) -> str:
    """Return `text`, with a path that it is or begins with below the folder of the specification."""
    path, options = split_file(text) or (Path(text), "")
    known = (".onnx", ".yaml", ".yml", ".csv", ".png", ".jpg", ".jpeg")
    if path.suffix.lower() not in known or ":" in str(path) or path.is_absolute():
        return text
    return f"{spec.parent / path}:{options}" if options else str(spec.parent / path)
