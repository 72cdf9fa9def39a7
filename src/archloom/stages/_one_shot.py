"""OneShot: train one supernet for a whole space by a one-shot method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePath
from typing import Any, Literal

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import (
    Combined,
    Cost,
    Inherited,
    Train,
    combine,
    describe,
    rebuild_estimator,
)
from archloom.nn import Supernet
from archloom.oneshot import (
    FilledRecipe,
    Gates,
    Guard,
    Halves,
    Learned,
    Monitor,
    Penalty,
    Perturbation,
    SkipDropout,
    SupernetRecipe,
    describe_gates,
    describe_part,
    halve,
    rebuild_gates,
    rebuild_part,
    settings_of,
    whole,
)
from archloom.stages._constraints import require_feasible
from archloom.stages._lab import Lab
from archloom.stages._monitored import check_monitor, monitor_stage
from archloom.stages._supernet_book import SupernetBook
from archloom.stages._supernet_check import check_steps
from archloom.stages._supernet_run import SupernetRun
from archloom.stages._takeover import successor_kind, successors
from archloom.train import kept_random_state
from archloom.trial import State, Trial

_COSTS = ("params", "flops", "memory", "latency_ms", "latency_ms_p90")


@dataclass(frozen=True)
class OneShot(SupernetRecipe):
    """Train a supernet, the weights of all architectures of the space, by a method: its `gates`.

    After each epoch a checkpoint is written to `supernets/NAME` in the run's folder, losses,
    scores and the probability of every option are noted, and where the method derives an
    architecture, that is recorded as a trial with its inherited score (see `Inherited`). `Retrain`
    after this stage trains the derived architecture from scratch. A method that only samples paths
    derives none: `BlackBox(strategy, Inherited())` then searches with the supernet's weights.

    Settings that are not given are those of the method's paper; see `SupernetRecipe`. Killed at any
    moment, the training goes on after the last epoch and ends bit for bit alike. A training whose
    loss or weights become infinite ends with the supernet of the last good epoch.

    Args:
        gates: the method, such as `Darts(order=2)`.
        guards: what looks at the search after each epoch and may stop it: `SkipCount()`, say.
        dropout: switches skip connections off at random while the weights are trained.
        monitor: tells when a search goes wrong, see `Monitor`; this one looks at skip connections
            only, `Monitor()` also compares the supernet's scores with short trainings.
        penalty: a price on parameters, operations or latency: `Penalty("flops", 0.1)`; for a method
            that samples paths one with a target, which leaves out those that cost more.
        perturb: derive the architecture by what the supernet loses without an option, in place of
            by the largest probabilities.
        train: how those short trainings are done; `Train()` without.
        select: which derived architecture counts: that of the `last` epoch, as in the papers, or
            the one with the `best` inherited score.
        batches: of 128 training samples, on which batch statistics are measured for a score.

    Raises (from `check`):
        Infeasible: when no architecture that could be found keeps the run's constraints.
        ConfigError: for settings out of range, too few data for the split between weights and
            architecture, and a space that the method cannot work on.
        SpaceError: for a choice that cannot be shared; pin it: `space.pinned({...})`.

    >>> from archloom.oneshot import Darts
    >>> OneShot(Darts(order=2), epochs=30).describe()["gates"]["order"]
    2
    """

    gates: Gates
    guards: Sequence[Guard] = ()
    dropout: SkipDropout | None = None
    monitor: Monitor | None = field(default_factory=lambda: Monitor(architectures=0))
    penalty: Penalty | None = None
    perturb: Perturbation | None = None
    train: Train | None = None
    select: Literal["last", "best"] = "last"
    batches: int = 16
    name: str = "supernet"

    def __post_init__(self) -> None:
        super().__post_init__()
        given: Any = self.guards
        alone = isinstance(given, Mapping) or hasattr(given, "look")
        if isinstance(given, str) or not (alone or isinstance(given, Sequence)):
            raise ConfigError(
                f"guards is a list such as [SkipCount()], or [{{name: SkipCount}}] in a file, got "
                f"{given!r}."
            )
        parts = {
            "guards": tuple(map(rebuild_part, [given] if alone else given)),
            "dropout": rebuild_part(self.dropout, SkipDropout),
            "monitor": rebuild_part(self.monitor, Monitor),
            "penalty": None if self.penalty is None else Penalty.of(self.penalty),
            "perturb": rebuild_part(self.perturb, Perturbation),
        }
        for name, part in parts.items():
            _check_part(name, part)
            object.__setattr__(self, name, part)

    def check(self, lab: Lab) -> None:
        """Raise if the training could not work."""
        if not isinstance(self.gates, Gates) or isinstance(self.gates, type):
            raise ConfigError(
                f"OneShot trains by the gates of a method, such as Darts(), got {self.gates!r}."
            )
        if self.select not in ("last", "best"):
            raise ConfigError(f"select is 'last' or 'best', got {self.select!r}.")
        if PurePath(self.name).name != self.name:
            raise ConfigError(f"The name of the stage names a folder, got {self.name!r}.")
        self._check_metrics(lab)
        self.inherited.check(lab.space.space)
        require_feasible(lab)
        self.gates.setup(lab.space.space, lab.seed)
        self.filled_for(lab)
        if self.perturb is not None and self.gates.derive() is None:
            raise ConfigError(
                "A perturbation derives an architecture in place of a method's own probabilities, "
                "and this method samples paths: leave `perturb` out."
            )
        successor_kind(self)
        if self.monitor is not None:
            check_monitor(self.monitor, lab, self.short_training)
        with kept_random_state(lab.device):
            supernet = lab.space.supernet(example=lab.task.example(2))
            check_steps(self.gates, supernet, lab.task, self.guards)
        self._check_penalty(supernet, lab)

    def _check_penalty(self, supernet: Supernet, lab: Lab) -> None:
        if self.penalty is None:
            return
        # what is measured as parameters can be measured as latency: no clock before the run
        plain = self.penalty
        if plain.metric == "latency_ms":
            plain = replace(plain, metric="params")
        if isinstance(self.gates, Learned):
            plain.on(supernet, lab.task.example(1))
        else:
            plain.admitting(supernet, lab.task.example(1))

    def _check_metrics(self, lab: Lab) -> None:
        known = {*lab.task.metric_names, *_COSTS}
        for objective in lab.objectives:
            if objective.metric not in known:
                raise ConfigError(
                    f"The objective {objective.metric!r} is no metric of inherited scores: "
                    f"{did_you_mean(objective.metric, known)}."
                )

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        recipe = {field.name: getattr(self, field.name) for field in fields(SupernetRecipe)}
        augment = list(self.augment) if isinstance(self.augment, tuple) else self.augment
        return {
            "name": self.name,
            "kind": "OneShot",
            "gates": describe_gates(self.gates),
            **recipe,
            "epochs": self.planned,
            "augment": augment,
            "guards": [describe_part(guard) for guard in self.guards],
            "dropout": None if self.dropout is None else describe_part(self.dropout),
            "monitor": None if self.monitor is None else self.monitor.describe(),
            "penalty": None if self.penalty is None else settings_of(self.penalty),
            "perturb": None if self.perturb is None else settings_of(self.perturb),
            "train": None if self.train is None else describe(self.train),
            "select": self.select,
            "batches": self.batches,
        }

    @classmethod
    def rebuild(cls, description: Mapping[str, Any]) -> OneShot:
        """Give the stage whose `describe` gave this."""
        settings = {key: value for key, value in description.items() if key != "kind"}
        train = settings.pop("train", None)
        if train is not None:
            settings["train"] = rebuild_estimator(train)
        return cls(rebuild_gates(settings.pop("gates")), **settings)

    def run(self, lab: Lab) -> None:
        """Go on from the last checkpoint until the epochs are trained or the time is over."""
        book = SupernetBook(lab, self)
        if not book.complete:
            with kept_random_state(lab.device):
                SupernetRun(lab, self, book).go()
        lab.end(self.name, f"{book.reason}{self._refused(lab)}{self._undecided(book)}")
        for stage in successors(self, lab):
            stage.run(lab)

    def _refused(self, lab: Lab) -> str:
        """Say it when the constraints left nothing of what the method derived."""
        trials = lab.study.trials(self.name)
        if not trials or any(trial.state is not State.REJECTED for trial in trials):
            return ""
        return (
            f"; all that it derived breaks {', '.join(map(str, lab.constraints))}: set a price "
            f"with `penalty`, or take a method that samples paths, such as spos, which keeps "
            f"constraints"
        )

    def _undecided(self, book: SupernetBook) -> str:
        """Say it when the architecture parameters learned next to nothing."""
        notes = book.epochs
        if not book.planned_done or notes[-1]["derived"] is None:
            return ""
        if notes[-1]["entropy"] < _UNDECIDED:
            return ""
        return (
            f"; its probabilities are as good as undecided (entropy {notes[-1]['entropy']:.3f} of "
            f"1), so that what is derived is little more than chance: more epochs, or a larger "
            f"arch_lr"
        )

    # -- what other stages ask ---------------------------------------------------------------

    @property
    def inherited(self) -> Inherited:
        """The estimator that scores architectures with this stage's supernet."""
        return Inherited(self.name, batches=self.batches)

    @property
    def short_training(self) -> Train:
        """How the monitor's networks are trained."""
        return self.train or Train()

    def cost(self, lab: Lab) -> Cost:
        """Give what is measured besides the score, latency where it is an objective."""
        return Cost.giving(objective.metric for objective in lab.objectives)

    def estimator(self, lab: Lab) -> Combined:
        """Give what judges the architectures of this stage."""
        return combine(self.inherited, self.cost(lab))

    def derives(self, lab: Lab) -> bool:
        """Whether the method gives an architecture itself."""
        self.gates.setup(lab.space.space, lab.seed)
        return self.gates.derive() is not None

    def picked(self, lab: Lab, top: int) -> list[Trial]:
        """Give the trials of the architectures that count, the first one first."""
        others = successors(self, lab)
        if others:
            last = others[-1]
            if isinstance(last, OneShot):
                return last.picked(lab, top)
            found = any(trial.state.scored for trial in lab.study.trials(last.name))
            return lab.study.top(top, lab.objectives[0], last.name) if found else []
        ranked = [trial for trial in lab.study.trials(self.name) if trial.state.scored][::-1]
        if self.select == "best" and ranked:
            ranked = lab.study.top(len(ranked), lab.objectives[0], self.name)
        counted: dict[str, Trial] = {}
        for trial in ranked:
            counted.setdefault(trial.architecture.key, trial)
        first = SupernetBook(lab, self).preferred
        if first is not None:
            short = lab.study.trials(monitor_stage(self.name))
            known = {t.architecture.key: t for t in short if t.state.scored} | counted
            if first.key in known:
                counted = {first.key: known[first.key], **counted}
        return list(counted.values())[:top]

    @property
    def planned(self) -> int:
        """How many epochs there shall be."""
        return self.epochs or self.gates.traits.epochs

    def filled_for(self, lab: Lab) -> tuple[FilledRecipe, Halves]:
        """Give the recipe without gaps, and which training samples are for what.

        Raises:
            ConfigError: when there are too few samples to be cut in two.
        """
        traits = self.gates.traits
        bilevel = isinstance(self.gates, Learned) and traits.bilevel
        halves = halve(lab.task, self.arch_share, lab.seed) if bilevel else whole(lab.task)
        return self.filled(traits, len(halves.weights)), halves


_UNDECIDED = 0.99  # mean entropy, of the largest there can be, from which nothing was learned

_PARTS = {"dropout": SkipDropout, "monitor": Monitor, "perturb": Perturbation}


def _check_part(name: str, part: Any) -> None:
    if name == "guards":
        for guard in part:
            if isinstance(guard, type) or not callable(getattr(guard, "look", None)):
                raise ConfigError(
                    f"A guard, one of `guards`, looks at the search after each epoch, as "
                    f"SkipCount() does, got {guard!r}."
                )
    elif name in _PARTS and part is not None and not isinstance(part, _PARTS[name]):
        kind = _PARTS[name].__name__
        raise ConfigError(
            f"{name} is a {kind}(...), in a file a mapping of its settings, or null, got {part!r}."
        )
