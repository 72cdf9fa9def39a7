"""Residual networks for small images (He et al. 2016, https://arxiv.org/abs/1512.03385)."""

from __future__ import annotations

from torch import nn

from archloom.nn import Pick, model_space, residual, scaled
from archloom.zoo._images import checked_image, stem_stride


@model_space(name="archloom.zoo:resnet")
def resnet(
    pick: Pick, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10
) -> nn.Sequential:
    """Give two or three stages of one to three basic blocks, doubling the width, halving the map.

    The ResNet-20 for CIFAR-10 is in it: width 16, three stages of three blocks, kernel 3. A stage
    may weight its channels by squeeze-and-excitation (Hu et al. 2018,
    https://arxiv.org/abs/1709.01507).

    >>> from archloom.zoo import resnet
    >>> model = resnet(shape=(3, 32, 32)).build(resnet.space.default())
    >>> model[-1]
    Linear(in_features=32, out_features=10, bias=True)
    """
    channels, height, width = checked_image("resnet", shape)
    first = pick.value("width", [16, 24, 32])
    stride = stem_stride(height, width)
    stem = _conv(channels, first, max(3, 2 * stride - 1), stride)
    channels = first

    def stage(pick: Pick, index: int) -> nn.Module:
        kernel = pick.value("kernel", [3, 5])
        excited = pick.value("excited", [False, True])

        def block(number: int) -> nn.Module:
            nonlocal channels
            before, channels = channels, first * 2**index
            return _block(before, channels, kernel, 1 if number or not index else 2, excited)

        return pick.repeat("blocks", lambda pick, index: block(index), 1, 3)

    body = pick.repeat("stages", stage, 2, 3)
    return nn.Sequential(
        stem,
        nn.ReLU(),
        body,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )


def _conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
    )


def _block(before: int, after: int, kernel: int, stride: int, excited: bool) -> nn.Module:
    body = nn.Sequential(
        _conv(before, after, kernel, stride), nn.ReLU(), _conv(after, after, kernel)
    )
    if excited:
        body.append(scaled(_excitation(after)))
    same = before == after and stride == 1
    shortcut = None if same else _conv(before, after, 1, stride)
    return nn.Sequential(residual(body, shortcut), nn.ReLU())


def _excitation(channels: int) -> nn.Module:
    squeezed = max(channels // 8, 4)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(channels, squeezed, 1),
        nn.ReLU(),
        nn.Conv2d(squeezed, channels, 1),
        nn.Sigmoid(),
    )
