"""Texts as token numbers: vocabulary, lengths, token numbers of one's own, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, DataError
from archloom.sources import TextEncoder, encoder_from_json, from_text
from archloom.task import rebuild

TEXTS = ["The cat's tail", "a dog, A DOG!", "über 42 bits", "the end"] * 10
LABELS = ["x", "y", "x", "y"] * 10


def test_words_are_numbered_by_how_often_they_occur() -> None:
    encoder = TextEncoder().fit(TEXTS)
    assert encoder.words[:3] == ("a", "dog", "the")
    assert set(encoder.words) == {"a", "dog", "the", "42", "bits", "cat's", "end", "tail", "über"}
    tokens = encoder.transform(["The DOG flew", "", "a a a a a a a a"])
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [[4, 3, 1, 0], [1, 0, 0, 0], [2, 2, 2, 2]]
    assert encoder.hints == {"vocabulary": 11, "length": 4}


def test_the_vocabulary_and_the_length_can_be_limited() -> None:
    encoder = TextEncoder(size=2, length=3).fit(TEXTS)
    assert encoder.words == ("a", "dog")
    assert encoder.transform(["the dog is a dog"]).tolist() == [[1, 3, 1]]
    assert "10 of 40 texts are longer than 3 and are cut." in encoder.notices


def test_long_texts_are_cut_at_the_usual_length() -> None:
    encoder = TextEncoder().fit(["word " * 5] * 97 + ["word " * 900] * 3)
    assert encoder.hints["length"] == 5
    assert TextEncoder().fit(["word " * 900] * 9).hints["length"] == 256


def test_token_numbers_of_ones_own() -> None:
    whole = TextEncoder().fit(np.array([[3, 1, 0], [2, 5, 0]]))
    assert whole.hints == {"vocabulary": 7, "length": 3}
    assert whole.transform([[5, 9, 1]]).tolist() == [[5, 6, 1]]
    ragged = TextEncoder().fit([[3, 1], [2, 5, 4, 4]])
    assert ragged.transform([[3], [1, 2, 3, 4, 5]]).tolist() == [[3, 0, 0, 0], [1, 2, 3, 4]]


def test_a_task_of_texts() -> None:
    task = from_text(TEXTS, LABELS, valid=0.25, test=0.25, seed=1)
    assert task.kind == "text"
    assert task.class_names == ("x", "y")
    assert task.train.inputs.dtype == torch.int64  # type: ignore[union-attr]
    assert task.hints["vocabulary"] == task.encoder.vocabulary
    assert task.normalisation is None
    assert task.source is None


def test_the_vocabulary_is_that_of_the_training_texts() -> None:
    texts = [f"common word{i}" for i in range(40)]
    task = from_text(texts, LABELS, valid=0.25)
    assert len(task.encoder.words) == 1 + len(task.train)
    assert bool((task.valid.inputs[:, 1] == 1).all())  # type: ignore[index]


def test_several_labels_and_numbers() -> None:
    several = from_text(TEXTS, np.array([[0, 1], [1, 1]] * 20), valid=0.2)
    assert several.target.kind == "labels"
    numbers = from_text(TEXTS, np.linspace(0, 1, 40), valid=0.2)
    assert numbers.target.kind == "numbers"


def test_the_text_column_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    rows = [
        f'"{text.replace(",", "")}",{label},9' for text, label in zip(TEXTS, LABELS, strict=True)
    ]
    path.write_text("\n".join(["review,verdict,stars", *rows]))
    task = from_text(path, text="review", target="verdict", length=3, valid=0.2)
    assert task.name == "reviews"
    assert task.shape == (3,)
    assert rebuild(json.loads(json.dumps(task.source))).fingerprint == task.fingerprint
    with pytest.raises(ConfigError, match=r"needs text= and target=.*review, verdict, stars"):
        from_text(path)
    with pytest.raises(DataError, match=r"no column 'reviw': did you mean 'review'"):
        from_text(path, text="reviw", target="verdict")
    path.write_text("review,verdict\ngood,\nbad,x\n")
    with pytest.raises(DataError, match=r"'verdict' is missing in 1 of 2 rows"):
        from_text(path, text="review", target="verdict")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None, "b"], "needs a text, got None at index 1"),
        (["a", 5], "needs a text, got 5 at index 1"),
        ("one text", "list of texts, got one text"),
        ([[1, -2]], "must not be negative, got -2 at index 0"),
        ([[1.5, 2.0]], "whole token numbers, got dtype float64"),
        ([], "got none"),
        (["...", "!"], "No text holds a word"),
    ],
)
def test_what_is_no_text(texts: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TextEncoder().fit(texts)


def test_misuse() -> None:
    with pytest.raises(DataError, match=r"call fit before transform"):
        TextEncoder().transform(["a"])
    with pytest.raises(DataError, match=r"fitted on texts, got token numbers"):
        TextEncoder().fit(TEXTS).transform([[1, 2]])
    with pytest.raises(ConfigError, match=r"size of at least 1"):
        TextEncoder(size=0)
    with pytest.raises(ConfigError, match=r"length of at least 1"):
        TextEncoder(length=0)
    with pytest.raises(ConfigError, match=r"Texts need labels"):
        from_text(TEXTS)


def test_json_keeps_everything() -> None:
    for encoder in (TextEncoder(size=5).fit(TEXTS), TextEncoder().fit([[1, 2], [3]])):
        twin = encoder_from_json(json.loads(json.dumps(encoder.to_json())))
        assert twin.to_json() == encoder.to_json()
        fresh = ["the dog"] if encoder.words else [[1, 9]]
        assert torch.equal(twin.transform(fresh), encoder.transform(fresh))
