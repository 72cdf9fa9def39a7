"""What a run records about itself, and what may differ when it goes on."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from archloom.errors import RunChanged
from archloom.nn import ModelSpace
from archloom.space import Space

if TYPE_CHECKING:
    from archloom.experiment._experiment import Experiment

_MAY_GROW = {"trials", "keep"}


def describe_run(experiment: Experiment) -> dict[str, Any]:
    """Give all that is needed to know, compare and rebuild an experiment, as JSON data."""
    space = experiment.space.space
    header = {
        "title": f"{experiment.space.__name__} on {experiment.task.name}",
        "space": {
            **experiment.space.to_json(),
            "fingerprint": space.fingerprint,
            "model": _model_fingerprint(experiment.space),
            "size": None if space.size == float("inf") else space.size,
            "choices": space.to_json(),
        },
        "task": {**experiment.task.describe(), "source": experiment.task.source},
        "objectives": [f"{o.direction} {o.metric}" for o in experiment.objectives],
        "constraints": [str(c) for c in experiment.constraints],
        "stages": [dict(stage.describe()) for stage in experiment.stages],
        "seed": experiment.seed,
        "device": experiment.device_name,
        "workers": experiment.workers,
        "limits": {"minutes": experiment.limits.minutes, "failures": experiment.limits.failures},
        "versions": {
            "archloom": version("archloom"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "where": {"folder": str(Path.cwd()), "path": sys.path[0] or str(Path.cwd())},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "threads": torch.get_num_threads(),
            "device": str(experiment.device),
        },
    }
    normal: dict[str, Any] = json.loads(json.dumps(header))
    return normal


@contextmanager
def as_recorded(header: Mapping[str, Any]) -> Iterator[None]:
    """Stand in the folder that the run was started from, with its modules in reach.

    Names of spaces, modules and data files in the record may be relative to it. Where it is gone,
    since the run was moved to another machine, the current folder has to do.
    """
    where = header.get("where", {})
    folder, beside = where.get("folder", "."), where.get("path", ".")
    if not Path(folder).is_dir():
        yield
        return
    sys.path.append(beside)
    try:
        with chdir(folder):
            yield
    finally:
        sys.path.remove(beside)


def _model_fingerprint(space: ModelSpace) -> str:
    """Hash the layers of the first architecture: choices can stay while the code changes."""
    model = space.build(space.space.default(), device="meta")
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return hashlib.sha256(f"{model!r}{shapes}".encode()).hexdigest()[:16]


def require_same(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise `RunChanged`, naming each difference, unless `new` may go on with the run of `old`."""
    changed = _differences(old, new)
    if changed:
        raise RunChanged(
            f"A run goes on only with the space, data and settings that it began with, and in "
            f"{str(folder)!r} these differ:\n  " + "\n  ".join(changed) + "\n"
            "Put them back to go on, or choose another folder for a new run."
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say in words what of a run's identity changed."""
    found = []
    if old["space"]["fingerprint"] != new["space"]["fingerprint"]:
        found += _changed_choices(old["space"]["choices"], new["space"]["choices"])
    elif old["space"]["model"] != new["space"]["model"]:
        found.append("the code of the space builds other layers than it did")
    for key in ("name", "settings"):
        if old["space"].get(key) != new["space"].get(key):
            found.append(f"the space's {key}: {old['space'].get(key)} -> {new['space'].get(key)}")
    if old["task"]["fingerprint"] != new["task"]["fingerprint"]:
        before, after = dict(old["task"]), dict(new["task"])
        facts = [
            f"{k} {before.get(k)} -> {after.get(k)}"
            for k in after
            if k not in ("fingerprint", "source") and before.get(k) != after.get(k)
        ]
        found.append(f"the data: {'; '.join(facts) or 'same sizes, other values'}")
    for key in ("objectives", "constraints", "seed"):
        if old[key] != new[key]:
            found.append(f"{key}: {old[key]} -> {new[key]}")
    return found + _changed_stages(old["stages"], new["stages"])


def _changed_stages(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[str]:
    was = {stage["name"]: stage for stage in old}
    found = []
    for stage in new:
        before = was.pop(stage["name"], None)
        if before is None:
            continue  # a further stage may be added to a run
        for key in stage:
            if key not in _MAY_GROW and before.get(key) != stage[key]:
                found.append(f"stage {stage['name']!r}, {key}: {before.get(key)} -> {stage[key]}")
    return found


def _changed_choices(old: Any, new: Any) -> list[str]:
    before, after = Space.from_json(old).labels, Space.from_json(new).labels
    found = [f"the space: choice {label!r} is gone" for label in before if label not in after]
    found += [f"the space: choice {label!r} is new" for label in after if label not in before]
    found += [
        f"the space: choice {label!r} has other options"
        for label in after
        if label in before and before[label] != after[label]
    ]
    return found or ["the space: its choices stand in another order"]
