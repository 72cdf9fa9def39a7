"""Try a few steps of a method before a run: on zeros, so that nothing is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from archloom.errors import ArchloomError, SpaceError
from archloom.nn import Assignment, Supernet
from archloom.oneshot import Gates, Guard, Judged, Learned, Particular
from archloom.task import Task, call_model, leaves

_DRAWS: Final = 3


def check_steps(gates: Gates, supernet: Supernet, task: Task, guards: Sequence[Guard] = ()) -> None:
    """Raise where the supernet cannot run what the method takes in its steps.

    The gates must be set up; what they draw here is theirs to forget at the next `setup`. Guards
    with a method `check(gates, loss)` get the loss of such a step, None where the method has none.

    Raises:
        SpaceError: when the model fails under weights or paths that the method gives.
        ConfigError: as it comes, when the method cannot work with some choice, or a guard with
            the method.
    """
    inputs = task.example(2, device="cpu")

    def judge(assignment: Assignment) -> Judged:
        with supernet.routed(assignment, partial=gates.partial):
            outputs = call_model(supernet, inputs)
        loss = torch.stack([out.float().mean() for _, out in leaves(outputs)]).sum()
        return Judged(loss, 0.0)

    gates.anneal(0.0)
    try:
        for draw in range(_DRAWS):
            rng = np.random.default_rng(draw)
            with torch.no_grad():
                for path in gates.paths(rng):
                    judge(path)
            loss = gates.loss(judge, rng) if isinstance(gates, Learned) else None
        for guard in guards:
            if isinstance(guard, Particular):
                guard.check(gates, loss)
    except ArchloomError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise SpaceError(
            f"The supernet of {supernet.space!r} cannot run as {type(gates).__name__} would run "
            f"it: {error}. Pin choices that change the shapes of others, widths that differ with "
            f"the depth say, or take a method that samples single paths, such as 'spos'."
        ) from error
