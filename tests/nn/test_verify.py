from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from spaces import Net, cell, conv, small_cnn, two_inputs
from torch import Tensor, nn

from archloom.errors import SpaceError, UnknownChoice
from archloom.nn import ModelSpace, Pick, model_space
from archloom.nn._cover import cover
from archloom.space import integers, log_uniform

IMAGE = torch.empty(2, 1, 28, 28, device="meta")


def said(space: ModelSpace, example: Any = IMAGE, shape: tuple[int, ...] | None = None) -> str:
    with pytest.raises(SpaceError) as raised:
        space.verify(example, shape)
    return str(raised.value)


def stack(width: Any, *middle: Callable[[Pick, Any], nn.Module]) -> ModelSpace:
    """A convolution, what the test is about, and a head."""

    @model_space
    def space(pick: Pick) -> nn.Module:
        channels = pick.value("width", width)
        return nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            *(make(pick, channels) for make in middle),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, 10),
        )

    return space


def test_good_spaces_pass() -> None:
    small_cnn.verify(IMAGE, (2, 10))
    cell.verify(IMAGE)
    Net.verify(torch.zeros(2, 4), (2, 2))
    two_inputs.verify({"left": torch.zeros(2, 3), "right": torch.zeros(2, 5)})
    model_space(lambda pick: nn.Bilinear(2, 3, pick.value("n", [1, 2]))).verify(
        (torch.zeros(2, 2), torch.zeros(2, 3))
    )


def test_options_of_different_shape() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        makes = {"conv3": lambda: conv(width, 3), "conv5": lambda: conv(width, 5, padding=1)}
        return pick.layer("op", makes)

    assert said(stack([16], op)) == (
        "Option 'conv5' of 'op' gives (2, 16, 26, 26) where 'conv3' gives (2, 16, 28, 28): "
        "pad it, or pass same_shape=False."
    )

    def free(pick: Pick, width: int) -> nn.Module:
        makes = {"conv3": lambda: conv(width, 3), "conv5": lambda: conv(width, 5, padding=1)}
        return pick.layer("op", makes, same_shape=False)

    stack([16], free).verify(IMAGE, (2, 10))


def test_an_option_that_fails_on_its_input() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        return pick.layer("op", {"good": lambda: conv(width, 3), "bad": lambda: conv(width + 1, 3)})

    text = said(stack([16], op))
    assert text.startswith("Option 'bad' of 'op' fails on an input of shape (2, 16, 28, 28): ")
    assert "17 channels" in text


def test_an_option_that_cannot_be_made_for_some_value() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        return pick.layer("op", {"group": lambda: nn.GroupNorm(16, width), "skip": nn.Identity})

    text = said(stack([16, 24], op))
    assert "'op'" in text
    assert "'group'" in text
    assert "num_channels" in text


def test_a_value_that_breaks_the_forward_pass() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        return nn.Conv2d(width, width, pick.value("kernel", [3, 5, 99]), padding=2)

    text = said(stack([16], op))
    assert text.startswith("option 99 of 'kernel' cannot be used: ")
    assert "ernel size" in text


def test_two_values_that_break_it_together() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        kernel, stride = pick.value("kernel", [3, 9]), pick.value("stride", [1, 4])
        return nn.Sequential(
            nn.Conv2d(width, width, 3, stride, padding=1), nn.Conv2d(width, width, kernel)
        )

    text = said(stack([16], op))
    assert "option 9 of 'kernel'" in text
    assert "option 4 of 'stride'" in text
    assert " together with " in text


def test_a_depth_that_breaks_it() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        return pick.repeat("body", lambda: nn.MaxPool2d(2), 1, 6)

    text = said(stack([16], op))
    assert text.startswith("option 5 of 'body' cannot be used: ")


def test_the_ends_of_a_range_are_tried() -> None:
    def op(pick: Pick, width: int) -> nn.Module:
        return nn.Conv2d(width, width, pick.value("kernel", integers(1, 60)))

    assert said(stack([16], op)).startswith("option 60 of 'kernel' cannot be used: ")


def test_a_space_that_never_works() -> None:
    text = said(small_cnn, torch.empty(2, 3, 28, 28))
    assert text.startswith("The space's first architecture (body=1, body.0.op='conv3', width=16)")
    assert "3 channels" in text


def test_the_place_of_a_failure_is_told() -> None:
    class Strict(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("not today")

    def op(pick: Pick, width: int) -> nn.Module:
        return pick.layer("op", {"strict": Strict}, same_shape=False)

    assert "in option 'strict' of 'op': not today" in said(stack([16], op))


def test_the_output_shape() -> None:
    text = said(small_cnn(classes=5), IMAGE, (2, 10))
    assert "gives (2, 5) where (2, 10) is wanted" in text

    @model_space
    def sometimes(pick: Pick) -> nn.Module:
        return nn.Linear(4, pick.value("out", [3, 2]))

    text = said(sometimes, torch.zeros(2, 4), (2, 3))
    assert text == "option 2 of 'out' cannot be used: it gives (2, 2) where (2, 3) is wanted."


def test_long_messages_are_shortened_and_the_cause_is_kept() -> None:
    class Verbose(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("word " * 1000)

    space = model_space(lambda pick: Verbose())
    with pytest.raises(SpaceError) as raised:
        space.verify(torch.zeros(2, 4))
    assert len(str(raised.value)) < 500
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_choices_that_hang_on_each_other_are_found() -> None:
    @model_space
    def space(pick: Pick) -> nn.Module:
        depth = pick.value("depth", [1, 2])
        return nn.Sequential(*(pick.layer(f"op{i}", [nn.ReLU, nn.Tanh]) for i in range(depth)))

    with pytest.raises(UnknownChoice, match="'op1'"):
        space.verify(torch.zeros(2, 4))


def test_a_forward_that_reads_values_runs_on_the_cpu() -> None:
    class Reader(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum().item() == 0 else x + 1

    space = model_space(lambda pick: pick.layer("op", {"reader": Reader, "skip": nn.Identity}))
    space.verify(torch.zeros(2, 4), (2, 4))


def test_nothing_is_changed_by_it() -> None:
    before = torch.get_rng_state()
    example = torch.ones(2, 1, 28, 28)
    small_cnn.verify(example)
    assert torch.equal(before, torch.get_rng_state())
    assert bool((example == 1).all())


def test_the_cover_takes_every_option() -> None:
    @model_space
    def space(pick: Pick) -> nn.Module:
        pick.value("n", integers(1, 100, step=3))
        pick.value("lr", log_uniform(0.1, 1))
        pick.subset("some", list("vwxyz"), (1, 2))

        def deep(pick: Pick) -> nn.Module:
            return pick.layer("op", {"a": nn.ReLU, "b": lambda p: p.layer("in", [nn.ReLU] * 4)})

        return pick.repeat("body", deep, 0, 3)

    taken: dict[str, set[Any]] = {}
    architectures = list(cover(space.space))
    for architecture in architectures:
        space.space.check(architecture)
        for label, value in architecture.items():
            taken.setdefault(label, set()).add(value)
    assert taken["n"] >= {1, 100}
    assert taken["lr"] >= {0.1, 1.0}
    assert {name for chosen in taken["some"] for name in chosen} == set("vwxyz")
    assert {len(chosen) for chosen in taken["some"]} == {1, 2}
    assert taken["body"] == {0, 1, 2, 3}
    for body in range(3):
        assert taken[f"body.{body}.op"] == {"a", "b"}
        assert taken[f"body.{body}.op.b.in"] == {"0", "1", "2", "3"}
    assert set(taken) == set(space.space.labels)
    assert len(architectures) < 25
    assert architectures[0] == space.space.default()


@pytest.mark.parametrize("space", [small_cnn, cell, two_inputs])
def test_the_cover_is_small(space: ModelSpace) -> None:
    assert len(list(cover(space.space))) <= 6
