"""Study: everything known about a run, the fold of its journal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from archloom.errors import ConfigError, JournalError, did_you_mean
from archloom.journal import Event, Finished, Noted, Reported, SqliteJournal, Started
from archloom.objective import Objective, dominates
from archloom.pareto import hypervolume
from archloom.trial import State, Trial


class Study:
    """All trials and notes of a run, with queries over them. Changed by `apply` only.

    `seconds` is the wall time of all trials together, and of the epochs of supernets; `spent` the
    same, that of trials divided among the workers that shared it; `events` the number of events
    taken in.

    >>> from archloom import Architecture
    >>> from archloom.journal import Finished, Started
    >>> from archloom.trial import State
    >>> study = Study.of([
    ...     Started(0, "search", Architecture({"width": 16}), seed=1),
    ...     Finished(0, State.DONE, {"accuracy": 0.9}),
    ... ])
    >>> study.best("accuracy").architecture["width"]
    16
    """

    def __init__(self) -> None:
        self._trials: dict[int, Trial] = {}
        self._notes: dict[str, list[Noted]] = {}
        self._told: list[Trial] = []
        self._header: Mapping[str, Any] = {}
        self._counts: Counter[tuple[str, State]] = Counter()
        self._workers = 1
        self.seconds = self.spent = 0.0
        self.events = 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> Study:
        """Fold events in their order."""
        study = cls()
        for event in events:
            study.apply(event)
        return study

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """Read the study of a run folder, also while another process writes to it.

        Raises:
            RunError: when the folder holds no run.
        """
        with SqliteJournal(folder) as journal:
            return cls.of(event for _, event in journal.read())

    def apply(self, event: Event) -> None:
        """Take one more event in.

        Raises:
            JournalError: for an event of a trial that never started, or a second start or end.
        """
        match event:
            case Started():
                self._start(event)
            case Reported():
                self._report(event)
            case Finished():
                self._finish(event)
            case Noted():
                self._notes.setdefault(event.kind, []).append(event)
                if event.kind == "experiment":
                    self._header = event.data
                    self._workers = event.data.get("workers", 1)
                if event.kind in ("one-shot", "one-shot-tuned"):  # epochs of supernets
                    self.seconds += event.data["seconds"]
                    self.spent += event.data["seconds"]
        self.events += 1

    def _start(self, event: Started) -> None:
        if event.number in self._trials:
            raise _out_of_order(event, "has started before")
        trial = Trial(
            event.number,
            event.stage,
            event.architecture,
            event.seed,
            epochs=event.epochs,
            parent=event.parent,
            started=event.time,
            budget=event.budget,
        )
        self._trials[trial.number] = trial
        self._counts[trial.stage, trial.state] += 1
        self._told.append(trial)

    def _report(self, event: Reported) -> None:
        trial = self._trials.get(event.number)
        if trial is None:
            raise _out_of_order(event, "never started")
        curve = trial.curve
        # A restarted trial reports its epochs again; the first report of a step stays.
        if not curve or event.step > curve[-1][0] or all(s != event.step for s, _ in curve):
            curve = (*curve, (event.step, event.metrics))
            self._trials[event.number] = _changed(trial, curve=curve, seconds=event.seconds)
            self._spend(event.seconds - trial.seconds)

    def _finish(self, event: Finished) -> None:
        before = self._trials.get(event.number)
        if before is None or before.state.ended:
            raise _out_of_order(event, "has ended before" if before else "never started")
        trial = _changed(
            before,
            state=event.state,
            metrics=event.metrics,
            seconds=event.seconds,
            error=event.error,
        )
        self._trials[trial.number] = trial
        self._counts[trial.stage, before.state] -= 1
        self._counts[trial.stage, trial.state] += 1
        self._spend(trial.seconds - before.seconds)
        if trial.state is State.REJECTED and self._told[-1] is before:
            self._told[-1] = trial  # its start and its end are one moment
        else:
            self._told.append(trial)

    def _spend(self, seconds: float) -> None:
        self.seconds += seconds
        self.spent += seconds / self._workers

    # -- the run -----------------------------------------------------------------------------

    @property
    def header(self) -> Mapping[str, Any]:
        """The settings that the run was started with; empty for a study without any."""
        return self._header

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives of the run, `accuracy` when nothing was recorded."""
        recorded = self._header.get("objectives", ["accuracy"])
        return tuple(Objective.parse(text) for text in recorded)

    def notes(self, kind: str) -> list[Noted]:
        """Every note of that kind, oldest first."""
        return list(self._notes.get(kind, []))

    def note(self, kind: str) -> Mapping[str, Any] | None:
        """The data of the newest note of that kind, or None."""
        found = self._notes.get(kind)
        return found[-1].data if found else None

    def told(self, stage: str) -> list[Trial]:
        """What a strategy was told, in order: each trial at its start and again at its end.

        A trial that was rejected at once is told once.
        """
        return [trial for trial in self._told if trial.stage == stage]

    # -- the trials --------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, number: int) -> Trial:
        if number not in self._trials:
            raise ConfigError(f"There is no trial {number}: the study holds {len(self)} trials.")
        return self._trials[number]

    def trials(self, stage: str | None = None, *states: State) -> list[Trial]:
        """Trials in order of their start, of one stage if given, in one of the states if given."""
        return [
            trial
            for trial in self._trials.values()
            if (stage is None or trial.stage == stage) and (not states or trial.state in states)
        ]

    def count(self, stage: str | None = None, *states: State) -> int:
        """How many trials there are of a stage, in one of the states if given."""
        return sum(
            number
            for (where, state), number in self._counts.items()
            if (stage is None or where == stage) and (not states or state in states)
        )

    def best(self, metric: str | Objective | None = None, stage: str | None = None) -> Trial:
        """The best scored trial. Raises `ConfigError` when no trial has that metric."""
        return self.top(1, metric, stage)[0]

    def top(
        self, k: int, metric: str | Objective | None = None, stage: str | None = None
    ) -> list[Trial]:
        """The k best scored trials of distinct architectures, best first; ties: the older first.

        Trials of a higher budget come before those of a lower one, whose scores say less.

        Raises:
            ConfigError: when no scored trial has that metric.
        """
        objective = self.objectives[0] if metric is None else self._objective(metric)
        usable = self._scored((objective,), stage)
        if not usable:
            raise self._no_metric(objective, stage)
        usable.sort(
            key=lambda t: (-t.effort, -objective.gain(t.metrics[objective.metric]), t.number)
        )
        distinct: dict[str, Trial] = {}
        for trial in usable:
            distinct.setdefault(trial.architecture.key, trial)
        return list(distinct.values())[:k]

    def front(
        self, objectives: Sequence[str | Objective] | None = None, stage: str | None = None
    ) -> list[Trial]:
        """The scored trials that no other dominates, ordered by the first objective.

        Empty when no trial is scored yet.

        Raises:
            ConfigError: when there are scored trials, but none has one of the metrics.
        """
        chosen = tuple(self._objective(o) for o in objectives or self.objectives)
        usable = self._scored(chosen, stage)
        if not usable and self.trials(stage, *_SCORED):
            missing = [o for o in chosen if not self._scored((o,), stage)]
            raise self._no_metric((missing or chosen)[0], stage)
        # Once sorted, a trial can be dominated only by one before it, and then by a front member.
        usable.sort(key=lambda t: [-o.gain(t.metrics[o.metric]) for o in chosen])
        front: list[Trial] = []
        for trial in usable:
            if not any(dominates(f.metrics, trial.metrics, chosen) for f in front):
                front.append(trial)
        return front

    def hypervolume(
        self,
        reference: Mapping[str, float],
        objectives: Sequence[str | Objective] | None = None,
        stage: str | None = None,
    ) -> float:
        """How much the front beats a reference in all objectives at once: a volume, 0 for nothing.

        `reference` holds a value for each objective's metric, in its own unit: the worst that
        still is of use. The volume is the product of the units.

        Raises:
            ConfigError: when the reference lacks an objective; as for `front`.
        """
        chosen = tuple(self._objective(o) for o in objectives or self.objectives)
        for objective in chosen:
            if objective.metric not in reference:
                raise ConfigError(
                    f"A hypervolume's reference needs a value for every objective, but has none "
                    f"for {objective.metric!r}: {did_you_mean(objective.metric, reference)}."
                )
        points = [_gains(trial.metrics, chosen) for trial in self.front(chosen, stage)]
        return hypervolume(points, _gains(reference, chosen))

    def curve(self, number: int, metric: str) -> list[tuple[int, float]]:
        """The (step, value) pairs of a metric that a trial reported."""
        return [(step, m[metric]) for step, m in self[number].curve if metric in m]

    def promoted_from(self, trial: Trial | Started) -> Trial | None:
        """The trial of the same stage and architecture that this one goes on from, or None.

        That is its parent, if the parent has the same architecture and a lower budget.
        """
        parent = None if trial.parent is None else self._trials.get(trial.parent)
        if parent is None or parent.stage != trial.stage:
            return None
        effort = 1.0 if trial.budget is None else trial.budget
        same = parent.architecture == trial.architecture
        return parent if same and parent.effort < effort else None

    def _objective(self, metric: str | Objective) -> Objective:
        """Give a metric's name the direction that was recorded for it."""
        recorded = (o for o in self.objectives if o.metric == metric)
        return next(recorded, None) or Objective.parse(metric)

    def _scored(self, objectives: Sequence[Objective], stage: str | None) -> list[Trial]:
        """The scored trials that have a number for every objective, in order of their start."""
        names = [o.metric for o in objectives]
        return [
            trial
            for trial in self.trials(stage, *_SCORED)
            if not any(math.isnan(trial.metrics.get(name, math.nan)) for name in names)
        ]

    def _no_metric(self, objective: Objective, stage: str | None) -> ConfigError:
        where = f" of stage {stage!r}" if stage else ""
        scored = self.trials(stage, *_SCORED)
        if not scored:
            failed = [t for t in self.trials(stage, State.FAILED) if t.error]
            last = ""
            if failed:
                last = f" The last failure (trial {failed[-1].number}): {failed[-1].error}"
            return ConfigError(
                f"No trial{where} is scored yet, of {len(self.trials(stage))} recorded: "
                f"there is no best one.{last}"
            )
        seen = {name for trial in scored for name in trial.metrics}
        return ConfigError(
            f"No scored trial{where} has a number for the metric {objective.metric!r}: "
            f"{did_you_mean(objective.metric, seen)}."
        )


_SCORED = tuple(state for state in State if state.scored)


def _gains(metrics: Mapping[str, float], objectives: Iterable[Objective]) -> list[float]:
    return [objective.gain(metrics[objective.metric]) for objective in objectives]


def _changed(trial: Trial, **fields: Any) -> Trial:
    """Do what `dataclasses.replace` does in a fifth of its time: a long record is mostly this."""
    new = object.__new__(Trial)
    vars(new).update(vars(trial), **fields)
    return new


def _out_of_order(event: Reported | Started | Finished, what: str) -> JournalError:
    return JournalError(
        f"A trial starts once, reports, and ends once, but the record has a "
        f"{type(event).__name__} event for trial {event.number}, which {what}: the journal was "
        f"damaged or written by two programs. Start a new run in another folder."
    )
