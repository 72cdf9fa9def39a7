"""The plain formulation of DARTS (arXiv 1806.09055), the baseline of `darts_step.py` and no more.

Written from the paper and from the structure of the authors' code: a module per operation, the
default memory layout, every operation of every edge run by itself and summed by softmax weights,
and steps that compute whatever `backward` computes. Nothing of archloom is used.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

OPERATIONS = (
    *("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"),
    *("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
)
Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]


def norm(width: int) -> nn.BatchNorm2d:
    """Without scales: the architecture weights scale the operations while searching."""
    return nn.BatchNorm2d(width, affine=False)


class ReLUConvNorm(nn.Sequential):
    """ReLU, 1x1 convolution, batch norm: what brings a cell's inputs to its width."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(before, after, 1, bias=False), norm(after))


def separable(width: int, kernel: int, stride: int) -> list[nn.Module]:
    """ReLU, depthwise, pointwise convolution and batch norm."""
    depthwise = nn.Conv2d(*(width, width, kernel, stride, kernel // 2), groups=width, bias=False)
    return [nn.ReLU(), depthwise, nn.Conv2d(width, width, 1, bias=False), norm(width)]


def dilated(width: int, kernel: int, stride: int) -> nn.Sequential:
    """The same with holes of one pixel in the depthwise kernel."""
    layers = separable(width, kernel, stride)
    layers[1] = nn.Conv2d(*(width, width, kernel, stride, kernel - 1, 2), groups=width, bias=False)
    return nn.Sequential(*layers)


class FactorizedReduce(nn.Module):
    """Half the size without losing pixels: two strided 1x1 convolutions, one of them shifted."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
        self.norm = norm(after)

    def forward(self, x: Tensor) -> Tensor:
        """Give a map of half the size."""
        x = torch.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))


class Zero(nn.Module):
    """The operation `none`."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Give zeros of the right size."""
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


def operation(name: str, width: int, stride: int) -> nn.Module:
    """Make one operation of the list."""
    match name:
        case "none":
            return Zero(stride)
        case "max_pool_3x3":
            return nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(width))
        case "avg_pool_3x3":
            pool = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
            return nn.Sequential(pool, norm(width))
        case "skip_connect":
            return nn.Identity() if stride == 1 else FactorizedReduce(width, width)
        case "sep_conv_3x3" | "sep_conv_5x5":
            kernel = int(name[-1])
            first, second = separable(width, kernel, stride), separable(width, kernel, 1)
            return nn.Sequential(*first, *second)
        case _:
            return dilated(width, int(name[-1]), stride)


class MixedOperation(nn.Module):
    """All operations of one edge, summed by weight."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operation(name, width, stride) for name in OPERATIONS)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Give the weighted sum."""
        pairs = zip(weights, self.operations, strict=True)
        return sum((weight * run(x) for weight, run in pairs), torch.zeros(()))


class Cell(nn.Module):
    """Four nodes, each the sum of mixed operations on all that is before it; concatenated."""

    def __init__(self, before: tuple[int, int], width: int, *, reduce: bool, reduced: bool) -> None:
        super().__init__()
        first = FactorizedReduce if reduced else ReLUConvNorm
        self.reduce = reduce
        self.preprocess0 = first(before[0], width)
        self.preprocess1 = ReLUConvNorm(before[1], width)
        self.edges = nn.ModuleList(
            MixedOperation(width, 2 if reduce and source < 2 else 1)
            for node in range(4)
            for source in range(2 + node)
        )

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        """Give the four nodes beside each other."""
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edge = 0
        for _ in range(4):
            total = torch.zeros(())
            for number, state in enumerate(states):
                total = total + self.edges[edge + number](state, weights[edge + number])
            edge += len(states)
            states.append(total)
        return torch.cat(states[2:], dim=1)


class Network(nn.Module):
    """A stack of cells of two kinds; cells at a third and at two thirds of the depth reduce."""

    def __init__(self, cells: int, width: int, channels: int, classes: int) -> None:
        super().__init__()
        stem = 3 * width
        self.stem = nn.Sequential(
            nn.Conv2d(channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem)
        )
        self.cells = nn.ModuleList()
        before, reduced = (stem, stem), False
        for number in range(cells):
            reduce = number in (cells // 3, 2 * cells // 3)
            width = 2 * width if reduce else width
            self.cells.append(Cell(before, width, reduce=reduce, reduced=reduced))
            before, reduced = (before[1], 4 * width), reduce
        self.classifier = nn.Linear(before[1], classes)
        self.alphas = nn.ParameterDict(
            {kind: 1e-3 * torch.randn(14, len(OPERATIONS)) for kind in ("normal", "reduce")}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give one score for each class."""
        s0 = s1 = self.stem(x)
        weights = {kind: functional.softmax(alpha, -1) for kind, alpha in self.alphas.items()}
        for cell in self.cells:
            kind = "reduce" if cell.reduce else "normal"
            s0, s1 = s1, cell(s0, s1, weights[kind])
        return self.classifier(functional.adaptive_avg_pool2d(s1, 1).flatten(1))

    def weights(self) -> list[nn.Parameter]:
        """All but the architecture's."""
        return [p for name, p in self.named_parameters() if not name.startswith("alphas.")]


class Search:
    """The two optimizers of the paper and its two kinds of step."""

    def __init__(self, network: Network, loss: Loss) -> None:
        self.network = network
        self.loss = loss
        self.alphas = list(network.alphas.values())
        self.rate, self.momentum, self.decay = 0.025, 0.9, 3e-4
        self.weight_optimizer = torch.optim.SGD(
            network.weights(), self.rate, self.momentum, weight_decay=self.decay
        )
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3
        )

    def step(self, train: Batch, valid: Batch, order: int) -> None:
        """Move the architecture on `valid`, then the weights on `train`."""
        self.alpha_optimizer.zero_grad()
        if order == 1:
            self._loss(valid).backward()
        else:
            self._unrolled(train, valid)
        self.alpha_optimizer.step()
        self.weight_optimizer.zero_grad()
        self._loss(train).backward()
        nn.utils.clip_grad_norm_(self.network.weights(), 5.0)
        self.weight_optimizer.step()

    def _loss(self, batch: Batch) -> Tensor:
        return self.loss(self.network(batch[0]), batch[1])

    def _unrolled(self, train: Batch, valid: Batch) -> None:
        """Equations 7 and 8: one step ahead, and the finite difference around the weights."""
        weights = self.network.weights()
        before = [weight.detach().clone() for weight in weights]
        ahead = torch.autograd.grad(self._loss(train), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, ahead, strict=True):
                momentum = self.weight_optimizer.state[weight].get("momentum_buffer", 0.0)
                step = gradient + self.decay * weight + self.momentum * momentum
                weight.sub_(self.rate * step)
        self.network.zero_grad()
        self._loss(valid).backward()
        vector = [weight.grad.clone() for weight in weights if weight.grad is not None]
        size = 0.01 / torch.cat([part.flatten() for part in vector]).norm()
        sides = [self._alpha_gradients(train, before, vector, sign * size) for sign in (1, -1)]
        with torch.no_grad():
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)
            for alpha, plus, minus in zip(self.alphas, *sides, strict=True):
                assert alpha.grad is not None
                alpha.grad -= self.rate * (plus - minus) / (2 * size)

    def _alpha_gradients(
        self, train: Batch, weights: list[Tensor], vector: list[Tensor], size: Tensor
    ) -> tuple[Tensor, ...]:
        with torch.no_grad():
            places = zip(self.network.weights(), weights, vector, strict=True)
            for weight, old, direction in places:
                weight.copy_(old + size * direction)
        return torch.autograd.grad(self._loss(train), self.alphas)
