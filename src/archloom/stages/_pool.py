"""A pool of architectures, drawn and rated without recording trials."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import TooManyFailures
from archloom.estimators import Candidate, Estimator
from archloom.executors import judged
from archloom.stages._constraints import cost_of
from archloom.stages._lab import Lab
from archloom.stages._screened import RATED, Rated, rated_in

_DRAWS = 50  # for each architecture of the pool, until what can be drawn counts as used up


def drawn(lab: Lab, count: int) -> Iterator[Architecture]:
    """Draw distinct architectures that keep the constraints of the run, the same ones each time."""
    space, rng = lab.space.space, np.random.default_rng([lab.seed, 5])
    small = space.size <= count
    draws = space.enumerate() if small else (space.sample(rng) for _ in range(_DRAWS * count))
    seen: set[str] = set()
    given = 0
    for architecture in draws:
        if architecture.key not in seen and _keeps(lab, architecture):
            given += 1
            yield architecture
        if given == count:
            return
        seen.add(architecture.key)


def _keeps(lab: Lab, architecture: Architecture) -> bool:
    if not lab.constraints:
        return True
    cost = cost_of(lab, architecture)
    return all(constraint.holds(cost) for constraint in lab.constraints)


def rate_pool(
    lab: Lab, stage: str, rater: Estimator, names: Sequence[str], count: int
) -> list[Rated]:
    """Rate what is not on record yet, until the time is up; give those that could be rated.

    Raises:
        TooManyFailures: when the first ones all fail, as many as the run's limit says.
    """
    known = rated_in(lab.study, stage)
    found: list[Rated] = []
    failed = 0
    for architecture in drawn(lab, count):
        if lab.until_deadline() <= 0 and len(found) > 1:
            break
        one = known.get(architecture.key) or rate_one(lab, stage, rater, names, architecture)
        if one.error is None:
            found.append(one)
        else:
            failed += 1
        if failed >= lab.limits.failures and not found:
            raise TooManyFailures(
                f"{failed} architectures in a row could not be rated, the limit set "
                f"(max_failures). The last, {architecture!r}, said:\n{one.error}\n"
                f"Leave the score that cannot be computed here out of {', '.join(names)}."
            )
    return found


def rate_one(
    lab: Lab, stage: str, rater: Estimator, names: Sequence[str], architecture: Architecture
) -> Rated:
    """Rate an architecture and record its scores, or why it has none."""
    files = lab.folder / "screens" / architecture.key
    candidate = Candidate(
        architecture=architecture,
        space=lab.space,
        task=lab.task.without_test(),
        seed=lab.seed,
        epochs=None,
        files=files,
        device=lab.device,
        report=lambda step, metrics: None,
        remember=lab.remember,
    )
    began = time.monotonic()
    _, metrics, error = judged(lambda: rater(candidate), lab.folder)
    shutil.rmtree(files, ignore_errors=True)
    missing = [name for name in names if name not in metrics]
    if error is None and missing:
        error = f"The estimator gave no {', '.join(missing)}."
    scores = {name: metrics[name] for name in names if name in metrics}
    seconds = time.monotonic() - began
    data = {"architecture": architecture.to_json(), "scores": scores, "seconds": seconds}
    lab.note(RATED, {"stage": stage, **data, "error": error})
    return Rated(architecture, scores, seconds, error)
