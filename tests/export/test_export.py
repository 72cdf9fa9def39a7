from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archloom.errors import ConfigError, MissingExtra
from archloom.export import export_model, normalised
from archloom.nn import concat
from archloom.task import Classes, Mixed, Numbers
from archloom.zoo import course_cnn, resnet, small_cnn

FORMATS = ("pt", "pt2", "onnx")
SIZES = (1, 5)


def trained(space: Any, **settings: Any) -> nn.Module:
    """A model whose batch statistics are not the initial ones."""
    torch.manual_seed(0)
    space = space(**settings) if settings else space
    model: nn.Module = space.build(space.space.sample(np.random.default_rng(2)))
    shape = space.settings.get("shape", (1, 28, 28))
    for _ in range(3):
        model(torch.rand(8, *shape))
    return model


def run_onnx(path: Path, *inputs: Tensor) -> list[Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    given = dict(zip(names, (x.numpy() for x in inputs), strict=True))
    return [torch.as_tensor(out) for out in session.run(None, given)]


def images(size: int, shape: tuple[int, ...] = (1, 28, 28)) -> Tensor:
    return 255 * torch.rand(size, *shape, generator=torch.Generator().manual_seed(size))


@pytest.mark.parametrize(
    ("space", "settings"),
    [(course_cnn, {}), (small_cnn, {"shape": (3, 16, 16)}), (resnet, {"shape": (3, 16, 16)})],
    ids=["course_cnn", "small_cnn", "resnet"],
)
def test_all_formats_give_what_the_model_gives(
    tmp_path: Path, space: Any, settings: dict[str, Any]
) -> None:
    model = trained(space, **settings)
    shape = settings.get("shape", (1, 28, 28))
    mean, std = torch.linspace(60, 90, shape[0]), torch.linspace(50, 70, shape[0])
    paths = export_model(model, images(2, shape), tmp_path / "out", FORMATS, normalise=(mean, std))
    assert [path.name for path in paths] == ["model.pt", "model.pt2", "model.onnx"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    assert model.training  # as it was
    model.eval()
    loaded = torch.load(paths[0], weights_only=False)
    program = torch.export.load(paths[1]).module()
    for size in SIZES:
        x = images(size, shape)
        wanted = model((x - mean[:, None, None]) / std[:, None, None])
        for given in (loaded(x), program(x), run_onnx(paths[2], x)[0]):
            assert torch.allclose(given, wanted, atol=1e-4)


def test_the_pt_file_needs_no_archloom(tmp_path: Path) -> None:
    model = trained(small_cnn)
    (path,) = export_model(model, images(2), tmp_path / "m.pt", normalise=([72.9], [90.0]))
    pairs = {n: (images(n), model.eval()((images(n) - 72.9) / 90.0).detach()) for n in SIZES}
    torch.save(pairs, tmp_path / "pairs.pt")
    code = (
        "import sys; sys.modules['archloom'] = None\n"
        "import torch\n"
        "model = torch.load('m.pt', weights_only=False)\n"
        "assert not model.training\n"
        "for x, y in torch.load('pairs.pt').values():\n"
        "    assert torch.allclose(model(x), y, atol=1e-4)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert path == tmp_path / "m.pt"


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_name_settles_the_format(tmp_path: Path, format: str) -> None:
    path = tmp_path / "deep" / f"net.{format}"
    assert export_model(nn.Linear(3, 2), torch.zeros(2, 3), path) == [path]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(3, 4)
        self.right = nn.Linear(5, 4)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        both = self.left(left) + self.right(right)
        return both, both.sum(1)


@pytest.mark.parametrize("kind", [tuple, dict])
def test_models_of_several_inputs(tmp_path: Path, kind: type) -> None:
    torch.manual_seed(0)
    model = Pair().eval()
    left, right = torch.randn(2, 3), torch.randn(2, 5)
    example = (left, right) if kind is tuple else {"left": left, "right": right}
    paths = export_model(model, example, tmp_path, FORMATS)
    for size in SIZES:
        inputs = torch.randn(size, 3), torch.randn(size, 5)
        wanted = model(*inputs)
        program = torch.export.load(paths[1]).module()
        left, right = inputs
        given = program(*inputs) if kind is tuple else program(left=left, right=right)
        loaded = torch.load(paths[0], weights_only=False)(*inputs)
        for outputs in (given, loaded, run_onnx(paths[2], *inputs)):
            for one, two in zip(outputs, wanted, strict=True):
                assert torch.allclose(one, two, atol=1e-4)


def test_whole_numbers_as_input(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2)).eval()
    (path,) = export_model(model, torch.tensor([[0, 3, 9]]), tmp_path / "m.onnx")
    x = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert torch.allclose(run_onnx(path, x)[0], model(x), atol=1e-4)


def test_channels_last_models(tmp_path: Path) -> None:
    model = trained(small_cnn).to(memory_format=torch.channels_last)
    paths = export_model(model, images(2), tmp_path, FORMATS)
    assert torch.allclose(run_onnx(paths[2], images(5))[0], model.eval()(images(5)), atol=1e-4)


def test_the_onnx_file_says_what_goes_in(tmp_path: Path) -> None:
    import onnxruntime

    (path,) = export_model(trained(course_cnn), images(2), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert entry.name == "input"
    assert entry.shape[1:] == [1, 28, 28]
    assert isinstance(entry.shape[0], str)


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum().item() > 0 else -x


def test_a_model_that_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Export it as 'pt'"):
        export_model(OnValues(), torch.zeros(2, 3), tmp_path, ["pt2"])
    assert list(tmp_path.iterdir()) == []
    export_model(OnValues(), torch.zeros(2, 3), tmp_path, ["pt"])


class Cheat(nn.Module):
    """Gives other numbers when it is exported."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if torch.compiler.is_exporting() else x


def test_an_onnx_file_that_gives_other_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other outputs than the model: they are 1 apart"):
        export_model(Cheat(), torch.zeros(2, 3), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_when_the_new_one_fails(tmp_path: Path) -> None:
    (path,) = export_model(nn.Linear(3, 3), torch.zeros(2, 3), tmp_path / "m.onnx")
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        export_model(Cheat(), torch.zeros(2, 3), path)
    assert path.read_bytes() == before


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'archloom\[onnx\]'"):
        export_model(nn.Linear(3, 3), torch.zeros(2, 3), tmp_path / "m.onnx")


def test_wrong_arguments(tmp_path: Path) -> None:
    model, example = nn.Linear(3, 2), torch.zeros(2, 3)
    with pytest.raises(ConfigError, match=r"no export format 'onx': did you mean 'onnx'"):
        export_model(model, example, tmp_path, ["onx"])
    (tmp_path / "taken.txt").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        export_model(model, example, tmp_path / "taken.txt")
    with pytest.raises(ConfigError, match="one input tensor"):
        export_model(Pair(), (example, example), tmp_path, normalise=([0], [1]))


def test_normalisation() -> None:
    x = images(3, (2, 4, 4))
    model = normalised(nn.Identity(), [100, 50], torch.tensor([10.0, 0.0]), dims=4)
    assert torch.allclose(model(x)[:, 0], (x[:, 0] - 100) / 10)
    assert torch.allclose(model(x)[:, 1], x[:, 1] - 50)  # a constant channel is only shifted
    with pytest.raises(ConfigError, match="as many finite means"):
        normalised(nn.Identity(), [1, 2], [1], dims=4)
    assert set(normalised(concat(nn.Linear(2, 2)), [0], [1], 2).state_dict()) == {
        "mean",
        "std",
        "model.branch0.weight",
        "model.branch0.bias",
    }


def outputs_of(path: Path) -> list[tuple[str, list[Any]]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [(output.name, output.shape[1:]) for output in session.get_outputs()]


def test_onnx_outputs_have_names(tmp_path: Path) -> None:
    example = torch.randn(2, 3), torch.randn(2, 5)
    (path,) = export_model(Pair().eval(), example, tmp_path / "pair.onnx")
    assert [name for name, _ in outputs_of(path)] == ["output0", "output1"]
    (path,) = export_model(nn.Linear(3, 4), example[0], tmp_path / "one.onnx")
    assert outputs_of(path) == [("output", [4])]


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        out = self.last(x)
        return {"logits": out, "sum": out.sum(1)}


def test_onnx_outputs_of_a_dict_bear_its_keys(tmp_path: Path) -> None:
    (path,) = export_model(Named().eval(), torch.randn(2, 3), tmp_path / "m.onnx")
    assert [name for name, _ in outputs_of(path)] == ["logits", "sum"]


@pytest.mark.parametrize("named", [False, True])
def test_onnx_has_an_output_for_each_of_several_targets(tmp_path: Path, named: bool) -> None:
    torch.manual_seed(0)
    target = Mixed({"age": Numbers(("age",)), "kind": Classes(("cat", "dog", "owl"))})
    model = Apart().eval()
    given = {"left": torch.randn(2, 3), "age": torch.randn(2, 3)}
    example = given if named else tuple(given.values())
    onnx, pt2 = export_model(model, example, tmp_path, ("onnx", "pt2"), outputs=target)
    first = "predicted_age" if named else "age"
    assert outputs_of(onnx) == [(first, [1]), ("kind", [3])]
    inputs = {"left": torch.randn(5, 3), "age": torch.randn(5, 3)}
    wanted = model(**inputs)
    age, kind = run_onnx(onnx, *inputs.values())
    assert torch.allclose(torch.cat([age, kind], 1), wanted, atol=1e-5)
    program = torch.export.load(pt2).module()
    whole = program(**inputs) if named else program(*inputs.values())
    assert torch.allclose(whole, wanted, atol=1e-5)


class Apart(nn.Module):
    """Two inputs, and four columns: a number and three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 4)

    def forward(self, left: Tensor, age: Tensor) -> Tensor:
        out: Tensor = self.last(left * age)
        return out
