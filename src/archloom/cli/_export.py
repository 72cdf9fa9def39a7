"""archloom export: a trained model as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", help="pt, pt2 or onnx; repeat for several. [default: all]"),
    ] = None,
    trial: Annotated[
        int | None, typer.Option(help="Another trial than the best; its weights must be kept.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder. [default: RUN/export]")
    ] = None,
) -> None:
    """Export the best model: normalisation included, no archloom needed to run it.

    pt: a pickled torch module; pt2: torch.export; onnx: checked against onnxruntime to 1e-4.
    """
    from archloom.errors import RunError
    from archloom.experiment import Experiment
    from archloom.export import export_model
    from archloom.study import Study

    study = Study.open(run)
    best = study.note("best")
    if trial is None and best is None:
        raise RunError(
            f"The run in {str(run)!r} has no best model yet: let it end "
            f"(`archloom resume {run}`) or choose a trial with --trial."
        )
    number = trial if trial is not None else best["trial"] if best else 0
    experiment = Experiment.resume(run, progress=False)
    model = experiment.model(study[number])
    paths = export_model(
        model,
        experiment.task.example(2, device="cpu"),
        out or run / "export",
        formats=tuple(format_ or ("pt", "pt2", "onnx")),
        outputs=experiment.task.target,
    )
    for path in paths:
        typer.echo(str(path))
