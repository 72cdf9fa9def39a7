"""Every example space keeps the contract of spaces; the contract notices what breaks it."""

from __future__ import annotations

import pytest

from archloom.space import Choice, OneOf, Option, Space
from archloom.testing import check_space, example_spaces


@pytest.mark.parametrize("name", example_spaces())
def test_example_space(name: str) -> None:
    check_space(example_spaces()[name], seed=1)


def test_a_space_of_six_edges_with_five_operations() -> None:
    operation = OneOf(tuple(map(Option, ("none", "skip", "conv1", "conv3", "pool"))))
    check_space(Space(tuple(Choice(f"edge{number}", "layer", operation) for number in range(6))))


def test_the_contract_notices_a_wrong_size() -> None:
    space = example_spaces()["flat"]
    space.__dict__["size"] = 7
    with pytest.raises(AssertionError, match="as many points are listed as counted"):
        check_space(space)
