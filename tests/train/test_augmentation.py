"""Augmentation of every kind of data: what moves, what stays, and that the seed decides all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import ConfigError
from archloom.task import AUGMENT_OPS, Labels, Numbers, Split, Task, from_arrays
from archloom.train import POLICIES, Augmentation, Recipe, Training, augment
from archloom.train._batch import Batch
from archloom.train._draws import Draws
from archloom.train._image_ops import changed, resampled
from archloom.train._mixing import mixed


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(*ops: str, count: int = 200, strength: float = 0.5, **options: Any) -> Draws:
    return Draws(ops, count, generator(1), strength, **options)


def task_of(inputs: Tensor, *ops: str, **options: Any) -> Task:
    return from_arrays(inputs, torch.arange(len(inputs)) % 2, valid=0.2, augment_ops=ops, **options)


def applied(task: Task, augment: Any, strength: float = 0.5, seed: int = 0) -> tuple[Tensor, Any]:
    """Give the prepared training inputs, plain and augmented."""
    raw = task.train.inputs
    augmentation = Augmentation.of(Recipe(augment=augment, augment_strength=strength), task)
    return task.prepare(raw), augmentation.inputs(raw, task.prepare, generator(seed))


IMAGES = torch.rand(120, 3, 10, 14, generator=generator())
KINDS = {
    "image": lambda: task_of(IMAGES, "shift", "flip", layout="NCHW"),
    "bytes": lambda: task_of((IMAGES * 255).byte(), "shift", "rot90", layout="NCHW"),
    "volume": lambda: task_of(torch.rand(50, 2, 6, 7, 8), "flip", "dflip", layout="NCDHW"),
    "series": lambda: task_of(torch.rand(80, 4, 30), layout="NCL"),
    "table": lambda: task_of(torch.rand(80, 6)),
    "text": lambda: task_of(torch.randint(0, 50, (80, 20)), normalise=False, kind="text"),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_policy_for_every_kind(kind: str, policy: str) -> None:
    task = KINDS[kind]()
    stored = task.train.inputs.clone()
    plain, out = applied(task, policy)
    assert out.shape == plain.shape
    assert out.dtype == plain.dtype
    assert bool(out.float().isfinite().all())
    assert torch.equal(out, plain) == (policy == "none")
    assert torch.equal(task.train.inputs, stored)
    assert torch.equal(applied(task, policy)[1], out)
    if policy != "none":
        assert not torch.equal(applied(task, policy, seed=1)[1], out)


@pytest.mark.parametrize(
    ("kind", "ops"),
    [
        ("image", ("scale", "crop", "rotate", "shear", "brightness", "contrast", "cutout")),
        ("volume", ("brightness", "contrast", "noise", "cutout")),
        ("series", ("jitter", "scale", "time_mask", "channel_drop")),
        ("table", ("feature_noise", "feature_drop")),
        ("text", ("token_drop",)),
    ],
)
def test_a_little_strength_changes_a_little(kind: str, ops: tuple[str, ...]) -> None:
    plain, out = applied(KINDS[kind](), ops, strength=1e-5)
    torch.testing.assert_close(out, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("op", AUGMENT_OPS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_passes_what_it_does_not_fit(kind: str, op: str) -> None:
    plain, out = applied(task_of(KINDS[kind]().train.inputs, op, normalise=kind != "text"), (op,))
    assert out.shape == plain.shape


def test_strength_zero_changes_nothing() -> None:
    for make in KINDS.values():
        task = make()
        augmentation = Augmentation.of(Recipe(augment="strong", augment_strength=0.0), task)
        assert not augmentation


def test_true_means_what_the_task_allows() -> None:
    assert Augmentation.of(Recipe(augment=True), KINDS["image"]()).ops == ("shift", "flip")
    assert not Augmentation.of(Recipe(augment=True), KINDS["table"]())
    assert not Augmentation.of(Recipe(augment=False), KINDS["image"]())


def test_what_changes_labels_needs_the_task_to_allow_it() -> None:
    task = task_of(IMAGES, layout="NCHW")
    for policy in POLICIES:
        assert not {"flip", "vflip", "rot90"} & {*Augmentation.of(Recipe(augment=policy), task).ops}
    allowed = task_of(IMAGES, "vflip", "rot90", layout="NCHW")
    assert Augmentation.of(Recipe(augment="light"), allowed).ops == ("vflip", "rot90", "shift")
    with pytest.raises(ConfigError, match=r"'flip' can make another thing.*augment_ops"):
        Augmentation.of(Recipe(augment=("shift", "flip")), task)


def test_vertical_mirrors_and_depth() -> None:
    volumes = torch.rand(300, 2, 3, 4, 5, generator=generator())
    for op, axis in (("flip", 4), ("vflip", 3), ("dflip", 2)):
        out = augment(volumes, (op,), generator(1))
        mirrored = (out == volumes.flip(axis)).flatten(1).all(1)
        same = (out == volumes).flatten(1).all(1)
        assert (mirrored ^ same).all()
        assert 100 < int(mirrored.sum()) < 200
    assert augment(IMAGES, ("dflip",), generator(1)).equal(IMAGES)


def test_quarter_turns() -> None:
    images = torch.rand(400, 2, 6, 6, generator=generator())
    out = augment(images, ("rot90",), generator(1))
    turns = torch.stack([images.rot90(k, (2, 3)) for k in range(4)])
    hits = (turns == out).flatten(2).all(2)
    assert bool((hits.sum(0) == 1).all())
    assert all(60 < int(count) < 140 for count in hits.sum(1))
    wide = torch.rand(400, 2, 4, 6, generator=generator())
    out = augment(wide, ("rot90",), generator(1))
    turns = torch.stack([wide, wide.rot90(2, (2, 3))])
    assert bool(((turns == out).flatten(2).all(2).sum(0) == 1).all())


def test_all_eight_positions_of_a_square() -> None:
    image = torch.rand(1, 1, 5, 5, generator=generator()).expand(500, -1, -1, -1)
    out = augment(image, ("flip", "vflip", "rot90"), generator(1))
    assert len({tuple(one.flatten().tolist()) for one in out}) == 8


def test_volumes_shift_along_three_axes() -> None:
    grid = torch.stack(torch.meshgrid(*[torch.arange(14.0)] * 3, indexing="ij"))
    out = augment(grid.expand(200, -1, -1, -1, -1), ("shift",), generator(1))
    away = out[:, :, 7, 7, 7] - 7
    assert set(away.flatten().tolist()) == {-2, -1, 0, 1, 2}
    assert len({tuple(a.tolist()) for a in away}) > 60


def test_resampling_is_that_of_torch() -> None:
    """A turn and a zoom of a wide image, in pixels: distances must not change their ratio."""
    count = 4
    images = torch.rand(count, 1, 20, 40, generator=generator())
    made = draws("rotate", "scale", count=count, strength=1.0)
    out = resampled(images, made)
    again = draws("rotate", "scale", count=count, strength=1.0)
    angle = again.signed("rotate") * torch.pi / 6
    zoom = (again.signed("scale") * torch.log(torch.tensor(1.5))).exp()
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(40.0), indexing="ij")
    y, x = rows - 9.5, columns - 19.5
    for number in range(count):
        cos, sin = angle[number].cos() * zoom[number], angle[number].sin() * zoom[number]
        grid = torch.stack([(cos * x - sin * y) / 20, (sin * x + cos * y) / 10], -1)[None]
        one = images[number : number + 1]
        expected = functional.grid_sample(one, grid, padding_mode="border", align_corners=False)
        torch.testing.assert_close(out[number : number + 1], expected, rtol=1e-3, atol=1e-4)


def test_resampling_without_magnitude_gives_the_image_back() -> None:
    made = draws("rotate", "scale", "shear", "crop", "shift", count=len(IMAGES), strength=0.0)
    torch.testing.assert_close(resampled(IMAGES, made), IMAGES, rtol=1e-5, atol=1e-5)


def test_crops_show_a_part_of_the_image() -> None:
    ramp = torch.linspace(0, 1, 40).expand(200, 1, 20, 40)
    out = resampled(ramp, draws("crop", strength=1.0))
    low, high = out[:, 0, 10, 0], out[:, 0, 10, -1]
    assert bool((low >= -1e-5).all() and (high <= 1 + 1e-5).all())
    assert 0.45 < float((high - low).min()) < 0.6
    assert float((high - low).max()) > 0.95


def test_light_is_a_line() -> None:
    images = torch.randn(200, 2, 4, 4, generator=generator())
    out = changed(images, draws("brightness", "contrast", strength=0.5))
    flat, new = images.flatten(1), out.flatten(1)
    slope = (new[:, 1] - new[:, 0]) / (flat[:, 1] - flat[:, 0])
    offset = new[:, 0] - slope * flat[:, 0]
    torch.testing.assert_close(new, flat * slope[:, None] + offset[:, None], rtol=1e-3, atol=1e-3)
    assert 0.68 < float(slope.min()) < 0.75 < 1.25 < float(slope.max()) < 1.32
    assert float(offset.abs().max()) < 0.31


@pytest.mark.parametrize("axes", [2, 3])
def test_holes_are_boxes_of_the_mean(axes: int) -> None:
    images = torch.ones(300, 2, *[12] * axes)
    out = changed(images, draws("cutout", count=300, strength=1.0))
    assert set(out.unique().tolist()) == {0.0, 1.0}
    with_hole = (out == 0).flatten(1).any(1)
    assert 80 < int(with_hole.sum()) < 160  # half of them, less those too small for a pixel
    gone = (out == 0).all(1)
    for hole in gone[with_hole][:30]:
        where = hole.nonzero()
        lengths = where.max(0).values - where.min(0).values + 1
        assert int(lengths.prod()) == int(hole.sum())
    assert torch.equal(out[:, 0], out[:, 1])


def test_trivial_gives_each_sample_one_operation_or_none() -> None:
    among = ("shift", "rotate", "brightness", "cutout")
    made = draws(*among, count=2000, choose=1, among=among)
    chosen = torch.stack([made.chosen[op] for op in among])
    assert set(chosen.sum(0).tolist()) == {0, 1}
    assert all(320 < int(count) < 480 for count in chosen.sum(1))


def test_rand_gives_two_at_full_strength() -> None:
    among = ("shift", "rotate", "brightness")
    made = draws(*among, count=500, choose=2, among=among, fixed=True, strength=0.3)
    assert set(torch.stack([made.chosen[op] for op in among]).sum(0).tolist()) == {1, 2}
    values = {round(value, 4) for value in made.signed("rotate").tolist()}
    assert values == {-0.3, 0.0, 0.3}


SERIES = torch.rand(150, 3, 40, generator=generator()) + 1.0


def masked() -> Task:
    """Two bands, their errors and their masks; nothing is there where the mask is 0."""
    seen = (torch.rand(150, 2, 40, generator=generator(3)) < 0.5).float()
    values = torch.rand(150, 4, 40, generator=generator()) + 1.0
    inputs = torch.cat([values * torch.cat([seen, seen], 1), seen], 1)
    train, valid = (
        Split(inputs[:120], torch.arange(120) % 2),
        Split(inputs[120:], torch.arange(30) % 2),
    )
    task = Task("bands", train, valid, classes=2, kind="series")
    task.mask_channels = (4, 5)  # type: ignore[attr-defined]
    return task


@pytest.mark.parametrize("policy", ["light", "medium", "strong", "trivial", "rand"])
def test_masks_stay_zeros_and_ones_and_tell_the_truth(policy: str) -> None:
    task = masked()
    plain, out = applied(task, policy, strength=1.0)
    assert set(out[:, 4:].unique().tolist()) == {0.0, 1.0}
    for band in (0, 1):
        for channel in (band, band + 2):
            assert bool((out[:, channel][out[:, 4 + band] == 0] == 0).all())
            assert not torch.equal(out[:, channel], plain[:, channel])


def test_bands_go_with_their_errors_and_masks() -> None:
    task = masked()
    plain, out = applied(task, ("channel_drop",), strength=1.0)
    gone = ((out == 0) & (plain != 0)).any(2)
    assert torch.equal(gone[:, :2], gone[:, 2:4])
    assert torch.equal(gone[:, :2], gone[:, 4:])
    assert not bool(gone[:, :2].all(1).any())
    assert 0.2 < float(gone[:, :2].any(1).float().mean()) < 0.7


def test_a_single_mask_tells_the_length_and_stays() -> None:
    task = masked()
    task.mask_channels = (5,)  # type: ignore[attr-defined]
    plain, out = applied(task, ("channel_drop",), strength=1.0)
    assert torch.equal(out[:, 5], plain[:, 5])
    gone = ((out == 0) & (plain != 0)).any(2)
    assert len(gone.unique(dim=0)) > 6


def test_the_encoder_of_series_tells_the_masks() -> None:
    task = masked()
    masks = task.mask_channels  # type: ignore[attr-defined]
    plain = Task("p", task.train, task.valid, classes=2, kind="series", encoder=task)
    assert Augmentation.of(Recipe(augment="light"), plain).masks == masks


def test_times_shift_alike_in_all_channels() -> None:
    ramp = torch.arange(40.0).expand(150, 3, 40)
    task = Task(
        "r",
        Split(ramp, torch.arange(150) % 2),
        Split(ramp, torch.arange(150) % 2),
        classes=2,
        kind="series",
    )
    _, out = applied(task, ("time_shift",))
    away = out[:, :, 20] - 20
    assert torch.equal(away[:, 0], away[:, 2])
    assert set(away[:, 0].tolist()) == set(range(-5, 6))
    for one, steps in zip(out[:20], away, strict=False):
        assert torch.equal(one[0], (torch.arange(40.0) + steps[0]).clamp(0, 39))


def test_spans_and_channels_become_the_mean() -> None:
    task = task_of(SERIES, layout="NCL")
    plain, out = applied(task, ("time_mask",), strength=1.0)
    gone = (out != plain).any(1)
    assert float(out[(out != plain)].abs().max()) < 1e-5
    runs = (gone[:, 1:] != gone[:, :-1]).sum(1)
    assert int(runs.max()) <= 2
    assert 0.3 < float(gone.float().mean(1).max()) <= 0.525
    plain, out = applied(task, ("channel_drop",), strength=1.0)
    dropped = (out.abs() < 1e-5).all(2)
    assert 0.2 < float(dropped.float().mean()) < 0.5
    assert int(dropped.sum(1).max()) == 2  # one channel at least stays


def test_a_single_channel_is_never_dropped() -> None:
    plain, out = applied(task_of(SERIES[:, :1], layout="NCL"), ("channel_drop",), strength=1.0)
    assert torch.equal(plain, out)


def test_jitter_and_scale() -> None:
    task = task_of(SERIES, layout="NCL")
    plain, out = applied(task, ("scale",))
    ratio = (out / plain).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-3)
    assert 0.8 <= float(ratio.min()) < 0.85 < 1.15 < float(ratio.max()) <= 1.2001
    plain, out = applied(task, ("jitter",))
    assert 0.03 < float((out - plain).std()) < 0.15


def test_rows_lose_features_and_gain_noise() -> None:
    task = KINDS["table"]()
    plain, out = applied(task, ("feature_drop",))
    assert 0.1 < float((out == 0).float().mean()) < 0.2
    assert torch.equal(out[out != 0], plain[out != 0])
    plain, out = applied(task, ("feature_noise",))
    assert 0.1 < float((out - plain).std()) < 0.2


def test_tokens_become_unknown_and_padding_stays() -> None:
    task = KINDS["text"]()
    plain, out = applied(task, "medium")
    assert torch.equal(out == 0, plain == 0)
    changed_tokens = out != plain
    assert set(out[changed_tokens].tolist()) == {1}
    assert 0.08 < float(changed_tokens.float().mean()) < 0.2


def test_mixup_blends_inputs_and_losses() -> None:
    inputs, targets = torch.rand(16, 5, generator=generator()), torch.arange(16)
    batch = mixed(Batch(inputs, targets), ("mixup",), 0.5, generator(2))
    assert batch.other is not None
    expected = batch.weight * inputs + (1 - batch.weight) * inputs.roll(1, 0)
    torch.testing.assert_close(batch.inputs, expected)
    assert torch.equal(batch.other.targets, targets.roll(1))
    assert 0 < batch.weight < 1

    def loss(outputs: object, targets: Tensor, soft: Tensor | None) -> Tensor:
        return targets.float().mean() + targets[0]

    value = loss(None, targets, None)
    other = loss(None, targets.roll(1), None)
    torch.testing.assert_close(
        batch.loss(loss, None), batch.weight * value + (1 - batch.weight) * other
    )


def test_cutmix_pastes_a_box_and_weighs_it_by_its_area() -> None:
    images = torch.arange(8.0)[:, None, None, None].expand(8, 2, 10, 14).contiguous()
    seen = set()
    for seed in range(40):
        batch = mixed(Batch(images, torch.arange(8)), ("cutmix",), 0.5, generator(seed))
        if batch.other is None:
            continue
        assert isinstance(batch.inputs, Tensor)
        pasted = batch.inputs[3, 0] == 2.0
        assert float(pasted.float().mean()) == pytest.approx(1 - batch.weight)
        assert bool((batch.inputs[3, 0][~pasted] == 3.0).all())
        where = pasted.nonzero()
        if len(where):
            assert int((where.max(0).values - where.min(0).values + 1).prod()) == len(where)
        seen.add(round(batch.weight, 3))
    assert 10 < len(seen) < 35  # about half of the batches are mixed


def test_categories_come_from_either_partner() -> None:
    batch = Batch(
        {"x": torch.rand(50, 3), "c": torch.arange(50)[:, None].expand(50, 9)}, torch.arange(50)
    )
    out = mixed(batch, ("mixup",), 1.0, generator(5))
    assert isinstance(out.inputs, dict)
    own = out.inputs["c"] == torch.arange(50)[:, None]
    assert bool((own | (out.inputs["c"] == (torch.arange(50)[:, None] - 1) % 50)).all())
    assert float(own.float().mean()) == pytest.approx(out.weight, abs=0.1)


def test_mixing_trains_every_target() -> None:
    inputs = torch.rand(60, 5, generator=generator())
    for target, targets, outputs in (
        (None, torch.arange(60) % 3, 3),
        (
            Labels(("a", "b")),
            torch.stack([torch.arange(60) % 2, torch.arange(60) % 3 == 0], 1).float(),
            2,
        ),
        (Numbers(("mm",), mean=(1.0,), std=(2.0,)), inputs.sum(1, keepdim=True), 1),
    ):
        cut = slice(0, 40), slice(40, 60)
        train, valid = (Split(inputs[part], targets[part]) for part in cut)
        task = Task("t", train, valid, classes=None if target else 3, target=target, kind="table")
        recipe = Recipe(epochs=1, augment=("mixup",), augment_strength=1.0)
        assert Training(nn.Linear(5, outputs), task, recipe, seed=0).epoch(1) > 0


def test_several_inputs_are_augmented_each_in_its_way() -> None:
    inputs = {"photo": IMAGES, "row": torch.rand(120, 4)}
    task = from_arrays(inputs, torch.arange(120) % 2, layout={"photo": "NCHW", "row": "NF"})
    augmentation = Augmentation.of(Recipe(augment="medium"), task)
    out = augmentation.inputs(task.train.inputs, task.prepare, generator())
    plain = task.prepare(task.train.inputs)
    assert isinstance(out, dict)
    assert isinstance(plain, dict)
    for name, tensor in out.items():
        assert tensor.shape == plain[name].shape
        assert not torch.equal(tensor, plain[name])


@pytest.mark.parametrize("policy", ["light", "medium", "strong", "trivial", "rand"])
def test_policies_leave_categories_in_their_range(policy: str) -> None:
    generator = torch.Generator().manual_seed(0)
    X = {
        "numbers": torch.rand(64, 3, generator=generator),
        "categories": torch.randint(0, 4, (64, 2), generator=generator),
    }
    kinds = {"numbers": "table", "categories": "categories"}
    task = from_arrays(X, torch.arange(64) % 2, kind=kinds, normalise=False)
    augmentation = Augmentation.of(Recipe(augment=policy), task)
    batch = task.train.take(torch.arange(32))
    changed = augmentation.inputs(batch.inputs, task.prepare, generator)
    assert isinstance(changed, dict)
    assert changed["categories"].dtype == torch.int64
    assert int(changed["categories"].max()) < 4
