"""combined_model: the numbers, and that nothing of archloom is inside."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archloom.ensemble import VIEWS, combine_outputs, combined_model, parts_of, view_options
from archloom.errors import ConfigError
from archloom.export import export_model
from archloom.task import Classes, Labels, Mixed, Numbers


def networks(count: int, outputs: int, inputs: int = 6) -> list[nn.Module]:
    torch.manual_seed(3)
    return [nn.Linear(inputs, outputs) for _ in range(count)]


def images(count: int) -> list[nn.Module]:
    torch.manual_seed(4)
    return [
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(40, 3))
        for _ in range(count)
    ]


WEIGHTS = [3.0, 1.0, 4.0]
SHARES = [weight / 8 for weight in WEIGHTS]
X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def mean(outputs: list[Tensor]) -> Tensor:
    return torch.stack([s * o for s, o in zip(SHARES, outputs, strict=True)]).sum(0)


def test_classes_give_the_log_of_the_mean_probability() -> None:
    models = networks(3, 4)
    both = combined_model(models, WEIGHTS, Classes(("a", "b", "c", "d")))
    expected = mean([model(X).softmax(1) for model in models])
    assert torch.allclose(both(X).exp(), expected, atol=1e-6)
    assert torch.allclose(both(X).softmax(1), expected, atol=1e-6)


def test_labels_give_the_logit_of_the_mean_probability() -> None:
    models = networks(3, 2)
    both = combined_model(models, WEIGHTS, Labels(("a", "b")))
    assert torch.allclose(both(X).sigmoid(), mean([m(X).sigmoid() for m in models]), atol=1e-6)


def test_numbers_give_the_mean() -> None:
    models = networks(3, 2)
    both = combined_model(models, WEIGHTS, Numbers(("a", "b"), (5.0, 5.0), (2.0, 2.0)))
    assert torch.allclose(both(X), mean([model(X) for model in models]), atol=1e-6)


def test_mixed_targets_are_averaged_part_by_part() -> None:
    target = Mixed({"kind": Classes(("a", "b")), "tags": Labels(("t",)), "age": Numbers(("y",))})
    models = networks(3, 4)
    given = [model(X) for model in models]
    both = combined_model(models, WEIGHTS, target)(X)
    assert torch.allclose(both[:, :2].exp(), mean([g[:, :2].softmax(1) for g in given]), atol=1e-6)
    assert torch.allclose(both[:, 2].sigmoid(), mean([g[:, 2].sigmoid() for g in given]), atol=1e-6)
    assert torch.allclose(both[:, 3], mean([g[:, 3] for g in given]), atol=1e-6)
    assert torch.allclose(both, combine_outputs(given, WEIGHTS, target), atol=1e-5)


def test_very_sure_members_stay_finite() -> None:
    models = networks(2, 2)
    for model in models:
        model.weight.data *= 1e4  # type: ignore[operator, union-attr]
    for target in (Classes(("a", "b")), Labels(("a", "b"))):
        assert bool(combined_model(models, [1, 1], target)(X).isfinite().all())


def test_temperature_and_bias() -> None:
    models = networks(3, 2)
    target = Classes(("no", "yes"))
    plain = combined_model(models, WEIGHTS, target)(X)
    cut = 0.7
    both = combined_model(models, WEIGHTS, target, temperature=2.0, bias=[0.0, -1.5])(X)
    assert torch.allclose(both, plain / 2 + torch.tensor([0.0, -1.5]), atol=1e-6)
    moved = combined_model(
        models, WEIGHTS, target, bias=[0.0, -torch.logit(torch.tensor(cut)).item()]
    )
    assert torch.equal(moved(X).argmax(1) == 1, plain.softmax(1)[:, 1] > cut)


FLIPS = {"flip": -1, "vflip": -2, "dflip": -3}


def _roll(x: Tensor, view: str) -> Tensor:
    """The views written another way: pad with the border, then cut."""
    for step in view.split():
        if step in FLIPS:
            x = x.flip(FLIPS[step])
        elif step == "rot90":
            x = x.transpose(-2, -1).flip(-2)
        elif step != "plain":
            left, right = int(step == "right"), int(step == "left")
            up, down = int(step == "down"), int(step == "up")
            padded = nn.functional.pad(x, (left, right, up, down), mode="replicate")
            height, width = x.shape[-2:]
            x = padded[..., down : down + height, right : right + width]
    return x


@pytest.mark.parametrize("view", [*VIEWS, "flip left", "vflip up right", "rot90 rot90"])
def test_views(view: str) -> None:
    model = images(1)[0]
    x = torch.randn(3, 1, 4, 5) if "rot90" not in view else torch.randn(3, 1, 5, 4)
    seen = combined_model([model], [1.0], [("numbers", 3)], views=[view])
    assert torch.equal(seen(x), model(_roll(x, view)))


def test_several_views_count_alike() -> None:
    models = images(2)
    x = torch.randn(3, 1, 4, 5)
    views = view_options(("flip", "shift"))["flip and shift"]
    assert len(set(views)) == 10
    both = combined_model(models, [1, 1], [("classes", 3)], views=views)(x)
    expected = [m(_roll(x, view)).softmax(1) for m in models for view in views]
    assert torch.allclose(both.exp(), torch.stack(expected).mean(0), atol=1e-6)


def test_several_inputs_by_place_and_by_name() -> None:
    class Sum(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left + 2 * right

    one, two = torch.rand(3, 2), torch.rand(3, 2)
    target = [("numbers", 2)]
    by_place = combined_model([Sum(), Sum()], [1, 1], target, inputs=2)
    by_name = combined_model([Sum(), Sum()], [1, 1], target, inputs=["left", "right"])
    assert torch.allclose(by_place(one, two), one + 2 * two)
    assert torch.allclose(by_name(right=two, left=one), one + 2 * two)


def test_views_that_a_task_allows() -> None:
    assert view_options(("shift", "jitter"), (1, 4, 4)) == {
        "shift": ("plain", "left", "right", "up", "down")
    }
    assert list(view_options(("rot90", "dflip"), (1, 4, 5))) == []
    assert list(view_options(("rot90", "dflip"), (1, 3, 4, 4))) == [
        "dflip",
        "rot90",
        "dflip and rot90",
    ]
    square = view_options(("flip", "vflip", "rot90"), (1, 4, 4))
    x = torch.rand(1, 1, 4, 4)
    seen = {tuple(_roll(x, view).flatten().tolist()) for view in square["flip, vflip and rot90"]}
    assert len(seen) == len(square["flip, vflip and rot90"]) == 8, "each once"


def test_it_exports_and_gives_the_same(tmp_path: Path) -> None:
    both = combined_model(
        *(images(2), [0.25, 0.75], [("classes", 3)]),
        views=["plain", "flip", "left", "rot90 rot90"],
        temperature=1.5,
        bias=[0, 1, 2],
    )
    x = torch.randn(4, 1, 4, 5)
    export_model(both, x, tmp_path, ["pt", "pt2", "onnx"])  # onnx is compared on a batch
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    assert torch.allclose(loaded(x), both(x), atol=1e-6)


def test_it_loads_where_archloom_is_not(tmp_path: Path) -> None:
    both = combined_model(images(2), [1, 1], [("labels", 3)], views=["plain", "flip", "up"])
    x = torch.randn(2, 1, 4, 5)
    memory = io.BytesIO()
    torch.save({"model": both, "x": x, "y": both(x).detach()}, memory)
    (tmp_path / "saved.pt").write_bytes(memory.getvalue())
    code = (
        "import sys; sys.modules['archloom'] = None; import torch;"
        "s = torch.load('saved.pt', weights_only=False);"
        "assert torch.equal(s['model'](s['x']), s['y']); print('same')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "same", done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [1.0]}, "as many weights"),
        ({"weights": [0.0, 0.0]}, "not all 0"),
        ({"weights": [1.0, -1.0]}, "none negative"),
        ({"models": [], "weights": []}, "at least one member"),
        ({"views": []}, "at least one view"),
        ({"views": ["flop"]}, "did you mean 'flip'"),
        ({"temperature": 0.0}, "a positive number"),
        ({"bias": [1.0]}, "one number a column, 4"),
        ({"inputs": 0}, "at least one input"),
        ({"target": [("words", 4)]}, "one of classes, labels, numbers, got 'words'"),
    ],
)
def test_what_does_not_fit(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {
        "models": networks(2, 4),
        "weights": [1.0, 1.0],
        "target": [("classes", 4)],
        **change,
    }
    with pytest.raises(ConfigError, match=message):
        combined_model(**given)  # type: ignore[arg-type]


def test_parts_of_targets() -> None:
    assert parts_of(Labels(("a", "b"))) == (("labels", 2),)
    assert parts_of(parts_of(Classes(("a", "b")))) == (("classes", 2),)
