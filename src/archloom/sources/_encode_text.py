"""Texts to token numbers: a vocabulary of words, learned from the training texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError

PAD, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LONGEST = 256


@final
class TextEncoder:
    """Turns texts into int64 token numbers (n, length), by the words of the training texts.

    Words are lower-cased runs of letters and digits. The `size` most frequent ones are numbered
    from 2 on; 0 fills short texts up and 1 is every other word. `length` is the number of tokens
    kept of a text: the 95th percentile of the training texts, at most 256, unless given.
    Texts may also come as whole numbers, (n, L) or rows of different lengths: those are token
    numbers of your own, in which 0 fills up; one that training did not have becomes the last.

    >>> encoder = TextEncoder().fit(["A cat sat.", "The cat ran; the dog ran"])
    >>> encoder.transform(["the cat flew"])
    tensor([[4, 2, 1, 0, 0, 0]])
    >>> encoder.hints
    {'vocabulary': 8, 'length': 6}
    """

    def __init__(self, *, size: int = 20_000, length: int | None = None) -> None:
        if size < 1:
            raise ConfigError(f"A vocabulary needs a size of at least 1, got {size}.")
        if length is not None and length < 1:
            raise ConfigError(f"A text needs a length of at least 1, got {length}.")
        self.size = size
        self.length = length
        self.notices: tuple[str, ...] = ()
        self._words: dict[str, int] | None = None
        self._tokens = 0
        self._length = 0

    def fit(self, X: Any, y: Any = None) -> TextEncoder:
        """Learn the vocabulary and the length from training texts; `y` is not used.

        Raises:
            DataError: for texts that are missing, or values that are neither text nor numbers.
        """
        rows = _rows_of(X)
        if not len(rows):
            raise DataError("A text source needs texts to learn from, got none.")
        if isinstance(rows[0], str):
            counts = Counter(word for text in rows for word in _words(text))
            if not counts:
                raise DataError(f"No text holds a word, the first is {rows[0]!r}.")
            order = sorted(counts, key=lambda word: (-counts[word], word))[: self.size]
            self._words = {word: number for number, word in enumerate(order, 2)}
            self._tokens = len(order) + 2
            lengths = [len(_words(text)) for text in rows]
        else:
            self._words = None
            self._tokens = max(max((int(row.max()) for row in rows if len(row)), default=0), 1) + 2
            lengths = [len(row) for row in rows]
        typical = max(1, min(_LONGEST, int(np.ceil(np.quantile(lengths, 0.95)))))
        self._length = self.length or typical
        self.notices = _notices(lengths, self._length)
        return self

    def transform(self, X: Any) -> Tensor:
        """Give the texts as token numbers.

        Raises:
            DataError: for texts where numbers were fitted, and the other way round.
        """
        if not self._length:
            raise DataError("The encoder has seen no texts: call fit before transform.")
        rows = _rows_of(X)
        if len(rows) and isinstance(rows[0], str) != (self._words is not None):
            kinds = ("texts", "token numbers")
            fitted, got = kinds if self._words is not None else kinds[::-1]
            raise DataError(f"The encoder was fitted on {fitted}, got {got}.")
        tokens = np.zeros((len(rows), self._length), dtype=np.int64)
        for index, row in enumerate(rows):
            numbers = self._numbers(row)[: self._length]
            tokens[index, : len(numbers)] = numbers
        return torch.from_numpy(tokens)

    def _numbers(self, row: str | np.ndarray) -> Sequence[int] | np.ndarray:
        if isinstance(row, str):
            known = self._words or {}
            # a text without a word is an unknown word, so that no text is nothing but filling
            return [known.get(word, UNKNOWN) for word in _words(row)] or [UNKNOWN]
        return np.asarray(np.minimum(row, self._tokens - 1))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the vocabulary, from token number 2 on; none for token numbers."""
        return tuple(self._words or ())

    @property
    def vocabulary(self) -> int:
        """How many token numbers there are."""
        return self._tokens

    @property
    def hints(self) -> dict[str, Any]:
        """`vocabulary` (how many token numbers there are) and `length`."""
        return {"vocabulary": self._tokens, "length": self._length}

    def to_json(self) -> dict[str, Any]:
        """Give settings and everything learned, as JSON can hold it."""
        return {
            "encoder": "text",
            "size": self.size,
            "length": self.length,
            "words": None if self._words is None else list(self._words),
            "tokens": self._tokens,
            "fitted_length": self._length,
            "notices": list(self.notices),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TextEncoder:
        """Give the encoder that `to_json` described.

        >>> encoder = TextEncoder().fit(["one two", "two three"])
        >>> TextEncoder.from_json(encoder.to_json()).words
        ('two', 'one', 'three')
        """
        encoder = cls(size=data["size"], length=data["length"])
        if data["words"] is not None:
            encoder._words = {word: number for number, word in enumerate(data["words"], 2)}
        encoder._tokens, encoder._length = data["tokens"], data["fitted_length"]
        encoder.notices = tuple(data["notices"])
        return encoder


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _rows_of(X: Any) -> list[Any]:
    """Give a list of texts, or of int64 arrays."""
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    if isinstance(X, str):
        raise DataError(f"Texts come as a list of texts, got one text: [{X[:40]!r}]?")
    rows = X.tolist() if isinstance(X, np.ndarray) and X.dtype.kind in "OUS" else list(X)
    if any(row is None or isinstance(row, str) for row in rows):
        for index, row in enumerate(rows):
            if not isinstance(row, str):
                raise DataError(
                    f"Every sample needs a text, got {row!r} at index {index}: leave that sample "
                    f"out, or give an empty text."
                )
        return rows
    return [_token_row(row, index) for index, row in enumerate(rows)]


def _token_row(row: Any, index: int) -> np.ndarray:
    tokens = np.asarray(row)
    if tokens.ndim != 1 or (tokens.dtype.kind not in "iu" and len(tokens)):
        raise DataError(
            f"Texts are strings or rows of whole token numbers, got dtype {tokens.dtype} and shape "
            f"{tokens.shape} at index {index}."
        )
    if len(tokens) and tokens.min() < 0:
        raise DataError(
            f"Token numbers must not be negative, got {tokens.min()} at index {index}. "
            f"Use 0 to fill short texts up."
        )
    return tokens.astype(np.int64)


def _notices(lengths: Sequence[int], length: int) -> tuple[str, ...]:
    notices = []
    if cut := sum(count > length for count in lengths):
        notices.append(f"{cut} of {len(lengths)} texts are longer than {length} and are cut.")
    if empty := sum(count == 0 for count in lengths):
        notices.append(f"{empty} of {len(lengths)} texts hold no word.")
    return tuple(notices)
