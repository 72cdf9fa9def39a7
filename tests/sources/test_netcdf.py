"""NetCDF and HDF5: variables, dimensions, packed values, missing ones, files larger than memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, DataError, MissingExtra
from archloom.sources import from_netcdf
from archloom.task import load, rebuild

h5py = pytest.importorskip("h5py")

RNG = np.random.default_rng(0)
N = 30
CUTS = RNG.random((N, 6, 10)).astype(np.float32)
STRESS = RNG.random(N)


def hdf5(path: Path, **arrays: Any) -> Path:
    given = {"cuts": CUTS, "stress": STRESS, **arrays}
    with h5py.File(path, "w") as file:
        for name, array in given.items():
            if array is not None:
                file[name] = array
    return path


def classic(path: Path) -> Path:
    from scipy.io import netcdf_file

    with netcdf_file(path, "w") as file:
        file.createDimension("y", 6)
        file.createDimension("sample", N)
        file.createDimension("x", 10)
        packed = file.createVariable("height", "i2", ("y", "sample", "x"))
        packed.scale_factor, packed.add_offset, packed._FillValue = 0.01, 5.0, np.int16(-999)
        packed[:] = np.round((CUTS.transpose(1, 0, 2) - 5.0) / 0.01).astype(np.int16)
        target = file.createVariable("strain", "f8", ("sample",))
        target[:] = STRESS
    return path


def train(task: Any) -> torch.Tensor:
    found: torch.Tensor = task.train.inputs
    return found


def test_hdf5(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "sheets.h5")
    task = from_netcdf(path, "cuts", "stress", valid=0.2, test=0.2)
    assert task.name == "sheets"
    assert task.shape == (1, 6, 10)
    assert (len(task.train), len(task.valid), task.test_size) == (18, 6, 6)
    assert task.target.kind == "numbers"
    assert rebuild(json.loads(json.dumps(task.source))).fingerprint == task.fingerprint
    assert load(path, inputs="cuts", targets="stress", valid=0.2, test=0.2).fingerprint == (
        task.fingerprint
    )


def test_groups_classes_and_text(tmp_path: Path) -> None:
    kinds = np.array([b"spiral", b"ring"] * 15)
    path = hdf5(tmp_path / "a.h5", **{"in/pictures": CUTS, "kind": kinds})
    task = from_netcdf(path, "in/pictures", "kind", valid=0.2)
    assert task.class_names == ("ring", "spiral")


def test_several_targets_have_names(tmp_path: Path) -> None:
    votes = RNG.random((N, 37))
    path = hdf5(tmp_path / "galaxies.h5", votes=votes)
    task = from_netcdf(path, "cuts", ["votes", "stress"], valid=0.2)
    assert task.target.outputs == 38
    assert task.target.names[:2] == ("votes[0]", "votes[1]")
    assert task.target.names[-1] == "stress"
    labels = hdf5(tmp_path / "labels.h5", bits=np.array([[0, 1], [1, 1], [0, 0]] * 10))
    assert from_netcdf(labels, "cuts", "bits", valid=0.2).target.kind == "labels"


def test_variables_of_one_shape_are_channels(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.h5", other=CUTS * 2, mass=STRESS * 3, wind=RNG.random((N, 8)))
    task = from_netcdf(path, ["cuts", "other"], "stress", valid=0.2)
    assert task.shape == (2, 6, 10)
    torch.testing.assert_close(train(task)[:, 1], train(task)[:, 0] * 2)
    table = from_netcdf(path, ["mass", "mass"], "stress", valid=0.2)
    assert table.shape == (2,)
    several = from_netcdf(path, ["cuts", "mass", "wind"], "stress", valid=0.2)
    assert several.shape == {"cuts": (1, 6, 10), "mass": (1,), "wind": (8,)}


def test_netcdf_classic_with_packed_values(tmp_path: Path) -> None:
    path = classic(tmp_path / "old.nc")
    task = from_netcdf(path, "height", "strain", sample_dim="sample", valid=0.2)
    assert task.shape == (1, 6, 10)
    both = torch.cat([train(task), task.valid.inputs])  # type: ignore[list-item]
    order = torch.cat([task.train.targets, task.valid.targets])[:, 0].argsort()
    expected = CUTS[np.argsort(STRESS)]
    np.testing.assert_allclose(both[order][:, 0], expected, atol=0.0051)
    by_number = from_netcdf(path, "height", "strain", sample_dim="sample", valid=0.2)
    assert by_number.fingerprint == task.fingerprint


def test_netcdf4_dimensions(tmp_path: Path) -> None:
    h5netcdf = pytest.importorskip("h5netcdf")
    path = tmp_path / "new.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"x": 6, "sample": N, "y": 10}
        file.create_variable("field", ("x", "sample", "y"), data=CUTS.transpose(1, 0, 2))
        file.create_variable("strain", ("sample",), data=STRESS)
    task = from_netcdf(path, "field", "strain", sample_dim="sample", valid=0.2)
    assert task.shape == (1, 6, 10)
    with pytest.raises(DataError, match=r"has no dimension 'time': it has x, sample, y"):
        from_netcdf(path, "field", "strain", sample_dim="time")
    with pytest.raises(DataError, match=r"count the samples differently.*sample_dim="):
        from_netcdf(path, "field", "strain")


def test_missing_values(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "gaps.h5")
    with h5py.File(path, "a") as file:
        file["cuts"][2, 0, :4] = -99.0
        file["cuts"].attrs["_FillValue"] = np.float32(-99.0)
    with pytest.raises(DataError, match=r"input 'cuts' has 4 missing values.*give fill="):
        from_netcdf(path, "cuts", "stress")
    task = from_netcdf(path, "cuts", "stress", fill=0.0, valid=0.2)
    assert float(train(task).min()) == 0
    with h5py.File(path, "a") as file:
        file["stress"][[4, 9]] = -1.0
        file["stress"].attrs["missing_value"] = -1.0
    with pytest.raises(
        DataError, match=r"'stress' is missing in 2 of 30 samples, first in sample 4"
    ):
        from_netcdf(path, "cuts", "stress", fill=0.0)


def test_unsigned_bytes_stay_bytes(tmp_path: Path) -> None:
    pictures = RNG.integers(0, 255, (N, 8, 8), dtype=np.uint8)
    task = from_netcdf(hdf5(tmp_path / "a.h5", pictures=pictures), "pictures", "stress")
    assert train(task).dtype == torch.uint8


def test_larger_than_memory(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "big.h5")
    small = from_netcdf(path, "cuts", "stress", valid=0.2)
    mapped = from_netcdf(path, "cuts", "stress", valid=0.2, memory="1 KB", cache=tmp_path / "cache")
    assert mapped.fingerprint == small.fingerprint
    assert list((tmp_path / "cache").glob("big-cuts-*.npy"))


def test_a_file_of_its_own_for_the_test(tmp_path: Path) -> None:
    first, second = hdf5(tmp_path / "a.h5"), hdf5(tmp_path / "b.h5")
    task = from_netcdf(first, "cuts", "stress", test=second, valid=0.2)
    assert (len(task.train), task.test_size) == (24, N)
    assert rebuild(task.source or {}).fingerprint == task.fingerprint


def test_a_variable_that_is_not_there(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.h5")
    with pytest.raises(
        DataError, match=r"no variable 'cut': did you mean 'cuts'\? It holds cuts \(30, 6, 10\), st"
    ):
        from_netcdf(path, "cut", "stress")
    with pytest.raises(ConfigError, match=r"an input and a target at once"):
        from_netcdf(path, "cuts", "cuts")
    with pytest.raises(ConfigError, match=r"one was empty"):
        from_netcdf(path, [], "stress")
    text = hdf5(tmp_path / "text.h5", kind=np.array([b"a"] * N))
    with pytest.raises(DataError, match=r"'kind' holds text"):
        from_netcdf(text, "kind", "stress")


def test_broken_files(tmp_path: Path) -> None:
    whole = hdf5(tmp_path / "a.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot be read as a HDF5 file.*truncated"):
        from_netcdf(tmp_path / "cut.h5", "cuts", "stress")
    old = classic(tmp_path / "old.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(old[:60])
    with pytest.raises(DataError, match=r"cannot be read as a NetCDF file"):
        from_netcdf(tmp_path / "cut.nc", "height", "strain")
    (tmp_path / "text.nc").write_text("no data")
    with pytest.raises(DataError, match=r"should be a NetCDF or HDF5 file, it is a text file"):
        from_netcdf(tmp_path / "text.nc", "height", "strain")
    with pytest.raises(DataError, match=r"is no NetCDF|There is no NetCDF"):
        from_netcdf(tmp_path / "none.nc", "height", "strain")
    with pytest.raises(DataError, match=r"it is a folder"):
        from_netcdf(tmp_path, "height", "strain")


def test_hdf5_needs_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hdf5(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"pip install 'archloom\[netcdf\]'"):
        from_netcdf(path, "cuts", "stress")
