"""How the tensors of torch's layers follow from their settings: one `Form` a kind of layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from torch import nn

from archloom.errors import ConfigError

Sizes: TypeAlias = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Form:
    """What a kind of layer looks like.

    Attributes:
        sizes: of each tensor, axis by axis, from an object with the layer's settings. The sizes
            are elastic numbers where the settings are.
        channels: the settings that count channels or features.
        groups: the setting that counts groups of channels, if there is one.
        kernel: whether the axes of `weight` from the third on are a kernel, cut to its middle.
        enters: the setting that says how many channels come in; None where none do.
        leaves: the setting that says how many go out.
        axis: of the channels in what comes in and goes out, counted from the end or the start.
        masked: whether weights over several sizes scale `weight` and `bias`.
        parts: the modules inside whose tensors the layer uses itself.
    """

    sizes: Callable[[Any], Sizes]
    channels: tuple[str, ...] = ()
    groups: str | None = None
    kernel: bool = False
    enters: str | None = None
    leaves: str | None = None
    axis: Callable[[Any], int] | None = None
    masked: bool = False
    parts: tuple[str, ...] = ()

    def divided(self, settings: Mapping[str, Any], divisor: int) -> dict[str, Any]:
        """Give the settings of a layer with 1/divisor of the channels.

        Groups keep their size, so that there are fewer of them, where that is possible.

        Raises:
            ConfigError: when the channels cannot be divided.
        """
        found = {name: _first_divided(name, settings[name], divisor) for name in self.channels}
        if self.groups is None or settings[self.groups] == 1:
            return found
        groups = settings[self.groups]
        if groups % divisor == 0:
            return found | {self.groups: groups // divisor}
        if any(found[name] % groups for name in self.channels):
            raise ConfigError(
                f"Partial channels (1 in {divisor}) need groups that can be divided, too, got "
                f"{groups} groups: take another number of groups or another K."
            )
        return found


def form_of(module: nn.Module) -> Form | None:
    """Give the form of a layer, also where its class only refines torch's; None if it has none."""
    for kind in type(module).__mro__:
        form = _FORMS.get(kind)
        if form is not None:
            return form if _all_known(module, form) else None
    return None


def _all_known(module: nn.Module, form: Form) -> bool:
    """Say whether the form speaks of all tensors that the module itself holds."""
    held = {*module._parameters, *module._buffers} - {"num_batches_tracked"}
    return held <= form.sizes(module).keys()


def _first_divided(name: str, setting: Any, divisor: int) -> Any:
    if isinstance(setting, tuple):
        return (_first_divided(name, setting[0], divisor), *setting[1:])
    if setting % divisor:
        raise ConfigError(
            f"Partial channels (1 in {divisor}) need {name} that can be divided by {divisor}, got "
            f"{setting}: take another width or another K."
        )
    return setting // divisor


def _of_conv(layer: Any) -> Sizes:
    inner = layer.in_channels // layer.groups
    return {
        "weight": (layer.out_channels, inner, *layer.kernel_size),
        "bias": (layer.out_channels,),
    }


def _of_transposed_conv(layer: Any) -> Sizes:
    inner = layer.out_channels // layer.groups
    return {"weight": (layer.in_channels, inner, *layer.kernel_size), "bias": (layer.out_channels,)}


def _of_linear(layer: Any) -> Sizes:
    return {"weight": (layer.out_features, layer.in_features), "bias": (layer.out_features,)}


def _of_channel_norm(layer: Any) -> Sizes:
    each = (layer.num_features,)
    return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), each)


def _of_layer_norm(layer: Any) -> Sizes:
    return dict.fromkeys(("weight", "bias"), layer.normalized_shape)


def _of_rms_norm(layer: Any) -> Sizes:
    return {"weight": layer.normalized_shape}


def _of_group_norm(layer: Any) -> Sizes:
    return dict.fromkeys(("weight", "bias"), (layer.num_channels,))


def _of_embedding(layer: Any) -> Sizes:
    return {"weight": (layer.num_embeddings, layer.embedding_dim)}


def _of_prelu(layer: Any) -> Sizes:
    return {"weight": (layer.num_parameters,)}


def _of_attention(layer: Any) -> Sizes:
    width = layer.embed_dim
    return {
        "in_proj_weight": (3 * width, width),
        "in_proj_bias": (3 * width,),
        "q_proj_weight": (width, width),
        "k_proj_weight": (width, layer.kdim),
        "v_proj_weight": (width, layer.vdim),
        "bias_k": (1, 1, width),
        "bias_v": (1, 1, width),
    }


def _of_recurrent(layer: Any) -> Sizes:
    gates = {"LSTM": 4, "GRU": 3}.get(layer.mode, 1) * layer.hidden_size
    out = layer.proj_size if layer.proj_size > 0 else layer.hidden_size
    ways = ("", "_reverse") if layer.bidirectional else ("",)
    sizes: dict[str, tuple[Any, ...]] = {}
    for number in range(layer.num_layers):
        before = len(ways) * out if number else layer.input_size
        for way in ways:
            end = f"l{number}{way}"
            sizes |= {f"weight_ih_{end}": (gates, before), f"weight_hh_{end}": (gates, out)}
            sizes |= {f"bias_ih_{end}": (gates,), f"bias_hh_{end}": (gates,)}
            sizes[f"weight_hr_{end}"] = (out, layer.hidden_size)
    return sizes


def _of_maps(layer: Any) -> int:
    return -len(layer.kernel_size) - 1


def _second(layer: Any) -> int:
    return 1


def _last(layer: Any) -> int:
    return -1


def _first_normalized(layer: Any) -> int:
    return -len(layer.normalized_shape)


_CONV: Final = Form(
    _of_conv,
    channels=("in_channels", "out_channels"),
    groups="groups",
    kernel=True,
    enters="in_channels",
    leaves="out_channels",
    axis=_of_maps,
    masked=True,
)
_CHANNEL_NORM: Final = Form(
    _of_channel_norm,
    channels=("num_features",),
    enters="num_features",
    leaves="num_features",
    axis=_second,
    masked=True,
)
_FORMS: Final[Mapping[type, Form]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _CONV),
    **dict.fromkeys(
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        replace(_CONV, sizes=_of_transposed_conv, masked=False),
    ),
    **dict.fromkeys(
        (
            *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
            *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
        ),
        _CHANNEL_NORM,
    ),
    nn.Linear: Form(
        _of_linear,
        channels=("in_features", "out_features"),
        enters="in_features",
        leaves="out_features",
        axis=_last,
        masked=True,
    ),
    nn.LayerNorm: Form(
        _of_layer_norm,
        channels=("normalized_shape",),
        enters="normalized_shape",
        leaves="normalized_shape",
        axis=_first_normalized,
    ),
    nn.RMSNorm: Form(
        _of_rms_norm,
        channels=("normalized_shape",),
        enters="normalized_shape",
        leaves="normalized_shape",
        axis=_first_normalized,
    ),
    nn.GroupNorm: Form(
        _of_group_norm,
        channels=("num_channels",),
        groups="num_groups",
        enters="num_channels",
        leaves="num_channels",
        axis=_second,
    ),
    nn.PReLU: Form(_of_prelu, enters="num_parameters", leaves="num_parameters", axis=_second),
    nn.Embedding: Form(_of_embedding, leaves="embedding_dim", axis=_last),
    nn.MultiheadAttention: Form(_of_attention, parts=("out_proj",)),
    **dict.fromkeys((nn.RNN, nn.LSTM, nn.GRU), Form(_of_recurrent)),
}
