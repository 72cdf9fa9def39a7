"""CT studies as scanners write them: order, units, windows, labels, and corrupt slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.sources.files import ct_slice, ct_study

from archloom.errors import ConfigError, DataError
from archloom.sources import ScanEncoder, encoder_from_json, from_dicom, read_votes
from archloom.task import load, rebuild

pytest.importorskip("pydicom", reason="needs the extra dicom")

UNITS: dict[str, Any] = {"windows": None, "size": 16, "slices": 4}


def studies(root: Path, count: int = 8, slices: int = 6) -> dict[str, int]:
    """Write two studies a patient, and give their labels: odd ones are lighter."""
    for number in range(count):
        ct_study(root / f"scan{number}", slices, f"P{number // 2}", shade=20.0 * (number % 2))
    return {f"scan{number}": number % 2 for number in range(count)}


def test_volumes_in_hounsfield_units(tmp_path: Path) -> None:
    labels = studies(tmp_path)
    task = from_dicom(tmp_path, labels=labels, valid=0.25, **UNITS)
    assert task.shape == (1, 4, 16, 16)
    assert task.kind == "volume"
    # slice i of a study holds shade + i units, and files are named against their order
    depth = task.train.inputs[:, 0, :, 8, 8]
    expected = torch.linspace(0, 5, 4) + 20 * task.train.targets[:, None]
    torch.testing.assert_close(depth, expected)


def test_patients_stay_on_one_side(tmp_path: Path) -> None:
    task = from_dicom(tmp_path, labels=studies(tmp_path, 12), valid=0.34, test=0.34, **UNITS)
    assert task.groups is not None
    train, valid = task.groups[: len(task.train)], task.groups[len(task.train) :]
    assert not set(train.tolist()) & set(valid.tolist())
    for fold in task.folds(2):
        assert fold.groups is None or len(fold.train) + len(fold.valid) == len(task.groups)


def test_one_name_for_all_patients_counts_for_nothing(tmp_path: Path) -> None:
    for number in range(6):
        ct_study(tmp_path / f"s{number}", 3, "anonymous")
    labels = {f"s{number}": number % 2 for number in range(6)}
    task = from_dicom(tmp_path, labels=labels, valid=0.34, **UNITS)
    assert len(task.valid) == 2
    assert "All studies have the patient ID 'anonymous'" in task.notices[0]


def test_windows_become_channels() -> None:
    # brain: centre 40, width 80: 0 is black, 40 is the middle, 80 is white
    encoder = ScanEncoder(["brain", (50, 100)], 2, 1)
    study = encoder.read([])
    assert study.slices == ()
    values = encoder._windowed(np.array([[[-5.0, 40.0], [80.0, 3000.0]]], dtype=np.float32))
    assert values[:, 0].tolist() == [[[0, 128], [255, 255]], [[0, 102], [204, 255]]]
    with pytest.raises(ConfigError, match="did you mean 'subdural'"):
        ScanEncoder(["subdual"])
    with pytest.raises(ConfigError, match=r"pair \(centre, width\)"):
        ScanEncoder([(1, 2, 3)])
    with pytest.raises(ConfigError, match="above 0"):
        ScanEncoder([(1, 0)])


@pytest.mark.parametrize("places", [True, False])
def test_the_order_of_slices(tmp_path: Path, places: bool) -> None:
    for index, name in enumerate("cab"):
        ct_slice(
            tmp_path / name,
            np.full((8, 8), 10.0 * index),
            place=7.5 * index if places else None,
            number=9 - index if places else index,  # numbers do not count where there are places
        )
    volume = ScanEncoder(None, 8, 3).transform(tmp_path)
    assert volume[0, 0, :, 0, 0].tolist() == [0, 10, 20]


def test_a_gap_between_slices_is_filled_by_position(tmp_path: Path) -> None:
    for place in (0.0, 5.0, 15.0, 20.0):  # the slice at 10 mm is missing
        ct_slice(tmp_path / f"{place}", np.full((8, 8), place), place=place)
    volume = ScanEncoder(None, 8, 5).transform(tmp_path)
    np.testing.assert_allclose(volume[0, 0, :, 0, 0], [0, 5, 10, 15, 20], atol=1e-4)


def test_slope_frames_series_and_scouts(tmp_path: Path) -> None:
    ct_slice(tmp_path / "a", np.zeros((8, 8)), RescaleSlope=2, RescaleIntercept=-2000)
    volume = ScanEncoder(None, 8, 1).transform(tmp_path)
    assert float(volume[0, 0, 0, 0, 0]) == 1024 * 2 - 2000
    for index in range(3):
        ct_slice(
            tmp_path / f"thin{index}",
            np.full((8, 8), 50.0),
            place=float(index),
            series="9",
            SeriesDescription="Thin bone",
        )
    ct_slice(tmp_path / "scout", np.full((30, 8), 999.0), ImageType=["ORIGINAL", "LOCALIZER"])
    study = ScanEncoder(None, 8, 1).read(sorted(tmp_path.iterdir()))
    assert (len(study.slices), study.series, study.broken) == (3, 2, ())
    assert len(ScanEncoder(None, 8, 1, series="bone").read(sorted(tmp_path.iterdir())).slices) == 3
    frames = np.stack([np.full((8, 8), 1.0), np.full((8, 8), 2.0)])
    many = tmp_path / "many"
    ct_slice(many / "frames", frames.reshape(16, 8), Rows=8, Columns=8, NumberOfFrames=2)
    assert ScanEncoder(None, 8, 2).transform(many)[0, 0, :, 0, 0].tolist() == [1, 2]


def test_corrupt_slices_are_skipped_counted_and_reported(tmp_path: Path) -> None:
    labels = studies(tmp_path)
    whole = (tmp_path / "scan3" / "IM0003").read_bytes()
    (tmp_path / "scan3" / "IM0003").write_bytes(whole[:-100])
    (tmp_path / "scan2" / "IM0001").write_text("not an image of anything")
    (tmp_path / "scan1" / "IM0002").write_bytes(b"")
    (tmp_path / "scan1" / "report.txt").write_text("no finding")
    for file in (tmp_path / "scan0").iterdir():
        file.write_bytes(b"\0" * 200)
    task = from_dicom(tmp_path, labels=labels, valid=0.25, **UNITS)
    assert len(task.train) + len(task.valid) == 7
    skipped, dropped = task.notices
    assert skipped.startswith("9 of 48 DICOM files could not be read and were skipped")
    assert dropped == "Studies dropped for want of a readable slice: 1 (scan0)."
    # what is left of scan3 still spans its length
    sums = {float(one[0, 0, 0, 0]) for one in task.pooled().inputs}
    assert sums <= {0.0, 20.0}


def test_nothing_readable(tmp_path: Path) -> None:
    labels = studies(tmp_path, 4, 1)
    for file in tmp_path.glob("*/IM*"):
        file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"No slice of any study can be read.*pixel data"):
        from_dicom(tmp_path, labels=labels, valid=0.25, **UNITS)


def test_more_pixels_than_allowed_is_a_broken_file(tmp_path: Path) -> None:
    labels = studies(tmp_path, 4, 2)
    with pytest.raises(DataError, match="more than max_pixels=100"):
        from_dicom(tmp_path, labels=labels, valid=0.25, max_pixels=100, **UNITS)


def test_slices_as_samples(tmp_path: Path) -> None:
    labels = studies(tmp_path)
    (tmp_path / "scan3" / "IM0003").write_bytes(b"broken")
    options: dict[str, Any] = {**UNITS, "slices": None, "samples": "slices"}
    task = from_dicom(tmp_path, labels=labels, valid=0.25, **options)
    assert task.kind == "image"
    assert task.shape == (1, 16, 16)
    assert len(task.train) + len(task.valid) == 47
    bright = task.train.inputs[:, 0, 0, 0] >= 20
    assert (bright.long() == task.train.targets).all()
    few = from_dicom(tmp_path, labels=labels, valid=0.25, **{**options, "slices": 2})
    assert len(few.train) + len(few.valid) == 16


def test_labels_from_a_table_and_again_by_description(tmp_path: Path) -> None:
    labels = studies(tmp_path / "ct")
    lines = [f"{name},{value},{1 - value}" for name, value in labels.items() if name != "scan5"]
    (tmp_path / "labels.csv").write_text("\n".join(["scan,bleed,healthy", *lines, "scan99,1,0"]))
    with pytest.raises(DataError, match=r"scan, bleed, healthy\. Name one or several with target="):
        from_dicom(tmp_path / "ct", labels=tmp_path / "labels.csv")
    task = load(
        tmp_path / "ct", labels=tmp_path / "labels.csv", target=["bleed", "healthy"], **UNITS
    )
    assert (task.target.kind, task.class_names) == ("labels", ("bleed", "healthy"))
    assert "1 of 8 studies have no label" in task.notices[0]
    assert task.notices[1].endswith("ct: 1.")
    assert task.source is not None
    again = rebuild(task.source)
    assert again.fingerprint == task.fingerprint
    assert again.encoder == task.encoder == encoder_from_json(task.encoder.to_json())


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for number in range(6):
        ct_study(tmp_path / ("bleed", "none")[number % 2] / f"s{number}", 2, f"P{number}")
    task = load(tmp_path, valid=0.34, **UNITS)
    assert task.class_names == ("bleed", "none")
    (tmp_path / "none").rename(tmp_path / "bleed" / "rest")
    with pytest.raises(DataError, match="holds a folder for each class"):
        load(tmp_path, **UNITS)


def test_files_in_one_folder_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    for number in range(6):
        for index in range(2):
            values = np.full((8, 8), float(number))
            ct_slice(tmp_path / f"{number}-{index}.dcm", values, place=index, patient=f"P{number}")
    labels = {f"P{number}": number % 2 for number in range(6)}
    task = from_dicom(tmp_path, labels=labels, valid=0.34, **UNITS)
    assert len(task.train) + len(task.valid) == 6


def test_votes_of_readers_become_labels(tmp_path: Path) -> None:
    for number in range(6):  # on disk the scans of CQ500 are called as in the published archive
        ct_study(tmp_path / "ct" / f"CQ500CT{number} CQ500CT{number}", 2, f"P{number}")
    rows = [f"CQ500-CT-{n},{n % 2},{n % 2},{n // 3},0,0,{n % 2}" for n in range(6)]
    head = "name,R1:ICH,R2:ICH,R3:ICH,R1:IPH,R2:IPH,R3:IPH"
    (tmp_path / "reads.csv").write_text("\n".join([head, *rows]))
    task = from_dicom(
        tmp_path / "ct", votes=tmp_path / "reads.csv", findings=["ICH"], valid=0.34, **UNITS
    )
    assert task.class_names == ("no ICH", "ICH")
    assert sorted(task.pooled().targets.tolist()) == [0, 0, 0, 1, 1, 1]
    assert task.notices[0].startswith("Agreement of 3 readers on ICH: ")
    assert rebuild(task.source or {}).fingerprint == task.fingerprint
    votes = read_votes(tmp_path / "reads.csv")
    rule = from_dicom(tmp_path / "ct", votes=votes, rule="any", valid=0.34, **UNITS)
    assert rule.class_names == ("ICH", "IPH")
    assert rule.source is None  # votes in memory cannot be loaded again


def test_labels_that_fit_to_no_study(tmp_path: Path) -> None:
    studies(tmp_path, 2)
    with pytest.raises(DataError, match=r"called scan0, scan1, the labels left, right"):
        from_dicom(tmp_path, labels={"left": 0, "right": 1})
    with pytest.raises(ConfigError, match="both were given"):
        from_dicom(tmp_path, labels={"a": 1}, votes="x.csv")
    with pytest.raises(ConfigError, match="'volumes' or 'slices'"):
        from_dicom(tmp_path, labels={"scan0": 1}, samples="voxels")


def test_the_cache(tmp_path: Path) -> None:
    labels = studies(tmp_path / "ct")
    plain = from_dicom(tmp_path / "ct", labels=labels, **UNITS)
    options: dict[str, Any] = {"memory": "1 KB", "cache": tmp_path / "cache", **UNITS}
    for _ in range(2):
        assert (
            from_dicom(tmp_path / "ct", labels=labels, **options).fingerprint == plain.fingerprint
        )
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1
