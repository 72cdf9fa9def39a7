"""Task from texts: strings, token numbers, or the text column of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._columns import Columns, missing, text_of
from archloom.sources._encode_text import TextEncoder
from archloom.sources._encoded import encoded_task
from archloom.sources._read_table import read_table
from archloom.task import Task, existing, json_source


def from_text(
    texts: Any,
    labels: Any = None,
    *,
    text: str | None = None,
    target: str | None = None,
    predict: Any = None,
    size: int = 20_000,
    length: int | None = None,
    valid: Any = 0.1,
    test: Any = None,
    seed: int = 0,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    **settings: Any,
) -> Task:
    """Give a task of texts and their labels, as token numbers of a vocabulary of words.

    `texts` is a list of strings, whole token numbers (n, L) or rows of them, or a CSV or Parquet
    file whose columns `text` and `target` hold texts and labels. `size` and `length` are those of
    `TextEncoder`, which learns from the training texts and becomes the task's encoder. `predict`
    says what the labels are, as `target` of `from_arrays` does, whose other settings are taken.

    Raises:
        DataError: for texts or labels that are missing, and files that cannot be read.

    >>> texts = ["a fine day", "what a bad film", "fine, fine film", "a day"] * 10
    >>> task = from_text(texts, ["good", "bad", "good", "bad"] * 10, valid=0.2)
    >>> task, task.encoder.words[:3]
    (Task('text', 32/8/0, shape=(4,), classes=2), ('a', 'fine', 'day'))
    """
    how: dict[str, Any] = {"separator": separator, "encoding": encoding, "header": header}
    source = None
    if isinstance(texts, str | Path):
        path = existing(texts, "table of texts")
        given = {"text": text, "target": target, "predict": predict, "size": size, "seed": seed}
        asked = {"length": length, "valid": valid, "test": test}
        source = json_source("text", texts=path, **given, **asked, **how, **settings)
        settings.setdefault("name", path.stem)
        texts, labels = _columns(read_table(path, **how), text, target)
    elif labels is None:
        raise ConfigError("Texts need labels: from_text(texts, labels), or a file and target=.")
    settings.setdefault("name", "text")
    return encoded_task(
        _listed(texts),
        labels,
        TextEncoder(size=size, length=length),
        kind="text",
        target=predict,
        valid=_pair(valid),
        test=_pair(test),
        seed=seed,
        source=source,
        **settings,
    )


def _pair(part: Any) -> Any:
    return (_listed(part[0]), part[1]) if isinstance(part, tuple | list) else part


def _listed(texts: Any) -> Any:
    return texts if isinstance(texts, np.ndarray) else list(texts)


def _columns(table: Columns, text: str | None, target: str | None) -> tuple[list[str], Any]:
    if text is None or target is None:
        raise ConfigError(
            f"A file of texts needs text= and target=, the names of its columns: "
            f"{', '.join(table.values)}."
        )
    for name in (text, target):
        if name not in table.values:
            raise DataError(
                f"The table has no column {name!r}: {did_you_mean(name, table.values)}."
            )
    labels = table.values[target]
    for name in (text, target):
        absent = np.flatnonzero(missing(table.values[name]))
        if len(absent):
            raise DataError(
                f"Column {name!r} is missing in {len(absent)} of {len(labels)} rows, first in row "
                f"{absent[0]}: leave those rows out."
            )
    if labels.dtype.kind == "O":
        labels = np.array([text_of(value) for value in labels])
    return [text_of(value) for value in table.values[text]], labels
