"""Show a run while it goes: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from archloom.errors import ConfigError
from archloom.journal import Event, Finished, Noted, Reported, Started
from archloom.objective import Objective
from archloom.study import Study
from archloom.trial import State, Trial

_SILENCE = 20.0  # seconds
_SHOWN = 8  # running trials, each on a line of its own
_COUNTED = (State.DONE, State.STOPPED, State.FAILED)

Watch = Callable[[Event, Study], None]
_STYLE = {State.DONE: "green", State.STOPPED: "yellow", State.FAILED: "red"}


@contextmanager
def watcher(
    progress: str | bool | Watch, header: Mapping[str, Any], study: Study
) -> Iterator[Watch]:
    """Give what a run calls with each event: a display, the user's own function, or nothing.

    Raises:
        ConfigError: for anything but "auto", "live", "lines", True, False or a callable.
    """
    if callable(progress):
        yield progress
        return
    if progress is False or progress == "none":
        yield lambda event, study: None
        return
    if progress not in ("auto", "live", "lines", True):
        raise ConfigError(
            f"progress is 'auto', 'live', 'lines', False or a function, got {progress!r}."
        )
    console = Console(stderr=True, highlight=False)
    live = console.is_terminal if progress in ("auto", True) else progress == "live"
    view = _View(console, header, study, live)
    if not live:
        yield view.take
        return
    with Live(view, console=console, refresh_per_second=4, transient=True):
        yield view.take


class _View:
    """What the display knows; rich asks it to draw itself a few times a second."""

    def __init__(
        self, console: Console, header: Mapping[str, Any], study: Study, live: bool
    ) -> None:
        self._console = console
        self._live = live
        self._spoke = time.monotonic()
        self._study = study
        self._stages = {stage["name"]: stage for stage in header["stages"]}
        self._goal = Objective.parse(header["objectives"][0])
        self._objective = self._goal.metric
        self._best: Trial | None = None
        self._in_parts = {trial.stage for trial in study.trials() if trial.budget is not None}
        for trial in study.trials():
            self._challenge(trial)
        self._began = time.monotonic()
        self._stage: str | None = None
        self._at_start = 0.0
        self._step: Mapping[str, Any] = {}  # of a supernet's epoch, while it lasts
        self._workers: int = header.get("workers", 1)
        self._running: dict[int, None] = {}  # in order; interrupted ones wait for a free worker
        for trial in study.trials(None, State.RUNNING):
            self._enter(trial)

    def take(self, event: Event, study: Study) -> None:
        self._study = study
        match event:
            case Started():
                self._enter(study[event.number])
            case Reported():
                self._print_epoch()
            case Finished():
                self._running.pop(event.number, None)
                self._challenge(study[event.number])
                self._print_trial(study[event.number])
            case Noted("data"):
                for finding in event.data["findings"]:
                    self._say(f"{finding['severity']}: {finding['message']}", "yellow")
            case Noted("stage-end"):
                self._say(f"{event.data['stage']}: {event.data['reason']}")
            case Noted("one-shot-begin"):
                self._enter_stage(event.data["stage"])
                self._say(_split(event.data))
                for line in _pinned(event.data["pinned"], event.data.get("why", {})):
                    self._say(line, "yellow")
            case Noted("one-shot-step"):
                self._enter_stage(event.data["stage"])
                self._step = event.data
                self._print_epoch()
            case Noted("one-shot"):
                self._enter_stage(event.data["stage"])
                self._step = {}
                self._say(_epoch(event.data, self._objective))
                for verdict in event.data.get("verdicts", ()):
                    self._say(f"warning: {verdict['reason']}", "yellow")
            case Noted("monitor"):
                for verdict in event.data["verdicts"]:
                    self._say(f"warning: {verdict['reason']}", "yellow")
            case Noted("collapse"):
                self._say(f"warning: {event.data['reason']}", "yellow")
            case Noted("measured"):
                self._say(_measured(event.data["key"], event.data["value"]))
            case Noted("test"):
                scores = _short(event.data["metrics"])
                self._say(f"test of trial {event.data['trial']}: {scores}", "bold")

    def _enter(self, trial: Trial) -> None:
        self._running[trial.number] = None
        if trial.budget is not None:
            self._in_parts.add(trial.stage)
        self._enter_stage(trial.stage)

    def _enter_stage(self, stage: str) -> None:
        if stage != self._stage:
            self._stage, self._began = stage, time.monotonic()
            self._at_start = self._done()

    def _say(self, text: str, style: str = "dim") -> None:
        self._spoke = time.monotonic()
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _print_epoch(self) -> None:
        """Without a live display, say now and then that a long trial is getting on."""
        if not self._live and time.monotonic() - self._spoke > _SILENCE:
            self._say(f"  {'   '.join(self._facts())}")

    def _print_trial(self, trial: Trial) -> None:
        if trial.state is State.REJECTED:
            return
        if self._supernet(trial.stage) and trial.state.scored:
            return  # its epoch has a line of its own
        value = trial.metrics.get(self._objective)
        new = " *" if self._best is not None and self._best.number == trial.number else "  "
        score = f"{self._objective} {value:.4f}" if value is not None else str(trial.state)
        text = f"{trial.stage} {trial.number:>4}{new} {score}  {trial.seconds:6.1f} s"
        if trial.error:
            text += f"  {trial.error.splitlines()[-1][:100]}"
        elif not self._console.is_terminal:
            text += f"  {self._counts()}"
        self._say(text, _STYLE.get(trial.state, "dim"))

    # -- what is drawn -----------------------------------------------------------------------

    def __rich__(self) -> Group | Text:
        if self._stage is None:
            return Text("checking the space and the data ...", style="dim")
        stage = self._stages.get(self._stage, {})
        done = self._done()
        total = max(_planned(stage), math.ceil(done))
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            Text(self._stage, style="bold cyan"),
            ProgressBar(total=total, completed=done, width=30),
            Text(self._counts()),
        )
        best, *running = self._facts()
        if len(running) == 1:
            return Group(grid, Text("   ".join((best, *running)).strip()))
        return Group(grid, *(Text(line) for line in (best, *running) if line))

    def _counts(self) -> str:
        ended = self._ended()
        if (self._stage or "").endswith("-monitor"):
            return f"{ended} trained to compare with"
        stage = self._stages.get(self._stage or "", {})
        total = max(_planned(stage), math.ceil(self._work()))
        if self._stage in self._in_parts:
            work = f"{self._work():.3g}/{total} of the work"
            return f"{ended} trials, {work}, {self._time_left(total)}"
        what = "epochs" if self._supernet(self._stage) else "trials"
        return f"{ended}/{total} {what}, {self._time_left(total)}"

    def _facts(self) -> list[str]:
        """Say which trial is best, empty without one, then how each running one is getting on."""
        best = ""
        if self._best is not None:
            score = f"{self._best.metrics[self._objective]:.4f}"
            best = f"best {self._objective} {score} (trial {self._best.number})"
        if self._supernet(self._stage):
            return [best, *_step_text(self._step)]
        running = [self._study[number] for number in self._at_work()]
        facts = [best, *map(self._getting_on, running[:_SHOWN])]
        if len(running) > _SHOWN:
            facts.append(f"and {len(running) - _SHOWN} more")
        return facts

    def _getting_on(self, trial: Trial) -> str:
        epochs = self._epochs(trial)
        step = trial.curve[-1][0] if trial.curve else 0
        last = trial.curve[-1][1].get(self._objective) if trial.curve else None
        now = f"trial {trial.number}: epoch {step}" + (f"/{epochs}" if epochs else "")
        return now + (f", {self._objective} {last:.4f}" if last is not None else "")

    def _at_work(self) -> list[int]:
        return list(self._running)[: self._workers]

    def _challenge(self, trial: Trial) -> None:
        value = trial.metrics.get(self._objective) if trial.state.scored else None
        if value is not None and (self._best is None or self._rank(trial) > self._rank(self._best)):
            self._best = trial

    def _rank(self, trial: Trial) -> tuple[float, float]:
        return trial.effort, self._goal.gain(trial.metrics[self._objective])

    def _supernet(self, stage: str | None) -> bool:
        return bool(self._stages.get(stage or "", {}).get("kind") == "OneShot")

    def _ended(self) -> int:
        if self._supernet(self._stage):
            notes = self._study.notes("one-shot")
            return sum(noted.data["stage"] == self._stage for noted in notes)
        return self._study.count(self._stage, *_COUNTED)

    def _done(self) -> float:
        """Trials ended in this stage, with the running ones counted by their share of epochs.

        Of a supernet, its epochs.
        """
        if self._supernet(self._stage):
            return self._ended() + float(self._step.get("step", 0) / self._step.get("steps", 1))
        running = (self._study[number] for number in self._at_work())
        return self._work() + sum(self._share(trial) * self._adds(trial) for trial in running)

    def _work(self) -> float:
        """What has ended, in full trials: a trial of a lower budget counts as its share."""
        if self._stage not in self._in_parts:
            return self._ended()
        ended = self._study.trials(self._stage, *_COUNTED)
        return math.fsum(self._adds(trial) for trial in ended)

    def _adds(self, trial: Trial) -> float:
        anew = _begins_anew(self._stages.get(trial.stage, {}).get("estimator"))
        before = None if anew else self._study.promoted_from(trial)
        return trial.effort - (before.effort if before else 0.0)

    def _share(self, trial: Trial) -> float:
        epochs = self._epochs(trial)
        return min(trial.curve[-1][0] / epochs, 0.99) if epochs and trial.curve else 0.0

    def _epochs(self, trial: Trial) -> int | None:
        described = self._stages.get(trial.stage, {}).get("estimator") or {}
        epochs = trial.epochs or described.get("epochs")
        if not epochs:
            return None
        return int(epochs) if _begins_anew(described) else math.ceil(epochs * trial.effort - 1e-9)

    def _time_left(self, total: int) -> str:
        progressed = self._done() - self._at_start
        if progressed <= 0:
            return "time left unknown yet"
        seconds = (time.monotonic() - self._began) / progressed * max(total - self._done(), 0)
        minutes, rest = divmod(round(seconds), 60)
        return f"about {minutes}:{rest:02d} left"


def _epoch(data: Mapping[str, Any], metric: str) -> str:
    """Say how an epoch of a supernet went, in one line."""
    parts = [f"{data['stage']} epoch {data['epoch']}/{data['epochs']}"]
    parts.append(f"loss {data['train_loss']:.4f}")
    if data["arch_loss"] is not None:
        parts.append(f"arch loss {data['arch_loss']:.4f}")
    if metric in data["scores"]:
        parts.append(f"{metric} {data['scores'][metric]:.4f}")
    if data["arch_loss"] is not None:
        parts.append(f"entropy {data['entropy']:.2f}")
    if data["skips"]:
        parts.append(f"idle {data['skips']:.0%}")
    return "  ".join([*parts, f"{data['seconds']:.1f} s"])


def _split(data: Mapping[str, Any]) -> str:
    split = data["split"]
    if not split["apart"]:
        return f"{data['stage']}: weights learn from all {split['weights']:,} training samples"
    return (
        f"{data['stage']}: weights learn from {split['weights']:,} training samples, the "
        f"architecture from {split['arch']:,}"
    )


def _pinned(pinned: Mapping[str, Any], why: Mapping[str, str]) -> Iterator[str]:
    for label, value in pinned.items():
        reason = f", for {why[label].rstrip('.')}" if label in why else ""
        yield f"notice: {label} is pinned to {_short(value)} and not searched{reason}"


def _step_text(step: Mapping[str, Any]) -> Iterator[str]:
    if step:
        yield f"epoch {step['epoch']}: step {step['step']}/{step['steps']}"


def _measured(key: str, value: Any) -> str:
    if key == "layout" or key.startswith("layout "):
        times = ", ".join(f"{name} {ms:.3g} ms" for name, ms in value["ms"].items())
        whose = key.removeprefix("layout").strip()
        whose = f" of the {whose}" if whose else ""
        return (
            f"memory layout{whose}: {value['layout']} (fastest steps: {times}; "
            f"channels_last unless the other is clearly faster)"
        )
    if key.startswith("latencies "):
        return f"measured the latency of the {key.removeprefix('latencies ')}'s parts"
    if key.startswith("latency table"):
        return f"measured the latency of {len(value['ms'])} operations"
    if key.startswith("latency of "):
        return "measured the latency of one more operation"
    return f"measured {key}: {_short(value)}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _begins_anew(described: Any) -> bool:
    """Whether a promoted trial of the estimator begins anew: on a larger share of the data."""
    if isinstance(described, Mapping):
        return described.get("fidelity") == "data" or _begins_anew(list(described.values()))
    return isinstance(described, list) and any(map(_begins_anew, described))


def _planned(stage: Mapping[str, Any]) -> int:
    """How many trials a stage's settings ask for; an ensemble is one, whatever it is made of."""
    if stage.get("kind") == "Ensemble":
        return 1
    if stage.get("kind") == "OneShot":
        return int(stage["epochs"])
    return stage.get("trials") or stage.get("top") or 1
