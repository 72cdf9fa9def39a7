"""Choice: what was chosen to predict with, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from archloom.ensemble._views import PLAIN


@dataclass(frozen=True)
class Choice:
    """Members with their weights and all that is done to their mean; JSON-able.

    `members` are numbers of trials. `threshold` holds the probability above which a class or
    label is predicted, one for each label, and `bias` what it means for the outputs. `scores`
    are validation scores by name, `remarks` say why each thing was used or not.

    >>> Choice.from_json(Choice((3, 7), (0.5, 0.5)).to_json()).members
    (3, 7)
    """

    members: tuple[int, ...]
    weights: tuple[float, ...]
    views: tuple[str, ...] = (PLAIN,)
    temperature: float = 1.0
    threshold: tuple[float, ...] | None = None
    bias: tuple[float, ...] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether nothing was chosen but a single model as it is."""
        return (
            len(self.members) == 1
            and self.views == (PLAIN,)
            and self.temperature == 1.0
            and self.bias is None
        )

    def finished(self, outputs: Tensor) -> Tensor:
        """Give the mean's outputs as temperature and threshold change them.

        >>> import torch
        >>> Choice((0,), (1.0,), temperature=2.0).finished(torch.tensor([[4.0, 2.0]]))
        tensor([[2., 1.]])
        """
        if self.temperature != 1.0:
            outputs = outputs / self.temperature
        return outputs if self.bias is None else outputs + outputs.new_tensor(self.bias)

    def to_json(self) -> dict[str, Any]:
        """Give lists and dicts that `json.dumps` takes."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Choice:
        """Read what `to_json` gave; further entries are left alone."""
        known = {each.name for each in fields(cls)}
        return cls(**{k: _frozen(v) for k, v in data.items() if k in known})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
