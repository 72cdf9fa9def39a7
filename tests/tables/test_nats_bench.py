"""The files of NAS-Bench-201 and NATS-Bench, against real records and values."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import DataError
from archloom.tables import Table, load_table

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
RECORDS = DATA / "nats_bench_tss_examples.json.gz"
TABLE = DATA / "nas_bench_201_cifar10.npz"

needs_records = pytest.mark.skipif(not RECORDS.is_file(), reason="the records are not here")
needs_table = pytest.mark.skipif(not TABLE.is_file(), reason="the table is not here")


def records() -> dict[str, Any]:
    return json.loads(gzip.decompress(RECORDS.read_bytes()))


def official(entry: dict[str, Any], index: int) -> dict[str, Any]:
    """Write an architecture as the benchmark's own `ArchResults.state_dict` does."""
    schedules: dict[str, Any] = {}
    for schedule in ("12", "200"):
        results, seeds = OrderedDict(), OrderedDict()
        for dataset, runs in entry[schedule].items():
            seeds[dataset] = [int(seed) for seed in runs]
            for seed, run in runs.items():
                results[dataset, int(seed)] = training(dataset, int(seed), run)
        schedules[schedule] = {
            "arch_index": index,
            "arch_str": entry["arch_str"],
            "all_results": results,
            "dataset_seed": seeds,
            "clear_net_done": True,
        }
    return schedules


def training(dataset: str, seed: int, run: dict[str, Any]) -> dict[str, Any]:
    epochs = run["epochs"]
    flat = {f"{s}@{e}": v for s, curve in run["eval_acc"].items() for e, v in curve.items()}
    return {
        "name": "infer.tiny",
        "seed": seed,
        "net_state_dict": None,
        "train_acc1es": OrderedDict(enumerate(run["train_acc"])),
        "train_acc5es": None,
        "train_losses": OrderedDict(enumerate(run["train_loss"])),
        "train_times": OrderedDict.fromkeys(range(epochs), run["train_seconds_per_epoch"]),
        "params": run["params_m"],
        "flop": run["flops_m"],
        "epochs": epochs,
        "latency": run["latency_s"],
        "eval_names": list(run["eval_acc"]),
        "eval_acc1es": flat,
        "eval_losses": dict.fromkeys(flat, np.float64(1.0)),
        "eval_times": {key: run["eval_seconds"][key.partition("@")[0]] for key in flat},
        "arch_config": {"arch_str": "", "channel": 16},
    }


def same(first: Table, second: Table) -> None:
    assert first.architectures == second.architectures
    assert set(first.columns) == set(second.columns)
    for name in first.columns:
        np.testing.assert_allclose(first.column(name), second.column(name), rtol=1e-9, err_msg=name)


@needs_records
def test_the_folder_as_published_holds_what_the_records_hold(tmp_path: Path) -> None:
    content = records()
    names = [entry["arch_str"] for entry in content.values()]
    packed(tmp_path / "meta.pickle.pbz2", {"meta_archs": names})
    for index, entry in content.items():
        packed(tmp_path / f"{int(index):06d}.pickle.pbz2", official(entry, int(index)))
    same(load_table(tmp_path), load_table(RECORDS))


def packed(path: Path, content: Any) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))


@needs_records
@pytest.mark.parametrize("form", ["one.pickle.pbz2", "one.pth"])
def test_single_files_hold_the_same(tmp_path: Path, form: str) -> None:
    content = {int(index): entry for index, entry in list(records().items())[:1]}
    infos = {index: official(entry, index) for index, entry in content.items()}
    if form.endswith("pth"):  # NAS-Bench-201 calls its schedules by other names
        infos = {i: {"less": s["12"], "full": s["200"]} for i, s in infos.items()}
        for run in infos[0]["full"]["all_results"].values():
            run["eval_losses"] = {}
        for run in infos[0]["less"]["all_results"].values():
            run["eval_losses"] = {}
    whole = {"meta_archs": [], "arch2infos": infos, "evaluated_indexes": list(infos)}
    path = tmp_path / form
    torch.save(whole, path) if form.endswith("pth") else packed(path, whole)
    table, expected = load_table(path), load_table(RECORDS)
    assert len(table) == 1
    for name in ("cifar10-valid_x-valid_12", "cifar10_ori-test_200", "seconds_cifar10_12@3"):
        assert table.column(name)[0] == pytest.approx(expected.column(name)[0])


@needs_records
@needs_table
def test_the_records_agree_with_the_table_of_means() -> None:
    means, table = load_table(TABLE), load_table(RECORDS)
    for row, architecture in enumerate(table.architectures):
        for own, theirs in {
            "cifar10-valid_x-valid_12": "cifar10_valid_valid_12",
            "cifar10_ori-test_12": "cifar10_test_12",
            "cifar10_ori-test_200": "cifar10_test_200",
            "params_m_cifar10": "params_m_cifar10",
            "flops_m_cifar10": "flops_m_cifar10",
        }.items():
            assert table.column(own)[row] == pytest.approx(means.value(architecture, theirs), 1e-5)


@needs_records
def test_epochs_are_fidelities_and_seconds_grow_with_them() -> None:
    table = load_table(RECORDS)
    steps = table.steps("cifar10-valid_x-valid_12")
    assert [share for share, _ in steps] == pytest.approx([e / 12 for e in range(1, 13)])
    seconds = [table.column(name)[0] for _, name in table.steps("seconds_cifar10-valid_12")]
    # 7.22 s an epoch, and one look of 2.55 s at the validation data
    assert seconds[0] == pytest.approx(7.221093 + 2.548979, rel=1e-5)
    assert seconds[-1] == pytest.approx(12 * 7.221093 + 2.548979, rel=1e-5)


@needs_table
def test_the_published_optimum() -> None:
    table = load_table(TABLE)
    assert table.complete
    best = int(table.column("cifar10_test_200").argmax())
    assert table.column("cifar10_test_200")[best] == pytest.approx(94.37, abs=0.005)
    assert np.isfinite(table.column("zc_cifar10[synflow]")).sum() > 700
    assert table.column("latency_ms[1080ti_1]")[0] == pytest.approx(10.754371, rel=1e-6)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code that a table must not run",)


def test_a_pickle_that_could_run_code_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed(tmp_path / "000000.pickle.pbz2", {"12": Evil()})
    with pytest.raises(DataError, match="could run code"):
        load_table(tmp_path)
    assert capsys.readouterr().out == ""


def test_damaged_and_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="A folder of NATS-Bench holds meta"):
        load_table(tmp_path)
    packed(tmp_path / "000000.pickle.pbz2", {"12": {"arch_str": "x"}})
    with pytest.raises(DataError, match="does not hold records as NATS-Bench writes them"):
        load_table(tmp_path)
    whole = (tmp_path / "000000.pickle.pbz2").read_bytes()
    (tmp_path / "000000.pickle.pbz2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        load_table(tmp_path)
    torch.save({"weights": 1}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="arch2infos"):
        load_table(tmp_path / "other.pth")
