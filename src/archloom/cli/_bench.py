"""archloom bench: compare strategies on a table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from archloom.bench import Cell, Entry, Results, Watch
    from archloom.tables import Table


def bench(
    table: Annotated[
        Path,
        typer.Option(
            help="A .npz, CSV, Parquet or JSON file, or NAS-Bench-201 / NATS-Bench as published."
        ),
    ],
    column: Annotated[
        str | None,
        typer.Option(help="The column to search on, or 'min COLUMN'. Without it: lists them all."),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(help="The column to report of the best one found. [default: --column]"),
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            help="Names (`archloom list strategies`), with settings where wanted: "
            "'random,evolution{population:20,sample:10}'; or a YAML file with a list of them."
        ),
    ] = "random,evolution,local_search",
    seeds: Annotated[int, typer.Option(help="Searches with each strategy.")] = 20,
    budget: Annotated[int, typer.Option(help="Architectures that a search may evaluate.")] = 100,
    at: Annotated[
        str | None,
        typer.Option(help="Budgets that the table of scores shows: '50,100'. [default: 4 of them]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of the results. [default: runs/bench-TABLE-COLUMN-BUDGET]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    workers: Annotated[int, typer.Option(help="Searches at once.")] = 1,
    architecture: Annotated[
        str | None,
        typer.Option(help="The column with the architectures, or the columns that are choices."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="The space of the table's architectures. [default: all their values]"),
    ] = None,
    fidelity: Annotated[
        list[str] | None,
        typer.Option(help="What a share of the effort gives, for bandits: '0.06=COLUMN'."),
    ] = None,
    missing: Annotated[
        str,
        typer.Option(help="'reject' lets searches pass over what the table has not."),
    ] = "error",
    duplicates: Annotated[
        str, typer.Option(help="'mean' takes the mean of rows of one architecture.")
    ] = "error",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Compare strategies on a table: many seeds, anytime curves, ranks and tests.

    Searches take milliseconds, since nothing is trained. Ctrl-C keeps what is done, and the same
    command goes on; more seeds or strategies are added to what is there.
    """
    from archloom.bench import Bench, Setting
    from archloom.objective import Objective

    loaded = _table(table, architecture, space, duplicates)
    if column is None:
        _list_columns(loaded)
        return
    objective = Objective.parse(column)
    if fidelity:
        loaded = loaded.with_fidelities(objective.metric, _fidelities(fidelity, objective.metric))
    name = objective.metric.replace("/", "-")
    folder = out or Path("runs", f"bench-{loaded.name}-{name}-{budget}")
    setting = Setting(loaded, objective, report, budget, missing)  # type: ignore[arg-type]
    run = Bench(setting, _entries(strategies), folder, seeds, seed, workers)
    marks = _marks(at, budget)
    run.check()
    with _watch(quiet) as watch:
        try:
            results = run.run(watch)
        except KeyboardInterrupt:
            kept = len(run.results().cells)
            typer.echo(
                f"Stopped: {kept} of {seeds * len(run.entries)} searches are kept in {folder}; "
                f"the same command goes on.",
                err=True,
            )
            raise
    _show(results, folder, marks)


def _table(path: Path, architecture: str | None, space: str | None, duplicates: Any) -> Table:
    from archloom.tables import load_table

    columns: Any = None if architecture is None else architecture.split(",")
    if isinstance(columns, list) and len(columns) == 1:
        columns = columns[0]
    known = None
    if space is not None:
        from archloom.nn import load_space

        known = load_space(space).space
    return load_table(path, columns, space=known, duplicates=duplicates)


def _list_columns(table: Table) -> None:
    """Print what can be searched: each column, how many values it has, their range."""
    from rich.markup import escape
    from rich.table import Table as Lines

    from archloom.cli._tables import print_rich

    lines = Lines(title=str(table), title_justify="left")
    for head in ("column", "values", "lowest", "highest"):
        lines.add_column(head, justify="left" if head == "column" else "right", overflow="fold")
    for name, values in table.columns.items():
        known = values[~_isnan(values)]
        ends = (f"{known.min():.6g}", f"{known.max():.6g}") if len(known) else ("-", "-")
        lines.add_row(escape(name), f"{len(known):,}", *ends)
    print_rich(lines)
    typer.echo("Say which one to search on: --column NAME, or --column 'min NAME'.")


def _isnan(values: Any) -> Any:
    import numpy as np

    return np.isnan(values)


def _entries(text: str) -> tuple[Entry, ...]:
    from archloom.bench import parse_entries, read_entries

    path = Path(text)
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_entries(path)
    return parse_entries(text)


def _fidelities(texts: Sequence[str], column: str) -> dict[float, str]:
    from archloom.errors import ConfigError

    found = {1.0: column}
    for text in texts:
        share, equals, name = text.partition("=")
        try:
            found[float(share)] = name
        except ValueError:
            equals = ""
        if not equals or not name:
            raise ConfigError(
                f"--fidelity takes SHARE=COLUMN, such as 0.06=after_12, got {text!r}."
            )
    return found


def _marks(text: str | None, budget: int) -> list[int] | None:
    from archloom.errors import ConfigError

    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    marks = sorted({int(part) for part in parts if part.isdigit()})
    if len(marks) < len(set(parts)) or not marks or not 1 <= marks[0] <= marks[-1] <= budget:
        raise ConfigError(f"--at takes budgets from 1 to {budget}, such as 50,100, got {text!r}.")
    return marks


@contextmanager
def _watch(quiet: bool) -> Iterator[Watch | None]:
    """Show a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("searches"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("")

        def watch(cell: Cell | None, done: int, total: int) -> None:
            text = "" if cell is None else f"{cell.strategy}, seed {cell.seed}"
            progress.update(task, completed=done, total=total, description=text)

        yield watch


def _show(results: Results, folder: Path, marks: Sequence[float] | None) -> None:
    """Print the table of scores and the tests; write the files."""
    from archloom.cli._tables import print_rich
    from archloom.report import write_bench_report

    command = shlex.join(["archloom", *sys.argv[1:]])
    page = write_bench_report(results, folder, budgets=marks, command=command)
    summary, curves = results.write_csv(folder, marks)
    print_rich(_scores(results, marks))
    for line in _words(results):
        typer.echo(line)
    typer.echo(f"report  {page}")
    typer.echo(f"data    {summary}, {curves}")


def _scores(results: Results, marks: Sequence[float] | None) -> Any:
    from rich.table import Table as Lines

    chosen = list(results.marks() if marks is None else marks)
    title = (
        f"{results.header['report']} of the best by {results.objective} (seeds that found the "
        f"table's best)"
    )
    lines = Lines(title=title, title_justify="left")
    lines.add_column("strategy", overflow="fold")
    for head in (*(f"{mark:g}" for mark in chosen), "rank", "ms/ask"):
        lines.add_column(head, justify="right")
    ranks = results.ranking().ranks
    rows = results.summary(chosen)
    for strategy in results.strategies:
        cells = [
            f"{row.reported:.4g} ({row.found:.0%})" for row in rows if row.strategy == strategy
        ]
        ms = results.ask_ms(strategy)[0]
        lines.add_row(strategy, *cells, f"{ranks[strategy]:.2f}", f"{ms:.3g}")
    return lines


def _words(results: Results) -> Iterator[str]:
    """Say which strategies differ from the one with the best mean rank."""
    if len(results.strategies) < 2:
        return
    ranks = results.ranking().ranks
    best = min(ranks, key=lambda name: ranks[name])
    pairs = [pair for pair in results.pairs() if best in (pair.first, pair.second)]
    worse = [
        pair.second if pair.first == best else pair.first for pair in pairs if pair.p_holm < 0.05
    ]
    alike = [name for name in results.strategies if name != best and name not in worse]
    yield f"best    {best}, mean rank {ranks[best]:.2f} of {len(ranks)}"
    if worse:
        yield f"        differs at 5 % from {', '.join(worse)} (Wilcoxon, Holm)"
    if alike:
        yield f"        not shown to differ from {', '.join(alike)}"
