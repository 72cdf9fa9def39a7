"""SupernetRun: train a stage's supernet from where its checkpoint and the record stand."""

from __future__ import annotations

import hashlib
import json
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from archloom.architecture import Architecture
from archloom.errors import Diverged
from archloom.estimators import Candidate, combine, finite
from archloom.oneshot import (
    Scorer,
    Verdict,
    View,
    fused,
    gravest,
    look,
    save_supernet,
    supernet_path,
)
from archloom.stages._constraints import cost_of
from archloom.stages._epoch_note import epoch_note
from archloom.stages._lab import Lab
from archloom.stages._monitored import monitored
from archloom.stages._supernet_book import SupernetBook
from archloom.stages._supernet_loop import keeps_constraints, supernet_loop
from archloom.stages._supernet_view import kept_gates, view_of
from archloom.train import load_tensors
from archloom.trial import Proposal

if TYPE_CHECKING:
    from archloom.stages._one_shot import OneShot

_SHOWN_EVERY = 1.0  # seconds


class SupernetRun:
    """A supernet in training, and what of it is on record.

    An epoch is recorded when its checkpoint is safe on disk: a note of its losses, probabilities
    and scores, and where the method derives an architecture, a trial of it with its inherited
    score. Killed anywhere, the next run finds the checkpoint and records what is missing.
    """

    def __init__(self, lab: Lab, stage: OneShot, book: SupernetBook) -> None:
        self._lab, self._stage, self._book = lab, stage, book
        self._path = supernet_path(lab.folder, stage.name)
        self._began = time.monotonic()
        self._seconds = 0.0  # of the last epoch
        self._shown = -math.inf
        self._loop = supernet_loop(lab, stage, book)
        self._scorer = Scorer(
            self._loop.task, device=lab.device, layout=self._loop.layout, batches=stage.batches
        )

    def go(self) -> None:
        """Train and record what is left, unless the time is over before."""
        with fused(self._loop.supernet):
            self._go()

    def _go(self) -> None:
        loop, book = self._loop, self._book
        self._restore()
        if 0 < loop.done <= loop.recipe.epochs:
            self._record()
        try:
            while not book.ended and book.out_of_time(loop.done) is None:
                self._train()
                self._record()
            if self._stage.perturb is not None and book.planned_done:
                self._perturb()
        except Diverged as error:
            if not loop.done:
                self._lab.end(self._stage.name, f"diverged in the first epoch: {error}")
                raise
            book.stop(loop.done, Verdict("stop", _kept(error, loop.done), kind="diverged"))

    # -- an epoch ----------------------------------------------------------------------------

    def _train(self, tuned: float | None = None) -> None:
        began, loop = time.monotonic(), self._loop
        floor = self._book.share_of_time(began - self._began)
        loop.epoch(loop.done + 1, floor=floor, tuned=tuned, watch=self._show)
        self._seconds = time.monotonic() - began
        content = {"key": self._key, "layout": loop.layout, "seconds": self._seconds}
        save_supernet(self._path, {**content, **loop.state()})

    def _record(self) -> None:
        """Put the last epoch on record, as far as it is not, and act on what is found wrong."""
        epoch, loop, stage, book = self._loop.done, self._loop, self._stage, self._book
        derived = loop.gates.derive()
        view = view_of(loop, self._scorer, derived, self._lab, book)
        if not book.noted(epoch):
            self._note(derived, view)
        if derived is not None:
            self._record_trial(epoch, derived)
        found = book.verdicts(epoch)
        if stage.monitor is not None and epoch in stage.monitor.checks(stage.planned):
            with kept_gates(loop.gates):
                args = (self._lab, view, stage.name, stage.short_training)
                found += monitored(stage.monitor, *args)
        worst = gravest(found)
        if worst is not None and worst.action != "warn" and book.stopped is None:
            book.stop(epoch, worst)

    def _note(self, derived: Architecture | None, view: View) -> None:
        loop, stage = self._loop, self._stage
        with kept_gates(loop.gates):
            figures, verdicts = look(stage.guards, view)
            scores = self._score()
        note = epoch_note(
            *(stage.name, loop, derived),
            scores=scores,
            seconds=self._seconds,
            figures=figures,
            verdicts=verdicts,
        )
        self._book.note(note)

    def _record_trial(self, epoch: int, derived: Architecture) -> None:
        lab, known = self._lab, self._book.trial(epoch)
        if known is not None and known.state.ended:
            return
        if known is None:
            proposal = Proposal(derived, epoch)
            if not keeps_constraints(lab, derived):
                lab.reject(self._stage.name, proposal, cost_of(lab, derived))
                return
            known = lab.start(self._stage.name, proposal)
        lab.evaluate_here(known, combine(self._inherited, self._stage.cost(lab)))

    def _inherited(self, candidate: Candidate) -> dict[str, float]:
        return finite(self._scorer.child(self._loop.supernet, candidate.architecture))

    def _score(self) -> dict[str, float]:
        """Give the validation metrics of the supernet itself, as its method runs it."""
        rng = np.random.default_rng([self._loop.seed, 31])
        path = self._loop.gates.paths(rng)[0]
        return self._scorer.path(self._loop.supernet, path, self._loop.gates.partial)

    def _show(self, step: int, steps: int) -> None:
        now = time.monotonic()
        if now - self._shown >= _SHOWN_EVERY:
            self._shown = now
            where = {"epoch": self._loop.done + 1, "step": step, "steps": steps}
            self._lab.show("one-shot-step", {"stage": self._stage.name, **where})

    # -- deriving by perturbation ------------------------------------------------------------

    def _perturb(self) -> None:
        """Decide choice after choice by what the supernet would lose, training in between."""
        loop, book, perturb = self._loop, self._book, self._stage.perturb
        assert perturb is not None
        tune = perturb.tune_epochs
        while True:
            while tune and (loop.done - loop.recipe.epochs) % tune:  # cut off in between
                self._tune(tune)
            view = view_of(loop, self._scorer, loop.gates.derive(), self._lab, book)
            with kept_gates(loop.gates):
                news = perturb.decide(view, loop.decided)
            if not news:
                break
            loop.decided = {**loop.decided, **news}
            timely = book.out_of_time(loop.done) is None
            if tune and timely and not perturb.is_last(view, loop.decided):
                self._tune(tune)
        derived = perturb.architecture(view, loop.decided)
        epoch = loop.recipe.epochs + max(loop.done - loop.recipe.epochs, 1)
        book.perturbed(epoch, derived)
        self._record_trial(epoch, derived)

    def _tune(self, tune: int) -> None:
        done = (self._loop.done - self._loop.recipe.epochs) % tune
        self._train(tuned=done / tune)
        self._book.tuned(self._loop, self._seconds)

    # -- going on later ----------------------------------------------------------------------

    def _restore(self) -> None:
        saved = load_tensors(self._path, self._lab.device)
        if saved is not None and saved.get("key") == self._key:
            self._loop.restore(saved)
            self._seconds = float(saved["seconds"])

    @property
    def _key(self) -> str:
        """A hash of all that must stay equal for a training to go on."""
        lab = self._lab
        facts: tuple[Any, ...] = (
            dict(self._stage.describe()),
            lab.seed,
            lab.task.fingerprint,
            lab.space.to_json(),
            self._loop.layout,
            torch.__version__,
        )
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _kept(error: Diverged, epoch: int) -> str:
    plural = "epoch" if epoch == 1 else "epochs"
    return f"the supernet diverged, that of the first {epoch} {plural} is kept: {error}"
