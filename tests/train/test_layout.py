"""The choice of memory layout and the allocator."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.task import Task
from archloom.train import Recipe, choose_layout, measure_layout, tune_allocator


def test_a_measurement_names_a_layout_and_both_times(
    task: Task, make_model: Callable[[], nn.Module]
) -> None:
    model = make_model()
    before = [value.clone() for value in model.state_dict().values()]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    found = measure_layout(model, task, Recipe())
    assert torch.rand(1) == expected
    assert found["layout"] in ("channels_last", "contiguous")
    assert found["ms"].keys() == {"channels_last", "contiguous"}
    assert all(ms > 0 for ms in found["ms"].values())
    for a, b in zip(before, model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def never(measure: Any) -> Any:
    raise AssertionError("nothing to measure")


def test_what_needs_no_measurement(task: Task, make_model: Callable[[], nn.Module]) -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert choose_layout(dense, task, Recipe(), remember=never) == "contiguous"
    conv = make_model()
    yes, no = Recipe(channels_last=True), Recipe(channels_last=False)
    assert choose_layout(conv, task, yes, remember=never) == "channels_last"
    assert choose_layout(conv, task, no, remember=never) == "contiguous"


def test_an_earlier_choice_is_taken(task: Task, make_model: Callable[[], nn.Module]) -> None:
    model = make_model()
    for layout in ("contiguous", "channels_last"):
        chosen = choose_layout(
            model, task, Recipe(), remember=lambda _, layout=layout: {"layout": layout}
        )
        assert chosen == layout
    with pytest.raises(ConfigError, match="one of channels_last, contiguous"):
        choose_layout(model, task, Recipe(), remember=lambda _: {"layout": "other"})


def test_the_allocator_says_what_was_done() -> None:
    assert tune_allocator() == tune_allocator()
    assert "glibc" in tune_allocator() or "untouched" in tune_allocator()


_RESIDENT = """
import platform, sys, torch
if platform.libc_ver()[0] != "glibc" or not sys.platform.startswith("linux"):
    sys.exit(77)
from archloom.train._allocator import release_memory, tune_allocator

def pages():
    return int(open("/proc/self/statm").read().split()[1])

tune_allocator()
before = pages()
blocks = [torch.ones(1_000_000) for _ in range(30)]
pin = [torch.ones(100) for _ in range(10)]
del blocks
kept = pages() - before
release_memory()
print(kept * 4096, (pages() - before) * 4096)
"""


def test_freed_memory_is_kept_until_it_is_released() -> None:
    done = subprocess.run([sys.executable, "-c", _RESIDENT], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("glibc on Linux only")
    kept, left = map(int, done.stdout.split())
    assert kept > 100_000_000  # 30 blocks of 4 MB
    assert left < 20_000_000
