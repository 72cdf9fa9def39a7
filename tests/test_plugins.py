"""Plug-ins: found by name, built-in ones and those of installed packages alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archloom import Random
from archloom.errors import ConfigError
from archloom.plugins import BUILT_IN, Kind, find, known

_TARGETS = [(kind, name) for kind, names in BUILT_IN.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), _TARGETS)
def test_every_built_in_name_leads_somewhere(kind: Kind, name: str) -> None:
    assert callable(find(kind, name))


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("strategies", "evolutoin", "no strategy called 'evolutoin': did you mean 'evolution'?"),
        ("spaces", "small-cnn", "no space called 'small-cnn': did you mean 'small_cnn'?"),
        ("data", "fashon-mnist", "no data set called .* did you mean 'fashion-mnist'?"),
        ("estimators", "xyz", "no estimator called 'xyz': Known: .*cost.*train"),
    ],
)
def test_an_unknown_name_gets_the_nearest(kind: Kind, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find(kind, name)


@pytest.fixture
def _installed_package(tmp_path: Path) -> Iterator[None]:
    """A package beside archloom that brings a strategy, and tries to replace a built-in one."""
    (tmp_path / "annealing_plugin.py").write_text("class Annealing:\n    pass\n")
    info = tmp_path / "annealing_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: annealing-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[archloom.strategies]\n"
        "annealing = annealing_plugin:Annealing\n"
        "random = annealing_plugin:Annealing\n"
    )
    sys.path.insert(0, str(tmp_path))
    known.cache_clear()
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("annealing_plugin", None)
    known.cache_clear()


@pytest.mark.usefixtures("_installed_package")
def test_an_installed_package_brings_its_own() -> None:
    assert "annealing" in known("strategies")
    assert "annealing_plugin" not in sys.modules, "listing imports nothing"
    assert find("strategies", "annealing").__name__ == "Annealing"
    assert find("strategies", "random") is Random, "built-in names stay what they are"
    with pytest.raises(ConfigError, match="did you mean 'annealing'"):
        find("strategies", "anealing")
