"""The report of a comparison of strategies, as one HTML file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from archloom.bench import Results, Summary
from archloom.report._bench_charts import anytime, finds, ranks
from archloom.report._context import report_path
from archloom.report._document import document, write_document
from archloom.report._format import number
from archloom.report._html import Cell, chart, code, paragraph, section, table, tiles

_PAGE = "bench.html"


def write_bench_report(
    results: Results,
    path: str | Path,
    *,
    budgets: Sequence[float] | None = None,
    command: str = "",
) -> Path:
    """Write a comparison as one HTML file and give its path.

    Args:
        results: what `archloom.bench.Bench.run` gave.
        path: the file, or a folder for `bench.html` inside it.
        budgets: which ones the table shows; an eighth, a quarter, a half and all unless given.
        command: what the comparison was made with, to be shown.

    Raises:
        RunError: when the file cannot be written.

    >>> import tempfile
    >>> from archloom.bench import Bench, Setting, parse_entries
    >>> from archloom.objective import Objective
    >>> from archloom.tables import table_of
    >>> table = table_of({"width": [8, 16, 32], "accuracy": [0.7, 0.8, 0.9]}, ["width"])
    >>> setting, folder = Setting(table, Objective("accuracy"), budget=3), tempfile.mkdtemp()
    >>> results = Bench(setting, parse_entries("random,grid"), Path(folder), seeds=3).run()
    >>> write_bench_report(results, folder).name
    'bench.html'
    """
    target = Path(path)
    target = target / _PAGE if target.suffix != ".html" else report_path(target)
    title = f"Strategies on {results.header['table']}"
    body = "".join(
        (
            _headline(results),
            _scores(results, budgets),
            _anytime(results),
            _found(results),
            _significance(results),
            section("command", "Again", code(command, "The command")) if command else "",
        )
    )
    write_document(target, document(title, body))
    return target


def _headline(results: Results) -> str:
    header, ranking = results.header, results.ranking()
    best = min(ranking.ranks, key=lambda name: ranking.ranks[name])
    seeds = {len(results.of(strategy)) for strategy in results.strategies}
    seen = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
    figures = [
        ("Best mean rank", best.partition("{")[0], f"{ranking.ranks[best]:.2f}: {best}"),
        ("Budget", f"{results.budget:,}", "architectures evaluated in full"),
        ("Seeds", seen, "of each strategy"),
        ("Table", f"{header['architectures']:,}", "architectures"),
    ]
    words = (
        f"Searched: {header['objective']}, whose best value in the table is "
        f"{number(header['optimum'])}. Reported: {header['report']} of the architecture with the "
        f"best searched value. An architecture that was evaluated before costs nothing again."
    )
    return section("headline", "Result", tiles(figures), paragraph(words))


def _scores(results: Results, budgets: Sequence[float] | None) -> str:
    chosen = list(results.marks() if budgets is None else budgets)
    rows = results.summary(chosen)
    ranking = results.ranking()
    lines: list[list[Cell | str]] = [
        [
            strategy,
            *(_score(row) for row in rows if row.strategy == strategy),
            _cell(ranking.ranks[strategy], 2),
            *(_cell(ms, 2) for ms in results.ask_ms(strategy)),
        ]
        for strategy in results.strategies
    ]
    caption = (
        f"Mean {results.header['report']} after each budget (± standard error over seeds), in "
        f"brackets the share of seeds that found the table's best by {results.objective.metric}; "
        f"mean rank at the end; milliseconds to propose an architecture, of all and of the last "
        f"tenth."
    )
    heads = ["Strategy", *(f"{b:g}" for b in chosen), "Rank", "ms/ask", "late"]
    shown = table(caption, heads, lines, sortable=True)
    return section("scores", "Scores", shown)


def _score(row: Summary) -> Cell:
    error = "" if math.isnan(row.se) else f" ±{row.se:.2g}"
    text = f"{_short(row.reported)}{error} ({100 * row.found:.0f} %)"
    return Cell(text, row.reported, f"searched {row.searched:.6g}, regret {row.regret:.4g}")


def _short(value: float) -> str:
    return f"{value:.2f}" if 10 <= abs(value) < 10_000 else number(value)


def _cell(value: float, digits: int) -> Cell:
    return Cell(f"{value:.{digits}f}", value)


def _anytime(results: Results) -> str:
    regret = chart(
        anytime(results),
        "Regret over the budget",
        f"Distance of the best one known to the table's best {results.objective.metric}: median "
        "over seeds, the band from quartile to quartile. The lower edge means: found.",
    )
    reported = chart(
        anytime(results, "reported"),
        "Reported value over the budget",
        f"{results.header['report']} of the best one known: median and quartiles.",
    )
    return section("anytime", "Anytime curves", regret, reported)


def _found(results: Results) -> str:
    found = chart(
        finds(results),
        "Share of seeds that found the best",
        "A line that ends below 100 % is a strategy that missed the table's best in some seeds.",
    )
    ranked = chart(
        ranks(results), "Mean ranks", "Mean rank over seeds, 1 is best; ties share their ranks."
    )
    return section("found", "Finds and ranks", found, ranked)


def _significance(results: Results) -> str:
    if len(results.strategies) < 2:
        return ""
    pairs = results.pairs()
    ranking = results.ranking()
    words = []
    if not math.isnan(ranking.p):
        differ = "differ" if ranking.p < 0.05 else "are not shown to differ"
        words.append(f"Friedman's test: the strategies {differ} (p = {ranking.p:.2g}).")
    if not math.isnan(ranking.critical):
        words.append(
            f"Mean ranks that are more than {ranking.critical:.2f} apart differ at 5 % (Nemenyi)."
        )
    lines: list[list[Cell | str]] = [
        [
            f"{pair.first} – {pair.second}",
            Cell(f"{pair.difference:+.4g}", pair.difference),
            Cell(f"{pair.wins} : {pair.losses}", float(pair.wins - pair.losses)),
            Cell(f"{pair.p:.2g}", pair.p),
            Cell(f"{pair.p_holm:.2g}", pair.p_holm),
            "yes" if pair.p_holm < 0.05 else "no",
        ]
        for pair in pairs
    ]
    caption = (
        "Searched value at the end, seed by seed: mean gain of the first over the second, seeds "
        "won and lost; two-sided Wilcoxon signed-rank test, corrected for all pairs (Holm)."
    )
    heads = ["Pair", "Gain", "Won : lost", "p", "p (Holm)", "Differ"]
    shown = table(caption, heads, lines, sortable=True)
    return section("significance", "Significance", paragraph(" ".join(words)), shown)
