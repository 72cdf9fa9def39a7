"""Choose what to predict with, from what candidates predicted on validation data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from archloom.ensemble._calibrate import (
    MOST_TEMPERATURE,
    THRESHOLD_METRICS,
    fit_temperature,
    fit_threshold,
    log_losses,
    paired_decision,
)
from archloom.ensemble._choice import Choice
from archloom.ensemble._judge import Judge, Verdict
from archloom.ensemble._parts import Part, from_means, to_means
from archloom.ensemble._select import greedy_selection, weighted
from archloom.ensemble._views import PLAIN
from archloom.errors import DataError
from archloom.task import stratified_split

FEW = 100
"""With fewer validation samples than this, members get equal weights only."""

Procedure = Literal["equal", "greedy"]
ViewOutputs = Callable[[int, tuple[str, ...]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Library:
    """What the candidates predicted for the same validation samples, the best one first.

    `outputs` are the models' raw outputs, `numbers` name the candidates in the choice, `groups`
    number the group of each sample where samples hang together.
    """

    numbers: Sequence[int]
    outputs: Sequence[Tensor]
    targets: Tensor
    parts: tuple[Part, ...]
    judge: Judge
    groups: Tensor | None = None

    def prefers(self, first: Tensor, second: Tensor) -> Verdict:
        """Say whether the second outputs are better than the first by more than noise."""
        return self.judge.prefers(first, second, self.targets, self.groups)


def choose_members(library: Library, rounds: int = 50, seed: int = 0) -> Choice:
    """Choose an ensemble of the candidates, or the best one alone.

    Selecting and judging on the same samples would favour the selection. So the samples are cut
    in two halves, each half judges what was selected on the other, and only if an ensemble
    selected like that beats the single candidate selected like that, by more than noise
    (`Judge.prefers`), are members and weights selected on all samples. Two selections compete:
    equal weights for the best few, and greedy weights (`greedy_selection`) where there are at
    least 100 samples; the greedy ones must beat the equal ones by more than noise, too.
    """
    means = [to_means(outputs, library.parts) for outputs in library.outputs]
    single = _one_hot(_best_single(library, means, slice(None)), len(means))
    name = library.judge.objective.metric
    halves = _halves(library.targets, library.groups, seed)
    if len(means) == 1 or halves is None:
        few = "there is a single candidate" if len(means) == 1 else "too few validation samples"
        return _choice(library, means, single, {"ensemble": f"not used; {few}"})

    def held_out(select: Callable[[Tensor], list[float]]) -> Tensor:
        found = torch.zeros_like(means[0])
        for mine, other in (halves, halves[::-1]):
            found[other] = weighted([mean[other] for mean in means], select(mine))
        return from_means(found, library.parts)

    alone = held_out(lambda rows: _one_hot(_best_single(library, means, rows), len(means)))
    equal = held_out(lambda rows: _weights(library, means, rows, 0))
    kind: Procedure = "equal"
    chosen = equal
    remarks = {}
    if len(library.targets) < FEW:
        remarks["weights"] = f"equal, as there are fewer than {FEW} validation samples"
    elif rounds > 0:
        greedy = held_out(lambda rows: _weights(library, means, rows, rounds))
        verdict = library.prefers(equal, greedy)
        kind, chosen = ("greedy", greedy) if verdict.better else ("equal", equal)
        remarks["weights"] = f"{kind}; greedy against equal weights: {verdict.reason}"
    verdict = library.prefers(alone, chosen)
    used = "used" if verdict.better else "not used"
    remarks["ensemble"] = f"{used}; against the best single one, cross-checked: {verdict.reason}"
    checked = {
        f"checked single {name}": library.judge.score(alone, library.targets),
        f"checked ensemble {name}": library.judge.score(chosen, library.targets),
    }
    weights = _weights(library, means, slice(None), rounds if kind == "greedy" else 0)
    if not verdict.better:
        weights = single
    elif weights.count(0.0) == len(weights) - 1:
        remarks["ensemble"] = "not used; on all samples the best single one scores highest"
    return _choice(library, means, weights, remarks, checked)


def _best_single(library: Library, means: Sequence[Tensor], rows: Tensor | slice) -> int:
    """Give the place of the candidate that ranks highest on the rows; the first of equals."""
    ranks = [_rank(library, mean[rows], rows) for mean in means]
    return ranks.index(max(ranks))


def _weights(
    library: Library, means: Sequence[Tensor], rows: Tensor | slice, rounds: int
) -> list[float]:
    return greedy_selection(
        [mean[rows] for mean in means], lambda mean: _rank(library, mean, rows), rounds
    )


def _rank(library: Library, mean: Tensor, rows: Tensor | slice) -> tuple[float, float]:
    return library.judge.rank(from_means(mean, library.parts), library.targets[rows])


def _choice(
    library: Library,
    means: Sequence[Tensor],
    weights: Sequence[float],
    remarks: Mapping[str, str],
    scores: Mapping[str, float | None] | None = None,
) -> Choice:
    judge, name = library.judge, library.judge.objective.metric
    best = library.outputs[_best_single(library, means, slice(None))]
    combined = from_means(weighted(means, weights), library.parts)
    found = {
        f"single {name}": judge.score(best, library.targets),
        f"ensemble {name}": judge.score(combined, library.targets),
        **(scores or {}),
    }
    used = [(n, w) for n, w in zip(library.numbers, weights, strict=True) if w > 0]
    if len(used) == 1:
        del found[f"ensemble {name}"]
    return Choice(
        tuple(number for number, _ in used),
        tuple(weight for _, weight in used),
        scores={key: value for key, value in found.items() if value is not None},
        remarks=remarks,
    )


def _one_hot(place: int, size: int) -> list[float]:
    return [float(number == place) for number in range(size)]


def _halves(targets: Tensor, groups: Tensor | None, seed: int) -> tuple[Tensor, Tensor] | None:
    """Cut the samples in two, groups kept whole; None where there are too few."""
    if groups is not None:
        names = np.random.default_rng(seed).permutation(np.unique(groups.numpy()))
        chosen = torch.isin(groups, torch.from_numpy(names[: len(names) // 2]))
        first, second = (~chosen).nonzero().flatten(), chosen.nonzero().flatten()
        return (first, second) if len(second) else None
    try:
        first, second = stratified_split(targets, (0.5,), seed)
    except DataError:
        return None
    return (first, second) if len(first) and len(second) else None


def choose_views(
    choice: Choice,
    library: Library,
    options: Mapping[str, Sequence[str]],
    outputs_of: ViewOutputs,
    *,
    force: bool = False,
) -> tuple[Choice, Tensor]:
    """Add the test-time augmentation that helps most, if one helps by more than noise.

    `outputs_of(number, views)` gives what a member predicts for the samples of the library seen
    in each of these ways. Where there are several options, the last one joins the others, and is
    tried only if each of those helps. With `force` all are, and the best one is used even so.
    Gives the outputs, too.
    """
    judge, parts, targets = library.judge, library.parts, library.targets
    shares = dict(zip(choice.members, choice.weights, strict=True))
    seen: dict[str, Tensor] = {}

    def mean_of(views: Sequence[str]) -> Tensor:
        new = tuple(view for view in views if view not in seen)
        for number, share in shares.items() if new else ():
            for view, outputs in outputs_of(number, new).items():
                mean = share * to_means(outputs, parts)
                seen[view] = seen[view] + mean if view in seen else mean
        return from_means(torch.stack([seen[view] for view in views]).mean(0), parts)

    plain = mean_of((PLAIN,))
    best, best_views, helped = plain, choice.views, 0
    tried: list[str] = []
    for name, views in options.items():
        joined = len(tried) == len(options) - 1 > 0
        if joined and helped < len(tried) and not force:
            break
        outputs = mean_of(views)
        verdict = library.prefers(plain, outputs)
        tried.append(f"{name}: {verdict.reason}")
        helped += verdict.better
        first = best_views == choice.views
        wins = judge.rank(outputs, targets) > judge.rank(best, targets)
        if (verdict.better or force) and ((force and first) or wins):
            best, best_views = outputs, tuple(views)
    scores = dict(choice.scores)
    used = best_views != choice.views
    score = judge.score(best, targets)
    if used and score is not None:
        scores[f"with test-time augmentation {judge.objective.metric}"] = score
    remark = f"{'used' if used else 'not used'}; {'; '.join(tried)}"
    remarks = {**choice.remarks, "tta": remark}
    return replace(choice, views=best_views, scores=scores, remarks=remarks), best


def choose_temperature(
    choice: Choice, outputs: Tensor, library: Library, *, force: bool = False
) -> Choice:
    """Add the temperature that lowers the log loss most, if by more than one standard error.

    `outputs` are those of the choice so far for the samples of the library.
    """
    parts, targets = library.parts, library.targets
    if len(parts) > 1 or parts[0].kind == "numbers":
        remark = "not used; it is for a single output of classes or labels"
        return replace(choice, remarks={**choice.remarks, "temperature": remark})
    kind = parts[0].kind
    temperature = round(fit_temperature(outputs, targets, kind), 6)
    lowered = log_losses(outputs, targets, kind) - log_losses(outputs / temperature, targets, kind)
    gain, error = float(lowered.mean()), float(lowered.std()) / math.sqrt(len(lowered))
    # At an end of the range there is no least loss: all samples are told apart, and nothing
    # says how sure to be of the next one.
    bounded = 1 / MOST_TEMPERATURE < 0.99 * temperature < 0.98 * MOST_TEMPERATURE
    used = force or (bounded and gain > error)
    remark = (
        f"{'used' if used else 'not used'}; {temperature:.3g} lowers the log loss by "
        f"{gain:.4f} ± {error:.4f}"
    )
    remarks = {**choice.remarks, "temperature": remark}
    return replace(choice, temperature=temperature if used else 1.0, remarks=remarks)


def choose_threshold(
    choice: Choice,
    outputs: Tensor,
    library: Library,
    setting: float | Literal["auto"] | None = "auto",
    seed: int = 0,
) -> Choice:
    """Add a decision threshold for two classes, or one for each label.

    `setting` is a probability to use as it is, None for none, or "auto": tuned for the
    objective's metric (accuracy, balanced accuracy or F1) and used where a threshold tuned on
    one half of the samples improves the other half by more than one standard error.
    """
    if setting is None:
        return choice
    parts, targets, judge = library.parts, library.targets, library.judge
    name = judge.objective.metric
    if len(parts) > 1 or not _decides(parts[0]):
        remark = "not used; it is for two classes, or labels"
        return replace(choice, remarks={**choice.remarks, "threshold": remark})
    columns = _scores(outputs / choice.temperature, parts[0])
    truth = targets.reshape(-1, 1) if parts[0].kind == "classes" else targets
    if isinstance(setting, int | float):
        found, remarks = [float(setting)] * columns.shape[1], ["used as it is set"]
    elif name not in THRESHOLD_METRICS:
        remark = f"not used; {name} does not depend on a threshold"
        return replace(choice, remarks={**choice.remarks, "threshold": remark})
    else:
        tuned = [
            _tuned(columns[:, label], truth[:, label] > 0.5, library.groups, name, seed)
            for label in range(columns.shape[1])
        ]
        found, remarks = [cut for cut, _ in tuned], [remark for _, remark in tuned]
    remarked = {**choice.remarks, "threshold": "; ".join(remarks)}
    if all(cut == 0.5 for cut in found):
        return replace(choice, remarks=remarked)
    bias = [-math.log(cut / (1 - cut)) for cut in found]
    bias = [0.0, *bias] if parts[0].kind == "classes" else bias
    chosen = replace(choice, threshold=tuple(found), bias=tuple(bias), remarks=remarked)
    score = judge.score(outputs / choice.temperature + torch.tensor(bias), targets)
    if score is not None:
        chosen = replace(chosen, scores={**chosen.scores, f"with threshold {name}": score})
    return chosen


def _decides(part: Part) -> bool:
    return part.kind == "labels" or (part.kind == "classes" and part.columns == 2)


def _scores(outputs: Tensor, part: Part) -> Tensor:
    """Give the logits of yes, a column a decision."""
    return outputs if part.kind == "labels" else outputs[:, 1:] - outputs[:, :1]


def _tuned(
    logits: Tensor, positive: Tensor, groups: Tensor | None, metric: str, seed: int
) -> tuple[float, str]:
    """Give the threshold and why: one half where tuning does not help the other half."""
    halves = _halves(positive.long(), groups, seed)
    if halves is None:
        return 0.5, "not used; too few validation samples"
    probabilities, shifted = logits.double().sigmoid(), torch.zeros_like(logits)
    for mine, other in (halves, halves[::-1]):
        cut = fit_threshold(probabilities[mine], positive[mine], metric)
        shifted[other] = logits[other] - math.log(cut / (1 - cut))
    found = paired_decision(metric, logits, shifted, positive, groups)
    if found.clear <= 0:
        return 0.5, f"not used; tuning changes {metric} by {found}"
    cut = round(fit_threshold(probabilities, positive, metric), 6)
    return cut, f"used; {cut:.3g} changes {metric} by {found}, cross-checked"
