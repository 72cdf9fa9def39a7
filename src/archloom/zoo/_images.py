"""What the spaces for images have in common."""

from __future__ import annotations

from collections.abc import Sequence

from archloom.errors import ConfigError


def checked_image(space: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """Give channels, height and width, or raise `ConfigError`."""
    if len(shape) != 3 or min(shape) < 1:
        raise ConfigError(
            f"{space} needs images of shape (channels, height, width), got {tuple(shape)}. "
            f"For other data take mlp, or write a space of your own."
        )
    channels, height, width = shape
    return channels, height, width


def stem_stride(height: int, width: int) -> int:
    """Give the step of the first convolution, so that large images cost like small ones."""
    smaller = min(height, width)
    return 1 if smaller < 48 else 2 if smaller < 128 else 4


def checked_size(space: str, name: str, value: int) -> None:
    """Raise `ConfigError` unless a setting is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} of {space} must be a whole number from 1, got {value!r}.")
