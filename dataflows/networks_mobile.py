"""Networks of depthwise and pointwise convolutions: MobileNet V1 and V2, MNasNet, EfficientNet-Lite0.

Shapes and totals are those of the codesign reference, 6.1, where it lists them.
"""

from __future__ import annotations

from dataflows.networks_build import Builder, Padding
from dataflows.workload import Activation, Network


def mobilenet_v1(size: int = 224, batch: int = 1) -> Network:
    """MobileNet V1 of width 1 (Howard et al., 2017, table 1)."""
    net = Builder("mobilenet_v1", (3, size, size), batch)
    net.conv("conv1", 32, 3, 2)
    pairs = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    for index, (channels, stride) in enumerate(pairs, 2):
        net.depthwise(f"conv{index}.dw", 3, stride, activation="relu")
        net.conv(f"conv{index}.pw", channels, 1)
    net.global_pool()
    net.fc("fc", 1000)
    return net.network(f"Howard et al. 2017, width 1, input 3 x {size} x {size}")


def mobilenet_v2(size: int = 224, batch: int = 1) -> Network:
    """MobileNet V2 of width 1 (Sandler et al., 2018, table 2)."""
    net = Builder("mobilenet_v2", (3, size, size), batch)
    net.conv("conv1", 32, 3, 2, activation="relu6")
    _bottlenecks(
        net, ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 3, 32, 3, 2), (6, 3, 64, 4, 2), (6, 3, 96, 3, 1), (6, 3, 160, 3, 2),
              (6, 3, 320, 1, 1)), "relu6",
    )  # fmt: skip
    _head(net, "relu6")
    return net.network(f"Sandler et al. 2018, width 1, input 3 x {size} x {size}")


def mnasnet(size: int = 224, batch: int = 1) -> Network:
    """MNasNet B1 of depth 1 (Tan et al., 2018), without squeeze and excitation."""
    net = Builder("mnasnet", (3, size, size), batch)
    net.conv("conv1", 32, 3, 2)
    _bottlenecks(
        net, ((1, 3, 16, 1, 1), (3, 3, 24, 3, 2), (3, 5, 40, 3, 2), (6, 5, 80, 3, 2), (6, 3, 96, 2, 1), (6, 5, 192, 4, 2),
              (6, 3, 320, 1, 1)), "relu",
    )  # fmt: skip
    _head(net, "relu")
    return net.network(f"Tan et al. 2018, variant B1, input 3 x {size} x {size}")


def efficientnet_lite0(size: int = 224, batch: int = 1) -> Network:
    """EfficientNet-Lite0: EfficientNet-B0 (Tan and Le, 2019) without squeeze and excitation, with ReLU6.

    Padding is TensorFlow's, which puts the odd pixel at the end.
    """
    net = Builder("efficientnet_lite0", (3, size, size), batch)
    net.conv("conv1", 32, 3, 2, padding="same", activation="relu6")
    _bottlenecks(
        net, ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2),
              (6, 3, 320, 1, 1)), "relu6", "same",
    )  # fmt: skip
    _head(net, "relu6")
    return net.network(f"Tan and Le 2019 (B0) in its Lite form, input 3 x {size} x {size}")


def _bottlenecks(
    net: Builder, stages: tuple[tuple[int, int, int, int, int], ...], activation: Activation, padding: Padding = None
) -> None:
    """Append inverted bottlenecks; a stage is (expansion, filter, channels, repeats, stride of the first)."""
    for stage, (expansion, taps, channels, repeats, first) in enumerate(stages, 1):
        for block in range(repeats):
            name, start, stride = f"block{stage}.{block}", net.shape, first if block == 0 else 1
            if expansion > 1:
                net.conv(f"{name}.expand", expansion * start[0], 1, activation=activation)
            net.depthwise(f"{name}.dw", taps, stride, padding=padding, activation=activation)
            net.conv(f"{name}.project", channels, 1, activation="none")
            if net.shape == start:
                net.elementwise(f"{name}.add", "add", operands=2)


def _head(net: Builder, activation: Activation) -> None:
    net.conv("head", 1280, 1, activation=activation)
    net.global_pool()
    net.fc("fc", 1000)
