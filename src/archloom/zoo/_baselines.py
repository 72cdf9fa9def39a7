"""Networks designed by people, as spaces of one point: was the search worth it?"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from archloom.errors import ConfigError
from archloom.nn import Pick, model_space, residual
from archloom.zoo._images import checked_image

_SMALL = 64


@model_space(name="archloom.zoo:resnet18")
def resnet18(
    pick: Pick, shape: tuple[int, int, int] = (3, 28, 28), classes: int = 10
) -> nn.Sequential:
    """Give ResNet-18 (He et al. 2016, arXiv:1512.03385), with nothing to choose.

    Images smaller than 64 get a first convolution of 3x3 and no pooling after it, as is usual for
    CIFAR and as MedMNIST's baseline (arXiv:2110.14795) has it; larger ones the original stem.

    >>> from archloom.zoo import resnet18
    >>> model = resnet18.build(resnet18.space.default(), device="meta")
    >>> resnet18.space.size, sum(weight.numel() for weight in model.parameters())
    (1, 11173962)
    """
    channels, height, width = checked_image("resnet18", shape)
    if min(height, width) < _SMALL:
        stem = [_conv(channels, 64, 3), nn.ReLU()]
    else:
        stem = [_conv(channels, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
    blocks: list[nn.Module] = []
    before = 64
    for number in range(8):
        after = 64 * 2 ** (number // 2)
        blocks.append(_basic(before, after, 2 if before < after else 1))
        before = after
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes)]
    return nn.Sequential(*stem, *blocks, *head)


@model_space(name="archloom.zoo:wide_resnet")
def wide_resnet(
    pick: Pick, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10
) -> nn.Sequential:
    """Give a WRN-10, 16, 22 or 28, 1 to 10 times as wide (arXiv:1605.07146), with dropout or not.

    The default is WRN-16-4: 2.75 million parameters for CIFAR-10.

    >>> from archloom.zoo import wide_resnet
    >>> model = wide_resnet.build(wide_resnet.space.default(), device="meta")
    >>> sum(weight.numel() for weight in model.parameters())
    2748890
    """
    channels, _, _ = checked_image("wide_resnet", shape)
    depth = pick.value("depth", [16, 10, 22, 28])
    factor = pick.value("factor", [4, 1, 2, 8, 10])
    dropout = pick.value("dropout", [0.0, 0.3])
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, padding=1, bias=False)]
    before = 16
    for stage in range(3):
        after = 16 * factor * 2**stage
        for number in range((depth - 4) // 6):
            layers.append(_wide(before, after, 2 if stage and not number else 1, dropout))
            before = after
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes)]
    return nn.Sequential(*layers, nn.BatchNorm2d(before), nn.ReLU(), *head)


@model_space(name="archloom.zoo:lenet5")
def lenet5(
    pick: Pick, shape: tuple[int, int, int] = (1, 32, 32), classes: int = 10
) -> nn.Sequential:
    """Give LeNet-5 (LeCun et al. 1998) as it is written today: ReLU, max pooling, linear outputs.

    Images smaller than 32x32, from 12x12 on, are padded before the first convolution, as MNIST is.

    >>> from archloom.zoo import lenet5
    >>> model = lenet5.build(lenet5.space.default(), device="meta")
    >>> sum(weight.numel() for weight in model.parameters())
    61706
    """
    channels, height, width = checked_image("lenet5", shape)
    if min(height, width) < 12:
        raise ConfigError(
            f"lenet5 needs images of at least 12x12, got {height}x{width}. For smaller ones take "
            f"convnet or small_cnn."
        )
    padding = 2 if min(height, width) < 32 else 0
    rows, columns = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in (height, width))
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * rows * columns, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


@model_space(name="archloom.zoo:fcn")
def fcn(pick: Pick, shape: Sequence[int] = (1, 128), classes: int = 2) -> nn.Sequential:
    """Give the fully convolutional network for series of Wang et al. 2017 (arXiv:1611.06455).

    >>> from archloom.zoo import fcn
    >>> model = fcn.build(fcn.space.default(), device="meta")
    >>> sum(weight.numel() for weight in model.parameters())
    264962
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ConfigError(f"fcn needs series of shape (channels, length), got {tuple(shape)}.")
    layers: list[nn.Module] = []
    before = shape[0]
    for after, kernel in ((128, 8), (256, 5), (128, 3)):
        layers += [
            nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0),
            nn.Conv1d(before, after, kernel),
            nn.BatchNorm1d(after),
            nn.ReLU(),
        ]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(before, classes))


@model_space(name="archloom.zoo:mlp_resnet")
def mlp_resnet(pick: Pick, shape: Sequence[int] = (8,), classes: int = 2) -> nn.Sequential:
    """Give the ResNet for tables of Gorishniy et al. 2021 (arXiv:2106.11959), two blocks of 192.

    >>> from archloom.zoo import mlp_resnet
    >>> model = mlp_resnet.build(mlp_resnet.space.default(), device="meta")
    >>> sum(weight.numel() for weight in model.parameters())
    299330
    """
    if len(shape) != 1 or shape[0] < 1:
        raise ConfigError(f"mlp_resnet needs rows of shape (features,), got {tuple(shape)}.")
    width, hidden = 192, 384

    def block() -> nn.Module:
        return residual(
            nn.Sequential(
                nn.BatchNorm1d(width),
                nn.Linear(width, hidden),
                nn.ReLU(),
                nn.Dropout(0.15),
                nn.Linear(hidden, width),
            )
        )

    head = [nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, classes)]
    return nn.Sequential(nn.Linear(shape[0], width), block(), block(), *head)


def _conv(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
    )


def _basic(before: int, after: int, stride: int) -> nn.Module:
    body = nn.Sequential(_conv(before, after, 3, stride), nn.ReLU(), _conv(after, after, 3))
    shortcut = None if before == after else _conv(before, after, 1, stride)
    return nn.Sequential(residual(body, shortcut), nn.ReLU())


def _wide(before: int, after: int, stride: int, dropout: float) -> nn.Module:
    """Give a pre-activation block; where the width changes, both ways start activated."""
    first = [nn.BatchNorm2d(before), nn.ReLU()]
    body = [
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
    ]
    if before == after:
        return residual(nn.Sequential(*first, *body))
    shortcut = nn.Conv2d(before, after, 1, stride=stride, bias=False)
    return nn.Sequential(*first, residual(nn.Sequential(*body), shortcut))
