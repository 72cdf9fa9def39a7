"""Experiment: stages in order over one run folder, that can be killed and goes on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from torch import nn

from archloom.errors import ConfigError, RunError
from archloom.experiment._best import for_raw_inputs, save_best
from archloom.experiment._header import as_recorded, describe_run, require_same
from archloom.experiment._settings import check_settings, find_device
from archloom.journal import JOURNAL_FILE, Event, SqliteJournal
from archloom.nn import ModelSpace
from archloom.objective import Constraint, Objective
from archloom.progress import watcher
from archloom.report import write_report
from archloom.stages import Lab, Limits, Stage, load_trial
from archloom.stages import rebuild as rebuild_stage
from archloom.study import Study
from archloom.task import Inputs, Task, inspect_data
from archloom.task import rebuild as rebuild_task
from archloom.trial import Trial


class Experiment:
    """Run `stages` in order on a task, with everything recorded in `folder`.

    Calling `run` again on the same folder goes on where the record ends, whatever ended the
    process; on a finished run it changes nothing. Only `trials`, `minutes` and `workers` may
    differ.

    Args:
        space: the model space; settings such as `shape` and `classes` that it takes and that were
            not set come from the task.
        objectives: metrics, the first one leads the search; `"min params"` minimises. Without,
            the task's main metric, such as accuracy for classes.
        constraints: limits on costs such as `"params <= 100_000"`, checked before training.
        minutes: a budget of trial time, after which no new trial of the search begins.
        device: `"auto"` takes a CUDA device if there is one, else the CPU.
        workers: how many trials are evaluated at once, each in a process of its own that gets its
            share of the cores, and where there are several GPUs one of them. With 1 all happens
            in this process.
        max_failures: how many trials may fail in a row before the run stops with the reason.
        progress: `"auto"` shows a live display on a terminal and plain lines elsewhere; False
            shows nothing; a callable gets every event and the study.

    Example:
        >>> import tempfile
        >>> from archloom import BlackBox, Random, Train
        >>> from archloom.task import digits
        >>> from archloom.zoo import mlp
        >>> folder = tempfile.mkdtemp()
        >>> search = BlackBox(Random(), Train(epochs=1), trials=2)
        >>> experiment = Experiment(mlp, digits(), [search], folder, progress=False)
        >>> len(experiment.run())
        2
    """

    def __init__(
        self,
        space: ModelSpace,
        task: Task,
        stages: Sequence[Stage],
        folder: str | Path,
        *,
        objectives: Sequence[str | Objective] | None = None,
        constraints: Sequence[str | Constraint] = (),
        seed: int = 0,
        minutes: float | None = None,
        device: str = "auto",
        workers: int = 1,
        max_failures: int = 5,
        progress: str | bool | Callable[[Event, Study], None] = "auto",
    ) -> None:
        self.space = space.with_hints(task.hints)
        self.task = task
        self.stages = tuple(stages)
        self.folder = Path(folder)
        wanted = (task.main_metric,) if objectives is None else objectives
        self.objectives = tuple(Objective.parse(o) for o in wanted)
        self.constraints = tuple(Constraint.parse(c) for c in constraints)
        self.seed = seed
        self.limits = Limits(minutes, max_failures)
        self.device = find_device(device)
        self.device_name = device
        self.workers = workers
        self._progress = progress
        check_settings(self.stages, self.objectives, self.limits, workers)

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        *,
        trials: int | None = None,
        minutes: float | None = None,
        workers: int | None = None,
        progress: str | bool | Callable[[Event, Study], None] = "auto",
    ) -> Experiment:
        """Make the experiment of a run folder again from its record alone; `run` goes on.

        Args:
            trials: a larger number of search trials than recorded.
            minutes: another budget of trial time.
            workers: another number of trials at once.

        Raises:
            RunError: when the folder holds no run.
            ConfigError: when the run's data or code cannot be found again from the record.
        """
        header = Study.open(folder).header
        if not header:
            raise ConfigError(
                f"The run in {str(folder)!r} ended before its settings were recorded: "
                f"start it again with the command or script that made it."
            )
        if header["task"].get("source") is None:
            raise ConfigError(
                "This run's data were handed over in memory, so the record alone cannot bring "
                "them back: run the script that started it again, with the same folder; "
                "Experiment(...).run() goes on from the record."
            )
        descriptions = [dict(stage) for stage in header["stages"]]
        if trials is not None:
            for stage in descriptions:
                if trials < stage.get("trials", 0):
                    raise ConfigError(
                        f"trials is the total of the search and may only grow: the run has "
                        f"{stage['trials']}, got {trials}."
                    )
                if "trials" in stage:
                    stage["trials"] = trials
        with as_recorded(header):
            space = ModelSpace.from_json(header["space"])
            task = rebuild_task(header["task"]["source"])
            stages = [rebuild_stage(stage) for stage in descriptions]
        return cls(
            space,
            task,
            stages,
            folder,
            objectives=header["objectives"],
            constraints=header["constraints"],
            seed=header["seed"],
            minutes=header["limits"]["minutes"] if minutes is None else minutes,
            device=header["device"],
            workers=header.get("workers", 1) if workers is None else workers,
            max_failures=header["limits"]["failures"],
            progress=progress,
        )

    # -- running -----------------------------------------------------------------------------

    def check(self) -> None:
        """Raise if the run could not work, before anything is trained or recorded.

        Builds small models of every option on the meta device, checks every stage's settings and
        looks for an architecture that keeps the constraints.
        """
        shape = (2, self.task.outputs) if self.task.outputs is not None else None
        self.space.verify(self.task.example(2), shape)
        self._check_stages(self.stages)

    def _check_stages(self, stages: Sequence[Stage]) -> None:
        lab = self._lab(_NoJournal(), Study())
        for stage in stages:
            stage.check(lab)

    def run(self, *, deadline: float | None = None) -> Study:
        """Run or go on with the stages and give the study.

        Ctrl-C leaves a run that `run` or `archloom resume` takes up again; the exception says how.
        By `deadline`, a time of `time.monotonic`, training has ended: no new trial of the search
        begins after it, and retraining shares out the time that is left.

        Raises:
            RunInUse: when another process writes to the folder.
            RunChanged: when space, data or settings differ from the recorded ones.
            TooManyFailures: when `max_failures` trials failed in a row.
        """
        fresh = not (self.folder / JOURNAL_FILE).is_file()
        if fresh:
            self.check()  # before a folder is made for a run that cannot work
        with SqliteJournal(self.folder, write=True) as journal:
            study = Study.of(event for _, event in journal.read())
            header = describe_run(self)
            if study.header:
                require_same(self.folder, study.header, header)
                known = {stage["name"] for stage in study.header["stages"]}
                self._check_stages([stage for stage in self.stages if stage.name not in known])
            elif not fresh:
                self.check()  # killed before its settings were recorded: it begins anew
            try:
                with watcher(self._progress, header, study) as watch:
                    self._run_stages(self._lab(journal, study, watch, deadline), header)
            except KeyboardInterrupt as interrupt:
                ended = sum(trial.state.ended for trial in study.trials())
                interrupt.add_note(
                    f"Stopped; {ended} finished trials are kept. Go on by calling run() again, "
                    f"or with:\n  archloom resume {shlex.quote(str(self.folder))}"
                )
                raise
            return study

    def _run_stages(self, lab: Lab, header: dict[str, Any]) -> None:
        old = lab.study.header
        changed = any(old.get(key) != header[key] for key in ("limits", "stages"))
        if changed or old.get("workers", 1) != self.workers:
            lab.note("experiment", {**header, "where": old.get("where", header["where"])})
        if not lab.study.notes("data") and not lab.study.trials():
            findings = [finding.to_json() for finding in inspect_data(self.task)]
            if findings:
                lab.note("data", {"findings": findings})
        with closing(lab.executor):
            for stage in self.stages:
                stage.run(lab)
        save_best(lab)

    def model(self, trial: Trial | None = None, *, raw_inputs: bool = True) -> nn.Module:
        """Give the trained model of a trial, of the winner by default: plain torch, on the CPU.

        With `raw_inputs` the task's normalisation is a part of the model, which then takes images
        or features as they are in the data; without, it takes what `task.prepare` gives.

        Raises:
            RunError: when the run has no winner yet, or kept no weights of the trial.
        """
        if trial is None:
            study = Study.open(self.folder)
            best = study.note("best")
            if best is None:
                raise RunError(
                    f"The run in {str(self.folder)!r} has no best model yet: call run() first."
                )
            trial = study[best["trial"]]
        lab = self._lab(_NoJournal(), Study())
        model = load_trial(self.space, trial, lab.files(trial))
        return for_raw_inputs(model, self.task) if raw_inputs else model

    def report(self, path: str | Path | None = None) -> Path:
        """Write the HTML report of the run, by default as `report.html` into its folder."""
        study = Study.open(self.folder)
        model, example = self.drawing(study)
        return write_report(
            study,
            path or self.folder / "report.html",
            folder=self.folder,
            model=model,
            example=example,
        )

    def drawing(self, study: Study) -> tuple[nn.Module | None, Inputs]:
        """Give the winner's model on the meta device and an example input, for a report."""
        example = self.task.example(1)
        best = study.note("best")
        if best is None:
            return None, example
        return self.space.build(study[best["trial"]].architecture, device="meta"), example

    def _lab(
        self,
        journal: Any,
        study: Study,
        watch: Callable[[Event, Study], None] = lambda event, study: None,
        deadline: float | None = None,
    ) -> Lab:
        return Lab(
            space=self.space,
            task=self.task,
            journal=journal,
            study=study,
            folder=self.folder,
            objectives=self.objectives,
            constraints=self.constraints,
            seed=self.seed,
            device=self.device,
            limits=self.limits,
            watch=watch,
            stages=self.stages,
            workers=self.workers,
            deadline=deadline,
        )


class _NoJournal:
    """Stands in while settings are checked, when nothing may be recorded."""

    def append(self, *events: Event) -> None:
        raise ConfigError("Nothing is recorded while an experiment is checked.")
