"""The closed form of NVIDIA's performance workbook for NVDLA, its slips included (dense reference, 5.5 and 15.5).

The workbook takes a layer as memory time against multiplier time, one layer after the other. It is not the hardware: channels
are aligned to 16 where the hardware of 2,048 multipliers has atoms of 64, stripes and latencies are left out, and a kilobyte
counts as 1,000 bytes on the memory bus. Filters of 3 x 3 are taken in Winograd's form, whatever their stride.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from dataflows.errors import SpecError, suggestion
from dataflows.machines.result import MachineCost
from dataflows.workload import Layer, Network

MODE = "nvdla_workbook"
SHEETS = {"resnet50": 128, "alexnet": 16}
"""Sheets, with the multiple to which each rounds filters up."""
WINOGRAD_PRODUCTS, WINOGRAD_WEIGHTS = 2.25, 16 / 9
LEAST_FILTERS = 32  # the weights that have to be in the buffer to make progress are those of so many filters
KB = 1024


@dataclass(frozen=True, slots=True)
class Nvdla:
    """A configuration, and the sheet that is followed.

    Attributes
    ----------
    macs : int
        Multipliers.
    cbuf_kb : int
        Convolution buffer.
    gbps : float
        Memory bandwidth, GB/s.
    mhz : float
        Clock.
    element_bytes : int
        1 for INT8, 2 for INT16 and FP16.
    sheet : str
        ``resnet50`` reads tensors again where the buffer is short and charges all weights of a fully connected layer to each
        image; ``alexnet`` never reads again and divides those weights by the batch.
    """

    macs: int = 2048
    cbuf_kb: int = 512
    gbps: float = 10.0
    mhz: float = 1000.0
    element_bytes: int = 1
    sheet: str = "resnet50"

    def __post_init__(self) -> None:
        if self.sheet not in SHEETS:
            raise SpecError(
                f"{MODE}: sheet", self.sheet, ", ".join(SHEETS), suggestion(self.sheet, SHEETS, "choose one of these")
            )
        for name in ("macs", "cbuf_kb", "gbps", "mhz", "element_bytes"):
            if getattr(self, name) <= 0:
                raise SpecError(f"{MODE}: {name}", getattr(self, name), "a positive number", "correct the value")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line of the workbook says beyond the shape of its layer.

    Attributes
    ----------
    outputs : int
        Words of one image after fused pooling, channels padded to 16; 0 for those of the layer.
    add : bool
        Whether an element-wise addition is fused.
    first : bool
        Whether it is the first layer, which is neither in Winograd's form nor compared input with weights.
    """

    outputs: int = 0
    add: bool = False
    first: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """Kilobytes of a line: whole input, least input, output, weights, least weights."""

    inputs: float
    least_inputs: float
    outputs: float
    weights: float
    least_weights: float


def evaluate(layer: Layer, machine: Nvdla, entry: Entry | None = None) -> MachineCost:
    """Cost one layer; groups and images one after another, but images of fully connected layers together on sheet ``alexnet``.

    Matrix products are 1 x 1 convolutions over a line of pixels, or on that sheet fully connected layers of as many images.

    Raises
    ------
    SpecError
        For dilated filters, which the workbook does not have.
    """
    entry = entry or Entry()
    if layer.dilation != (1, 1):
        raise SpecError(f"{layer.name}.dilation", layer.dilation, "(1, 1): the workbook has no dilation", "leave the layer out")
    batch, images = _images(layer, machine)
    sizes = sizes_of(layer, machine, entry)
    kilobytes = traffic(sizes, machine, entry, batch)
    dram = ceil(kilobytes / machine.gbps * machine.mhz)
    products = WINOGRAD_PRODUCTS if _winograd(layer, entry) else 1.0
    macs = multiplier_cycles(layer, machine, batch) / products
    figures = {
        "input_kb": sizes.inputs, "output_kb": sizes.outputs, "weight_kb": sizes.weights, "dram_kb": kilobytes,
        "dram_cycles": dram, "mac_cycles": macs, "winograd": products > 1, "images": images, "add": entry.add,
    }  # fmt: skip
    rules = {name: getattr(machine, name) for name in Nvdla.__slots__}
    return MachineCost.of(
        layer, MODE, images * max(dram, macs), machine.macs, limits={"dram": images * dram, "mac": images * macs},
        figures=figures, rules=rules, products=products,
    )  # fmt: skip


def sizes_of(layer: Layer, machine: Nvdla, entry: Entry) -> Sizes:
    """Return the kilobytes of one image and group; strides are folded into channels."""
    (sy, sx), unit = layer.stride, machine.element_bytes / KB
    rows, cols, pixels = _plane(layer, machine)
    channels = _up(layer.C * sx * sy, 16)
    line = channels * ceil(cols / sx) * unit
    weights = channels * ceil(layer.R / sy) * ceil(layer.S / sx) * unit * (WINOGRAD_WEIGHTS if _winograd(layer, entry) else 1)
    least = weights * LEAST_FILTERS
    return Sizes(
        inputs=line * ceil(rows / sy),
        least_inputs=line * min(layer.R + entry.first, ceil(rows / sy)),
        outputs=(entry.outputs or pixels * _up(layer.K, 16)) * unit,
        weights=weights * layer.K,
        least_weights=least if least < machine.cbuf_kb else machine.cbuf_kb / 2,
    )


def traffic(sizes: Sizes, machine: Nvdla, entry: Entry, batch: int = 1) -> float:
    """Return the kilobytes between memory and buffer: what does not fit beside the other tensor is read again."""
    x, weights, out = sizes.inputs, sizes.weights, sizes.outputs
    extra = out if entry.add else 0
    if machine.sheet == "alexnet":
        return x + weights / batch + out + extra
    if (sizes.least_inputs < sizes.least_weights) if entry.first else (x < weights):
        room = machine.cbuf_kb - sizes.least_weights
        return (ceil(x / room) * weights if x > room else weights) + x + out + extra
    room = machine.cbuf_kb - sizes.least_inputs
    if room <= 0:
        raise SpecError(f"{MODE}: cbuf_kb", machine.cbuf_kb, f"more than {sizes.least_inputs:g}", "enlarge the buffer")
    return (ceil(weights / room) * x if weights > room else x) + weights + out + extra


def multiplier_cycles(layer: Layer, machine: Nvdla, batch: int = 1) -> float:
    """Return the cycles of all multipliers for one image and group, without Winograd; the workbook does not round them."""
    (sy, sx), (rows, cols, _) = layer.stride, _plane(layer, machine)
    if not any(layer.padding):
        rows, cols = rows - layer.R + 1, cols - layer.S + 1
    channels, filters = _up(layer.C * sx * sy, 16), _up(layer.K * batch, SHEETS[machine.sheet])
    return channels * ceil(rows / sy) * ceil(cols / sx) * filters * layer.R * layer.S / (sx * sy) / machine.macs / batch


def network_costs(network: Network, machine: Nvdla) -> list[tuple[MachineCost, int]]:
    """Cost a network with pooling and additions fused into the layers they follow; equal lines with how often they occur."""
    counted: dict[tuple[object, ...], list[MachineCost]] = {}
    for layer, entry in entries(network):
        counted.setdefault((layer.shape, entry), []).append(evaluate(layer, machine, entry))
    return [(found[0], len(found)) for found in counted.values()]


def entries(network: Network) -> Iterator[tuple[Layer, Entry]]:
    """Yield the layers with what is fused into them."""
    after: dict[str, list[tuple[str, int]]] = {}
    for each in network.traffic:
        after.setdefault(each.after, []).append((each.op, each.output_words))
    for index, layer in enumerate(network.layers):
        fused = after.get(layer.name, [])
        pools = [words for op, words in fused if op in ("maxpool", "avgpool")]
        filters = layer.G * layer.K
        pooled = pools[-1] // (layer.N * filters) * _up(filters, 16) // layer.G if pools else 0
        yield layer, Entry(pooled, any(op == "add" for op, _ in fused), index == 0)


def _one_by_one(layer: Layer, machine: Nvdla) -> bool:
    """Whether the rows of a matrix product are images, which share weights but not the array; else they are a line of pixels."""
    return machine.sheet == "alexnet" and layer.kind == "gemm"


def _plane(layer: Layer, machine: Nvdla) -> tuple[int, int, int]:
    """Return rows and columns of the input, and pixels of the output, of one image."""
    return (1, 1, 1) if _one_by_one(layer, machine) else (layer.H, layer.W, layer.P * layer.Q)


def _images(layer: Layer, machine: Nvdla) -> tuple[int, int]:
    """Return how many images share weights, and how often a line is run: for every image and group."""
    count = layer.N * (layer.Q if _one_by_one(layer, machine) else 1)
    shared = machine.sheet == "alexnet" and (_one_by_one(layer, machine) or (layer.P, layer.Q) == (1, 1))
    return count if shared else 1, count * layer.G


def _winograd(layer: Layer, entry: Entry) -> bool:
    return (layer.R, layer.S) == (3, 3) and not entry.first


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
