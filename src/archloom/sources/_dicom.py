"""Head CT and other DICOM series: folders of slices to studies, with their labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._extras import need
from archloom.sources._planned import Rows, planned_task
from archloom.sources._read_table import read_table
from archloom.sources._scan import (
    BROKEN,
    ScanEncoder,
    chosen_slices,
    dicom_files,
    patient_of,
    quiet_pydicom,
    read_header,
)
from archloom.sources._votes import Votes, read_votes
from archloom.task import Room, Task, cached_rows, existing, json_source

_SETTINGS = ("windows", "size", "slices", "series", "max_pixels")


@dataclass(frozen=True)
class _Scan:
    name: str
    files: tuple[Path, ...]
    label: Any
    patient: str = ""


@dataclass(frozen=True)
class _Answers:
    """The targets by the name of the study, what they are called, and what there is to say."""

    known: Mapping[str, Any]
    names: tuple[str, ...] | None = None
    notices: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)


def from_dicom(
    path: str | Path,
    *,
    labels: str | Path | Mapping[str, Any] | None = None,
    target: str | Sequence[str] | None = None,
    votes: str | Path | Votes | None = None,
    findings: Sequence[str] | None = None,
    rule: str = "majority",
    scan: str | None = None,
    predict: Any = None,
    samples: str = "volumes",
    windows: Sequence[Any] | None = ("brain", "subdural", "bone"),
    size: int | Sequence[int] = 128,
    slices: int | None = 32,
    series: str | None = None,
    max_pixels: int = 100_000_000,
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    memory: str | int | float | None = None,
    cache: str | Path | None = None,
    **settings: Any,
) -> Task:
    """Read a folder that holds one folder of DICOM slices for each study.

    Labels come from a table `labels` (its column `scan`, or the first, names the study; `target`
    one or several columns) or a dict by study, from several readers' `votes` (see `read_votes`;
    `findings` and `rule` make them labels, and the task's notices say how far the readers agree),
    or from folders: one for each class, holding its studies.

    `samples` is `volumes`, one for each study, or `slices`, `slices` of each study (None: all)
    with the study's label. The samples of a patient stay in one split. `windows`, `size`,
    `slices` and `series` are those of `ScanEncoder`, which becomes the task's encoder.

    Files that cannot be read, with more than `max_pixels` or in colours are skipped, studies
    without a readable slice dropped, and notices say how many of which. Further settings are those
    of `from_arrays`.

    Raises:
        DataError: when no study is left, and for labels that fit to none.
        MissingExtra: without pydicom.

        from_dicom("CQ500", votes="reads.csv", findings=["ICH"], size=128, slices=32)
    """
    need("pydicom", "dicom", "Reading DICOM files")
    if samples not in ("volumes", "slices"):
        raise ConfigError(f"samples is 'volumes' or 'slices', got {samples!r}.")
    if labels is not None and votes is not None:
        raise ConfigError("Labels come from labels= or from votes=, both were given.")
    encoder = ScanEncoder(
        None if windows is None else tuple(windows),
        size,  # type: ignore[arg-type]  # the encoder makes a pair of it
        slices,
        series,
        samples == "volumes",
        max_pixels,
    )
    path = existing(path, "folder of DICOM studies")
    answers = _answers(labels, target, votes, findings, rule, scan)
    with quiet_pydicom():
        scans, notices = _scans(path, answers)
    given: dict[str, Any] = {"name": path.name, "source": None, **settings}
    if answers is not None and answers.names is not None:
        given.setdefault("class_names", answers.names)
    if given["source"] is None and (answers is None or answers.origin):
        how = {key: value for key, value in encoder.to_json().items() if key in _SETTINGS}
        how |= {"windows": how["windows"] or [], "slices": how["slices"] or 0}  # JSON drops None
        cut = {"predict": predict, "valid": valid, "test": test, "seed": seed}
        rooms = {"memory": memory, "cache": cache}
        origin = {} if answers is None else answers.origin
        given["source"] = json_source(
            "dicom", path=path, samples=samples, **origin, **how, **cut, **rooms, **settings
        )
    given["notices"] = (*notices, *settings.get("notices", ()))
    room = Room.of(memory, cache)
    make = _volumes if samples == "volumes" else _slices
    return make(
        scans,
        encoder,
        room,
        {"target": predict, "valid": valid, "test": test, "seed": seed} | given,
    )


# -- which studies there are, and their labels ---------------------------------------------------


def _answers(
    labels: Any, target: Any, votes: Any, findings: Any, rule: str, scan: str | None
) -> _Answers | None:
    if votes is not None:
        return _from_votes(votes, findings, rule, scan)
    if findings is not None:
        raise ConfigError("findings= belongs to votes=; columns of a table are named by target=.")
    if labels is None:
        return None
    if isinstance(labels, Mapping):
        return _Answers({str(name): label for name, label in labels.items()})
    table = existing(labels, "table of labels")
    columns = read_table(table).values
    names = list(columns)
    key = scan or names[0]
    wanted = [target] if isinstance(target, str) else list(target or names)
    wanted = [name for name in wanted if name != key]
    for name in (key, *wanted):
        if name not in columns:
            raise ConfigError(f"{table} has no column {name!r}: {did_you_mean(name, columns)}.")
    if target is None and len(wanted) != 1:
        raise DataError(
            f"Which column of {table} holds the labels cannot be told: it has {', '.join(names)}. "
            f"Name one or several with target=."
        )
    values = [columns[name] for name in wanted]
    known = {
        str(study): values[0][row] if len(values) == 1 else [column[row] for column in values]
        for row, study in enumerate(columns[key].tolist())
    }
    named = tuple(wanted) if len(wanted) > 1 else None
    return _Answers(known, named, (), {"labels": str(table), "target": wanted, "scan": key})


def _from_votes(votes: Any, findings: Any, rule: str, scan: str | None) -> _Answers:
    read = votes if isinstance(votes, Votes) else read_votes(votes, findings=findings, scan=scan)
    if isinstance(votes, Votes) and findings is not None:
        raise ConfigError("findings= belongs to a file of votes; pick them when reading it.")
    table = read.labels(rule)
    single = len(read.findings) == 1
    known = {name: row[0] if single else row for name, row in zip(read.scans, table, strict=True)}
    names = ("no " + read.findings[0], read.findings[0]) if single else read.findings
    notices = tuple(
        f"Agreement of {len(read.readers)} readers on {one}" for one in read.agreement().values()
    )
    origin: dict[str, Any] = {}
    if not isinstance(votes, Votes):
        asked = None if findings is None else list(findings)
        origin = {"votes": str(Path(votes).resolve()), "findings": asked, "rule": rule}
        origin["scan"] = scan
    return _Answers(known, names, notices, origin)


def _scans(path: Path, answers: _Answers | None) -> tuple[list[_Scan], list[str]]:
    if not path.is_dir():
        raise DataError(f"DICOM studies are a folder of folders, {path} is a file.")
    found = _labelled(path, answers) if answers is not None else _by_class(path)
    notices = list(answers.notices) if answers is not None else []
    scans = [one for one in found if one.label is not None]
    if not scans:
        names = ", ".join(one.name for one in found[:3]) or "none"
        known = ", ".join(list(answers.known)[:3]) if answers is not None else "no class folder"
        raise DataError(
            f"No study in {path} has a label: the studies are called {names}, the labels {known}."
        )
    if len(scans) < len(found):
        missing = [one.name for one in found if one.label is None]
        notices.append(
            f"{len(missing)} of {len(found)} studies have no label and were left out: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}."
        )
    if answers is not None and len(answers.known) > len(scans):
        notices.append(f"Labels without a study in {path}: {len(answers.known) - len(scans)}.")
    return _with_patients(scans, notices), notices


def _labelled(path: Path, answers: _Answers) -> list[_Scan]:
    near = {_bare(name): label for name, label in answers.known.items()}

    def label(name: str) -> Any:
        if name in answers.known:
            return answers.known[name]
        # CQ500 calls a scan CQ500-CT-1 in its table and "CQ500CT1 CQ500CT1" on disk
        return near.get(_bare(name), near.get(_bare(name.split()[0])))

    return [_Scan(name, files, label(name)) for name, files in _studies(path)]


def _bare(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _by_class(path: Path) -> list[_Scan]:
    classes = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    scans = [
        _Scan(f"{folder.name}/{name}", files, folder.name)
        for folder in classes
        for name, files in _studies(folder)
    ]
    if len({one.label for one in scans}) < 2:
        raise DataError(
            f"Without labels= or votes=, a folder of studies holds a folder for each class; {path} "
            f"holds {', '.join(folder.name for folder in classes[:10]) or 'no folder'}."
        )
    return scans


def _studies(path: Path) -> list[tuple[str, tuple[Path, ...]]]:
    """Give the studies in a folder: one for each folder in it, else by what the files say."""
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    found = [(folder.name, tuple(dicom_files(folder))) for folder in folders]
    found = [(name, files) for name, files in found if files]
    if found:
        return found
    by_study: dict[str, list[Path]] = {}
    for file in dicom_files(path):
        try:
            header = read_header(file)
        except BROKEN:  # whose study it is nobody knows
            continue
        name = str(header.get("PatientID") or header.get("StudyInstanceUID") or path.name)
        by_study.setdefault(name, []).append(file)
    return [(name, tuple(files)) for name, files in by_study.items()]


def _with_patients(scans: list[_Scan], notices: list[str]) -> list[_Scan]:
    patients = [patient_of(one.files[:20]) for one in scans]
    if len(scans) > 1 and len(set(patients)) == 1:  # made anonymous: one name for all
        if patients[0]:
            notices.append(
                f"All studies have the patient ID {patients[0]!r}: each counts as one patient."
            )
        patients = [""] * len(scans)
    return [
        _Scan(one.name, one.files, one.label, patient or one.name)
        for one, patient in zip(scans, patients, strict=True)
    ]


# -- samples -------------------------------------------------------------------------------------


def _volumes(scans: list[_Scan], encoder: ScanEncoder, room: Room, given: dict[str, Any]) -> Task:
    def read(order: np.ndarray) -> Rows:
        ordered = [scans[number] for number in order]
        with quiet_pydicom():
            rows, note = cached_rows(
                lambda rows: _fill(rows, ordered, encoder),
                (len(ordered), *encoder.shape),
                encoder.dtype,
                room=room,
                files=[file for one in ordered for file in one.files],
                options={**encoder.to_json(), "studies": [one.name for one in ordered]},
                name="scans",
            )
        kept = np.array(note["kept"], dtype=np.int64)
        if not len(kept):
            raise _nothing(note)
        return Rows(rows[: len(kept)], kept, tuple(_told(note)))

    return planned_task(
        _stacked(scans),
        read,
        kind="volume",
        groups=[one.patient for one in scans],
        encoder=encoder,
        **given,
    )


def _fill(rows: np.ndarray, scans: Sequence[_Scan], encoder: ScanEncoder) -> dict[str, Any]:
    note: dict[str, Any] = {"kept": [], "skipped": [], "dropped": [], "files": 0, "several": 0}
    with ThreadPoolExecutor(2) as pool:  # one reads while the other resamples
        for start in range(0, len(scans), 8):
            part = scans[start : start + 8]
            for at, found in enumerate(pool.map(lambda one: _read_one(one, encoder), part), start):
                volume, broken, several = found
                note["files"] += len(scans[at].files)
                note["several"] += several
                note["skipped"] += [[str(file), why] for file, why in broken]
                if volume is None:
                    note["dropped"].append(scans[at].name)
                else:
                    rows[len(note["kept"])] = volume
                    note["kept"].append(at)
    return note


def _read_one(scan: _Scan, encoder: ScanEncoder) -> tuple[Any, Any, bool]:
    study = encoder.read(scan.files)
    volume = encoder.volume(study) if study.slices else None
    return volume, study.broken, study.series > 1


def _slices(scans: list[_Scan], encoder: ScanEncoder, room: Room, given: dict[str, Any]) -> Task:
    """Every slice is a sample: studies are read one at a time, and their places counted first."""
    places = [
        (number, place)
        for number, one in enumerate(scans)
        for place in chosen_slices(len(one.files), encoder.slices)
    ]
    targets = _stacked(scans)

    def read(order: np.ndarray) -> Rows:
        asked = [places[number] for number in order]
        with quiet_pydicom():
            rows, note = cached_rows(
                lambda rows: _fill_slices(rows, scans, asked, encoder),
                (len(asked), *encoder.shape),
                encoder.dtype,
                room=room,
                files=[file for one in scans for file in one.files],
                options={**encoder.to_json(), "asked": asked},
                name="slices",
            )
        kept = np.array(note["kept"], dtype=np.int64)
        if not len(kept):
            raise _nothing(note)
        return Rows(rows[: len(kept)], kept, tuple(_told(note)))

    owner = np.array([number for number, _ in places])
    return planned_task(
        targets[owner],
        read,
        kind="image",
        groups=[scans[number].patient for number in owner],
        encoder=encoder,
        **given,
    )


def _fill_slices(
    rows: np.ndarray, scans: Sequence[_Scan], asked: Sequence[tuple[int, int]], encoder: ScanEncoder
) -> dict[str, Any]:
    """Groups keep the slices of a study together, so that one study at a time is in memory."""
    note: dict[str, Any] = {"kept": [], "skipped": [], "dropped": [], "files": 0, "several": 0}
    current, samples = -1, []
    for at, (number, _) in enumerate(asked):
        if number != current:
            current = number
            study = encoder.read(scans[number].files)
            samples = list(encoder.each(study))
            note["files"] += len(scans[number].files)
            note["several"] += study.series > 1
            note["skipped"] += [[str(file), why] for file, why in study.broken]
            note["dropped"] += [] if study.slices else [scans[number].name]
        if samples:  # a study with broken slices has fewer than it has places
            rows[len(note["kept"])] = samples.pop(0)
            note["kept"].append(at)
    return note


def _nothing(note: Mapping[str, Any]) -> DataError:
    why = note["skipped"][0][1] if note["skipped"] else "they hold scout images alone"
    return DataError(f"No slice of any study can be read: {why}")


def _told(note: Mapping[str, Any]) -> list[str]:
    """Say what was skipped, dropped and chosen."""
    told = []
    skipped, dropped = note["skipped"], note["dropped"]
    if skipped:
        names = ", ".join(Path(file).name for file, _ in skipped[:3])
        more = ", ..." if len(skipped) > 3 else ""
        told.append(
            f"{len(skipped)} of {note['files']} DICOM files could not be read and were skipped: "
            f"{names}{more}. The first: {skipped[0][1]}"
        )
    if dropped:
        names = ", ".join(dropped[:3]) + (", ..." if len(dropped) > 3 else "")
        told.append(f"Studies dropped for want of a readable slice: {len(dropped)} ({names}).")
    if note["several"]:
        told.append(
            f"Studies with several series: {note['several']}; the longest of each was read "
            f"(series= chooses by description)."
        )
    return told


def _stacked(scans: Sequence[_Scan]) -> np.ndarray:
    labels = [one.label for one in scans]
    if isinstance(labels[0], str):
        return np.array(labels)
    return np.stack([np.asarray(label) for label in labels])
