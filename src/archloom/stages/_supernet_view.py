"""What guards and the monitor see of a supernet after an epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

from archloom.architecture import Architecture
from archloom.nn import Assignment
from archloom.objective import Objective
from archloom.oneshot import Bilevel, Gates, Judged, Scorer, View, epoch_batches
from archloom.stages._lab import Lab
from archloom.stages._supernet_book import SupernetBook
from archloom.train import Batch


def view_of(
    loop: Bilevel, scorer: Scorer, derived: Architecture | None, lab: Lab, book: SupernetBook
) -> View:
    """Give a view of the supernet as it is; looking changes nothing."""
    task, first = loop.task, lab.objectives[0]
    objective = first if first.metric in task.metric_names else Objective.parse(task.main_metric)
    places = epoch_batches(loop.halves.arch, loop.recipe.batch_size, loop.seed, 0)[0]

    def judge(assignment: Assignment) -> Judged:
        targets = task.train.targets[places.to(task.device)].to(loop.device)
        loop.supernet.train()
        # With copies of the buffers: to put statistics back would break a second derivative.
        return loop.passes.judge(Batch(loop.feed.inputs(places), targets), {})(assignment)

    def score(assignment: Assignment) -> float:
        found = scorer.path(loop.supernet, assignment, loop.gates.partial)
        return found.get(objective.metric, math.nan)

    def inherited(architecture: Architecture) -> float:
        return scorer.child(loop.supernet, architecture).get(objective.metric, math.nan)

    return View(
        epoch=loop.done,
        epochs=loop.recipe.epochs,
        supernet=loop.supernet,
        gates=loop.gates,
        derived=derived,
        judge=judge,
        score=score,
        inherited=inherited,
        past=[past for past in book.past if past.epoch < loop.done],
        objective=objective,
        seed=loop.seed,
    )


@contextmanager
def kept_gates(gates: Gates) -> Iterator[None]:
    """Put a method back at the end: a look that draws paths must not change those of training."""
    state = copy.deepcopy(gates.state())
    try:
        yield
    finally:
        gates.restore(state)
