"""Forward passes written down as graphs."""

from __future__ import annotations

import pickle
from typing import Any

import torch
from torch import nn

from archloom.nn import wired
from archloom.zoo._attention import transformer


def test_several_inputs_by_name_or_place() -> None:
    model = wired(
        lambda self, a, b: self.one(a) - self.two(b),
        {"one": nn.Identity(), "two": nn.Identity()},
        ("a", "b"),
    )
    assert model(torch.tensor(3.0), torch.tensor(1.0)) == 2
    assert model(b=torch.tensor(3.0), a=torch.tensor(1.0)) == -2


def test_weights_stay_weights_after_pickling() -> None:
    model = wired(
        lambda self, x: x @ self.weight.view(3, 2), {"weight": nn.Parameter(torch.ones(6))}
    )
    loaded = pickle.loads(pickle.dumps(model))
    with torch.no_grad():
        loaded.weight.zero_()
    assert loaded(torch.ones(1, 3)).tolist() == [[0.0, 0.0]]
    assert model(torch.ones(1, 3)).tolist() == [[3.0, 3.0]]


def test_a_transformer_layer_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours = transformer(8, 4, 0.0, masked=True).eval()
    theirs = nn.TransformerEncoderLayer(
        8, 4, 16, 0.0, "gelu", batch_first=True, norm_first=True
    ).train()
    first, second = ours.feed[1], ours.feed[4]
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": ours.three.weight,
            "self_attn.in_proj_bias": ours.three.bias,
            "self_attn.out_proj.weight": ours.out.weight,
            "self_attn.out_proj.bias": ours.out.bias,
            "norm1.weight": ours.norm.weight,
            "norm1.bias": ours.norm.bias,
            "norm2.weight": ours.feed[0].weight,
            "norm2.bias": ours.feed[0].bias,
            "linear1.weight": first.weight,
            "linear1.bias": first.bias,
            "linear2.weight": second.weight,
            "linear2.bias": second.bias,
        }
    )
    x, mask = torch.randn(3, 5, 8), torch.ones(3, 5)
    mask[1, 3:] = 0
    wanted = theirs(x, src_key_padding_mask=mask == 0)
    assert torch.allclose(ours(x, mask), wanted, atol=1e-5)


def test_names_with_dots_nest_and_keep_their_order() -> None:
    parts = {
        "stem": nn.Linear(2, 3),
        "cells.0": nn.Linear(3, 3),
        "cells.1": nn.Linear(3, 3),
        "tail.shift": torch.ones(3),
        "head": nn.Linear(3, 1),
    }

    def forward(self: Any, x: Any) -> Any:
        x = getattr(self, "cells.1")(getattr(self, "cells.0")(self.stem(x)))
        return self.head(x + getattr(self, "tail.shift"))

    model = wired(forward, parts)
    names = [name.rpartition(".")[0] for name in model.state_dict() if "weight" in name]
    assert names == ["stem", "cells.0", "cells.1", "head"]
    again = pickle.loads(pickle.dumps(model))
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    wanted = parts["head"](parts["cells.1"](parts["cells.0"](parts["stem"](x))) + 1)
    assert torch.equal(again(x), wanted)
    assert "tail.shift" in dict(again.named_buffers())
