"""Forward passes written down as graphs."""

from __future__ import annotations

import pickle

import torch
from torch import nn

from archloom.zoo._attention import transformer
from archloom.zoo._wired import wired


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
