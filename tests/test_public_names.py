"""What is listed as public is there and clashes with no module."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import archloom

PACKAGES = sorted(
    module.name for module in pkgutil.iter_modules(archloom.__path__, "archloom.") if module.ispkg
)


@pytest.mark.parametrize("name", ["archloom", *PACKAGES])
def test_lists_are_true(name: str) -> None:  # ruff's RUF022 keeps them sorted
    package = importlib.import_module(name)
    assert len(set(package.__all__)) == len(package.__all__)
    for public in package.__all__:
        assert getattr(package, public) is not None


def test_no_public_name_is_a_modules_name() -> None:
    modules = {module.name.rpartition(".")[2] for module in pkgutil.iter_modules(archloom.__path__)}
    assert not modules & set(archloom.__all__)


def test_the_facade_loads_nothing_heavy() -> None:
    code = (
        "import sys, archloom; from archloom import Evolution, Study, Space;"
        "print(sorted({'torch', 'sklearn', 'plotly', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
