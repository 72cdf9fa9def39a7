"""The contract of a strategy."""

from __future__ import annotations

import itertools
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass, replace
from typing import Any

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies import Offer, Strategy
from archloom.testing._space import example_spaces
from archloom.trial import Proposal, State, Trial

_METRIC = "accuracy"
_TRIALS = 60
_LISTED = 1000  # larger spaces are not tried to their end


class StrategyContract(ABC):
    """What a search relies on in every strategy, as a test class for pytest.

    Subclass it with a name that pytest collects, and say how to make the strategy:

        class TestMine(StrategyContract):
            def make(self) -> Strategy:
                return Mine(temperature=2.0)

    `exhausts` says that no architecture is proposed twice and that a finite space ends with None,
    after `count(space)` proposals; set it to False for a strategy that may propose one again.
    Promotions do not count: proposals with a budget whose parent is a trial of the same
    architecture.

    `budgets` are what the search offers, shares of the full effort, the last one 1: set more of
    them for a strategy that spends parts. Override `offer` where it needs anything else.

    >>> from archloom.strategies import Random
    >>> class TestRandom(StrategyContract):
    ...     def make(self):
    ...         return Random()
    >>> TestRandom().test_asking_changes_nothing()
    """

    exhausts: bool = True
    budgets: tuple[float, ...] = (1.0,)

    def offer(self, objective: Objective) -> Offer:
        """Give what the search has for the strategy besides space and objective."""
        return Offer(objectives=(objective,), budgets=self.budgets)

    def count(self, space: Space) -> int | float:
        """Give how many architectures of a space the strategy proposes before it ends."""
        return space.size

    @abstractmethod
    def make(self) -> Strategy:
        """Give a new strategy, the same settings each time."""

    def test_settings_are_plain_data(self) -> None:
        strategy: Any = self.make()
        plain = is_dataclass(strategy)
        assert plain, "a strategy is a dataclass whose fields are its settings"
        settings = json.loads(json.dumps(asdict(strategy)))
        assert type(strategy)(**settings) == strategy, "settings survive JSON"
        strategy.accept(self.offer(Objective(_METRIC)))
        strategy.setup(example_spaces()["flat"], Objective(_METRIC), 0)
        assert json.loads(json.dumps(asdict(strategy))) == settings, "setup adds no settings"

    def test_asking_changes_nothing(self) -> None:
        for name, space in example_spaces().items():
            strategy = self._ready(space)
            for number in range(_TRIALS):
                proposal = strategy.ask(number)
                strategy.ask(number + 1)
                assert strategy.ask(number) == proposal, f"{name}: asking twice gives the same"
                if proposal is None:
                    break
                self._tell(strategy, proposal, number, _mixed)

    def test_replaying_gives_the_same_next_proposal(self) -> None:
        """Kill the search anywhere, tell what is on record: it goes on as if nothing happened."""
        for name, space in example_spaces().items():
            steps = list(self._search(space, _mixed))
            for cut in range(0, len(steps), 7):
                strategy = self._ready(space)
                for _, told in steps[:cut]:
                    for trial in told:
                        strategy.tell(trial)
                expected = steps[cut][0]
                assert strategy.ask(cut) == expected, f"{name}: replay of {cut} trials differs"

    def test_setup_forgets(self) -> None:
        first, second = example_spaces()["conditional"], example_spaces()["flat"]
        used = self._ready(first)
        for number in range(20):
            proposal = used.ask(number)
            assert proposal is not None
            self._tell(used, proposal, number, _mixed)
        used.setup(second, Objective(_METRIC), 1)
        fresh = self.make()
        fresh.accept(self.offer(Objective(_METRIC)))
        fresh.setup(second, Objective(_METRIC), 1)
        for number in range(10):
            proposal = fresh.ask(number)
            assert used.ask(number) == proposal, "setup leaves nothing of an earlier search"
            assert proposal is not None
            for strategy in (used, fresh):
                self._tell(strategy, proposal, number, _mixed)

    def test_proposals_are_points_of_the_space(self) -> None:
        for space in example_spaces().values():
            for proposal, _ in self._search(space, _mixed):
                if proposal is not None:
                    space.check(proposal.architecture)

    def test_parents_are_ended_trials(self) -> None:
        for name, space in example_spaces().items():
            ended: set[int] = set()
            for proposal, told in self._search(space, _mixed):
                if proposal is not None and proposal.parent is not None:
                    assert proposal.parent in ended, f"{name}: unknown parent {proposal.parent}"
                ended.update(trial.number for trial in told)

    def test_budgets_are_among_those_offered(self) -> None:
        for space in example_spaces().values():
            for proposal, _ in self._search(space, _mixed):
                if proposal is not None and proposal.budget is not None:
                    assert proposal.budget in self.budgets

    def test_promotions_go_on_from_a_lower_budget(self) -> None:
        """A trial of a parent's architecture goes on from it, once, with more than it had."""
        for name, space in example_spaces().items():
            done: dict[int, Trial] = {}
            promoted: set[int] = set()
            for proposal, told in self._search(space, _mixed):
                if proposal is not None and _promotes(proposal, done):
                    assert proposal.parent is not None
                    parent = done[proposal.parent]
                    assert parent.budget is not None, f"{name}: its parent had all there is"
                    assert (proposal.budget or 1.0) > parent.budget, f"{name}: no more than before"
                    assert parent.state is State.DONE, f"{name}: {parent.state} has no checkpoint"
                    assert parent.number not in promoted, f"{name}: promoted twice"
                    promoted.add(parent.number)
                done.update((trial.number, trial) for trial in told if trial.state.ended)

    def test_finite_spaces_end_with_none(self) -> None:
        """Exactly as many proposals as architectures, all different, however trials end."""
        if not self.exhausts:
            return
        for (name, space), outcome in itertools.product(
            example_spaces().items(), (_mixed, _failed, _rejected)
        ):
            size = self.count(space)
            if size > _LISTED:
                continue
            ended: dict[int, Trial] = {}
            met: list[Architecture] = []
            last: Proposal | None = None
            for last, told in self._search(space, outcome, int(size) * len(self.budgets) + 5):
                if last is not None and not _promotes(last, ended):
                    met.append(last.architecture)
                ended.update((trial.number, trial) for trial in told if trial.state.ended)
            assert last is None, f"{name}: None once nothing is left"
            assert len(met) == len(set(met)), f"{name}: an architecture came twice"
            assert len(met) == size, f"{name}: {len(met)} proposals, not {size}"

    def test_trials_may_run_in_parallel(self) -> None:
        """Four start before the first ends; later ones end before earlier ones."""
        for name, space in example_spaces().items():
            strategy = self._ready(space)
            running: list[Trial] = []
            ended: dict[int, Trial] = {}
            met: list[Architecture] = []
            for number in range(_TRIALS):
                proposal = strategy.ask(number)
                if proposal is None:
                    break
                space.check(proposal.architecture)
                if not _promotes(proposal, ended):
                    met.append(proposal.architecture)
                running.append(_started(proposal, number))
                strategy.tell(running[-1])
                if len(running) == 4:
                    end = _mixed(running.pop(number % 4))
                    ended[end.number] = end
                    strategy.tell(end)
            if self.exhausts:
                assert len(met) == len(set(met)), f"{name}: an architecture came twice"

    def test_metrics_may_be_minimised_or_nan(self) -> None:
        space = example_spaces()["conditional"]
        for outcome in (_mixed, _not_a_number):
            strategy = self.make()
            strategy.accept(self.offer(Objective(_METRIC, "min")))
            strategy.setup(space, Objective(_METRIC, "min"), 0)
            for number in range(_TRIALS):
                proposal = strategy.ask(number)
                assert proposal is not None
                self._tell(strategy, proposal, number, outcome)

    def _ready(self, space: Space) -> Strategy:
        strategy = self.make()
        strategy.accept(self.offer(Objective(_METRIC)))
        strategy.setup(space, Objective(_METRIC), 0)
        return strategy

    def _search(
        self, space: Space, outcome: _Outcome, trials: int = _TRIALS
    ) -> Iterator[tuple[Proposal | None, list[Trial]]]:
        """Give each proposal, the closing None included, with the trials told because of it."""
        strategy = self._ready(space)
        for number in range(trials):
            proposal = strategy.ask(number)
            if proposal is None:
                yield None, []
                return
            yield proposal, self._tell(strategy, proposal, number, outcome)

    def _tell(
        self, strategy: Strategy, proposal: Proposal, number: int, outcome: _Outcome
    ) -> list[Trial]:
        start = _started(proposal, number)
        end = outcome(start)
        told = [end] if end.state is State.REJECTED else [start, end]
        for trial in told:
            strategy.tell(trial)
        return told


_Outcome = Callable[[Trial], Trial]


def _started(proposal: Proposal, number: int) -> Trial:
    return Trial(
        number,
        "search",
        proposal.architecture,
        0,
        parent=proposal.parent,
        budget=proposal.budget,
    )


def _promotes(proposal: Proposal, ended: Mapping[int, Trial]) -> bool:
    """Whether a proposal goes on from the trial of the same architecture that is its parent."""
    parent = None if proposal.parent is None else ended.get(proposal.parent)
    if parent is None or proposal.budget is None:
        return False
    return parent.architecture == proposal.architecture


def _mixed(trial: Trial) -> Trial:
    """End a trial in a way that its number decides, with a score that its architecture decides."""
    if trial.number % 7 == 3:
        return _failed(trial)
    if trial.number % 11 == 5:
        return _rejected(trial)
    score = int(trial.architecture.key, 16) % 1000 / 1000
    state = State.STOPPED if trial.number % 5 == 4 else State.DONE
    return replace(trial, state=state, metrics={_METRIC: score})


def _failed(trial: Trial) -> Trial:
    return replace(trial, state=State.FAILED, error="RuntimeError: out of memory")


def _rejected(trial: Trial) -> Trial:
    return replace(trial, state=State.REJECTED, metrics={"params": 1e9})


def _not_a_number(trial: Trial) -> Trial:
    return replace(trial, state=State.DONE, metrics={_METRIC: math.nan})
