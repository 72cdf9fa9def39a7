"""Augmentation: every image moves on its own, and no pixel is made up."""

from __future__ import annotations

import torch

from archloom.train import augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = torch.rand(400, 3, 6, 7, generator=generator())
    out = augment(images, ("flip",), generator(1))
    mirrored = (out == images.flip(3)).flatten(1).all(1)
    same = (out == images).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 150 < int(mirrored.sum()) < 250


def test_shift_moves_by_up_to_a_seventh_and_repeats_the_border() -> None:
    images = torch.arange(28.0).expand(300, 2, 14, 28).contiguous()  # each pixel is its column
    out = augment(images, ("shift",), generator(1))
    moved = out[:, 0, 0, 14] - 14
    assert set(moved.tolist()) == set(range(-4, 5))
    for image, away in zip(out, moved, strict=True):
        expected = (torch.arange(28.0) + away).clamp(0, 27)
        assert torch.equal(image, expected.expand(2, 14, 28))


def test_rows_move_too() -> None:
    images = torch.arange(14.0)[:, None].expand(300, 1, 14, 14).contiguous()
    moved = augment(images, ("shift",), generator(1))[:, 0, 7, 0] - 7
    assert set(moved.tolist()) == {-2, -1, 0, 1, 2}


def test_the_dtype_stays_and_the_input_is_not_changed() -> None:
    images = torch.randint(0, 255, (10, 3, 8, 8), dtype=torch.uint8, generator=generator())
    before = images.clone()
    out = augment(images, ("shift", "flip"), generator(1))
    assert out.dtype == torch.uint8
    assert torch.equal(images, before)
    assert torch.equal(out, augment(images, ("shift", "flip"), generator(1)))
    assert not torch.equal(out, augment(images, ("shift", "flip"), generator(2)))


def test_tables_pass_through() -> None:
    table = torch.rand(5, 4)
    assert augment(table, ("shift",), generator()) is table
