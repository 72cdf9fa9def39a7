"""Files as other programs write them, for the tests of the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

RNG = np.random.default_rng(0)


def pictures(folder: Path, count: int, shape: tuple[int, ...], suffix: str = ".png") -> list[Path]:
    """Write random images."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:03}{suffix}" for number in range(count)]
    for file in files:
        Image.fromarray(RNG.integers(0, 255, shape, dtype=np.uint8)).save(file)
    return files


def ct_slice(
    file: Path,
    values: np.ndarray,
    *,
    place: float | None = 0.0,
    number: int | None = 1,
    series: str = "1.2.3",
    patient: str = "anonymous",
    **further: Any,
) -> Path:
    """Write one CT slice as a scanner does: Hounsfield units stored with an offset of 1024."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(file)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID, data.SeriesInstanceUID = "CT", patient, series
    data.StudyInstanceUID = "1.2"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    if number is not None:
        data.InstanceNumber = number
    if place is not None:
        data.ImagePositionPatient = [0, 0, place]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = (values + 1024).astype("<u2").tobytes()
    for name, value in further.items():
        setattr(data, name, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)
    return file


def ct_study(folder: Path, count: int, patient: str, shade: float = 0.0, size: int = 16) -> Path:
    """Write a study of slices 5 mm apart, last slice first; slice i holds `shade + i` units."""
    for index in range(count):
        values = np.full((size, size), shade + index)
        ct_slice(
            folder / f"IM{count - index:04}",
            values,
            place=5.0 * index,
            number=count - index,
            patient=patient,
        )
    return folder
