"""Convolutional networks for images of 8x8 to about 64x64: the default for image data."""

from __future__ import annotations

from torch import nn

from archloom.nn import Pick, model_space, residual
from archloom.zoo._images import checked_image, stem_stride


@model_space(name="archloom.zoo:small_cnn")
def small_cnn(
    pick: Pick, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10
) -> nn.Sequential:
    """Give two or three stages that double the width and halve the map, and a head.

    A stage is a convolution with normalisation, ReLU and pooling, and perhaps one more layer on
    the smaller map, which is where a convolution is cheap. On 28x28 no member takes more than 27
    MFLOPs a sample.

    >>> from archloom.zoo import small_cnn
    >>> small_cnn.space.size, len(small_cnn(shape=(3, 32, 32)).build(small_cnn.space.default()))
    (5760, 2)
    """
    channels, height, width = checked_image("small_cnn", shape)
    first = pick.value("width", [16, 24, 32])
    kernel = pick.value("kernel", [3, 5])
    dropout = pick.value("dropout", [0.0, 0.2, 0.4])
    stride = stem_stride(height, width)
    size = [-(-height // stride), -(-width // stride)]

    def stage(pick: Pick, index: int) -> nn.Module:
        nonlocal channels
        before, channels = channels, first * 2**index
        if index == 0:
            conv = _conv(before, channels, max(kernel, 2 * stride - 1), stride)
        else:
            conv = _conv(before, channels, 3)
        if min(size) >= 2:
            conv.append(nn.MaxPool2d(2))
            size[:] = [side // 2 for side in size]
        return nn.Sequential(conv, pick.repeat("extra", lambda pick: _extra(pick, channels), 0, 1))

    body = pick.repeat("stages", stage, 2, 3)
    flat = channels * size[0] * size[1]

    def dense(pick: Pick) -> nn.Module:
        hidden = pick.value("hidden", [64, 128, 256])
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def linear() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(flat, classes))

    return nn.Sequential(body, pick.layer("head", {"dense": dense, "linear": linear}))


def _conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def _extra(pick: Pick, channels: int) -> nn.Module:
    def separable() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    return pick.layer(
        "op",
        {
            "conv3": lambda: _conv(channels, channels, 3),
            "separable5": separable,
            "residual3": lambda: residual(_conv(channels, channels, 3)),
        },
    )
