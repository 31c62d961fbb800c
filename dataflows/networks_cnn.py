"""AlexNet, VGG-16, ResNet-18, SqueezeNet 1.0 and U-Net, written from their papers.

Shapes and totals are those of the dense reference, 15.1, and the codesign reference, 6.1.
"""

from __future__ import annotations

from dataflows.networks_build import Builder
from dataflows.workload import Network


def alexnet(batch: int = 1) -> Network:
    """AlexNet in its original two-group form on 227 x 227 pixels (Krizhevsky et al., 2012)."""
    net = Builder("alexnet", (3, 227, 227), batch)
    net.conv("conv1", 96, 11, 4, padding=0)
    net.pool("pool1", "maxpool", 3, 2)
    net.conv("conv2", 256, 5, G=2)
    net.pool("pool2", "maxpool", 3, 2)
    net.conv("conv3", 384, 3)
    net.conv("conv4", 384, 3, G=2)
    net.conv("conv5", 256, 3, G=2)
    net.pool("pool5", "maxpool", 3, 2)
    net.fc("fc6", 4096, activation="relu")
    net.fc("fc7", 4096, activation="relu")
    net.fc("fc8", 1000)
    return net.network("Krizhevsky et al. 2012, two groups, input 3 x 227 x 227")


def vgg16(batch: int = 1) -> Network:
    """VGG-16, configuration D (Simonyan and Zisserman, 2014)."""
    net = Builder("vgg16", (3, 224, 224), batch)
    for stage, (channels, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for index in range(1, count + 1):
            net.conv(f"conv{stage}_{index}", channels, 3)
        net.pool(f"pool{stage}", "maxpool", 2, 2)
    net.fc("fc6", 4096, activation="relu")
    net.fc("fc7", 4096, activation="relu")
    net.fc("fc8", 1000)
    return net.network("Simonyan and Zisserman 2014, configuration D, input 3 x 224 x 224")


def resnet18(size: int = 224, batch: int = 1) -> Network:
    """ResNet-18 with projection shortcuts (He et al., 2015)."""
    net = Builder("resnet18", (3, size, size), batch)
    net.conv("conv1", 64, 7, 2)
    net.pool("pool1", "maxpool", 3, 2, padding=1)
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            start = net.shape
            net.conv(f"{name}.conv1", channels, 3, stride)
            net.conv(f"{name}.conv2", channels, 3, activation="none")
            if start[0] != channels:
                net.shape = start
                net.conv(f"{name}.down", channels, 1, stride, activation="none")
            net.elementwise(f"{name}.add", "add", operands=2)
    net.global_pool()
    net.fc("fc", 1000)
    return net.network(f"He et al. 2015, projection shortcuts, input 3 x {size} x {size}")


def squeezenet1_0(size: int = 224, batch: int = 1) -> Network:
    """SqueezeNet 1.0 (Iandola et al., 2016); its first convolution is not padded and its pools round up."""
    net = Builder("squeezenet1_0", (3, size, size), batch)
    net.conv("conv1", 96, 7, 2, padding=0)
    for index, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2
    ):
        if index in (2, 5, 9):
            net.pool(f"pool{index - 1}", "maxpool", 3, 2, ceil=True)
        net.conv(f"fire{index}.squeeze", squeeze, 1)
        start = net.shape
        net.conv(f"fire{index}.expand1", expand, 1)
        net.shape = start
        net.conv(f"fire{index}.expand3", expand, 3)
        net.join(2 * expand)
    net.conv("conv10", 1000, 1)
    net.global_pool()
    return net.network(f"Iandola et al. 2016, version 1.0, input 3 x {size} x {size}")


def unet(size: int = 572, batch: int = 1) -> Network:
    """U-Net with unpadded convolutions (Ronneberger et al., 2015).

    The upward 2x2 convolutions are four phases each. Joined tensors are the cropped skip and the upward result, so the
    first convolution of a decoder stage sees twice the channels it makes.
    """
    net = Builder("unet", (1, size, size), batch)
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        net.conv(f"enc{stage}a", channels, 3, padding=0)
        net.conv(f"enc{stage}b", channels, 3, padding=0)
        net.pool(f"pool{stage}", "maxpool", 2, 2)
    net.conv("mida", 1024, 3, padding=0)
    net.conv("midb", 1024, 3, padding=0)
    for stage, channels in ((4, 512), (3, 256), (2, 128), (1, 64)):
        net.transposed(f"up{5 - stage}", channels, 2, 2)
        net.join(2 * channels)
        net.conv(f"dec{stage}a", channels, 3, padding=0)
        net.conv(f"dec{stage}b", channels, 3, padding=0)
    net.conv("out", 2, 1, activation="none")
    return net.network(f"Ronneberger et al. 2015, unpadded, input 1 x {size} x {size}")
