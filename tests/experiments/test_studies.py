"""The studies: their tables are those of their figures, their figures those of their sweep."""

import csv
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from labkeras.experiment.config.composition import compose
from labkeras.experiment.reports.estimates import Estimate
from labkeras.experiment.sweeps.ledger import LedgerWriter

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.py"))


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, importable as the studies import it."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    monkeypatch.delitem(sys.modules, "studies", raising=False)
    return importlib.import_module("studies")


def test_there_are_the_three() -> None:
    assert STUDIES == ["memory", "optimizers", "regularization"]


@pytest.mark.parametrize("name", STUDIES)
def test_the_tables_of_the_readme_are_those_of_the_figures(name: str, studies: Any) -> None:
    text = (EXPERIMENTS / name / "README.md").read_text(encoding="utf-8")
    tables = studies.study_of(name).tables(studies.read_runs(EXPERIMENTS / name))
    assert [found.group().rstrip("\n") for found in studies._TABLE.finditer(text)] == tables


@pytest.mark.parametrize("name", STUDIES)
def test_the_figures_are_of_every_point_of_the_preset_once(name: str, studies: Any) -> None:
    params = compose([f"experiment={name}"]).sweeper.params
    runs = studies.read_runs(EXPERIMENTS / name)
    points = [tuple(run[key] for key in params) for run in runs]
    expected = 1
    for values in params.values():
        expected *= len(values)
    assert len(points) == len(set(points)) == expected
    for key, values in params.items():
        assert {run[key] for run in runs} == {studies._text(value) for value in values}


@pytest.mark.parametrize("name", STUDIES)
def test_the_readme_names_the_command_that_made_its_figures(name: str, studies: Any) -> None:
    text = (EXPERIMENTS / name / "README.md").read_text(encoding="utf-8")
    assert f"python experiments/studies.py {name}\n" in text
    assert f"`labkeras {' '.join(studies.command(name))}`" in text


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    """Of a sweep over a rate and two seeds, one run of which failed."""
    writer = LedgerWriter.create(tmp_path, {"name": "some", "objectives": [{"monitor": "test_loss", "mode": "min"}]})
    points = [(rate, seed) for rate in (0.5, 0.001) for seed in (1, 2)]
    for number, (rate, seed) in enumerate(points):
        writer.trial({"rate": rate, "seed": seed}, [f"rate={rate}", f"seed={seed}"])
        writer.attempt(number)
        result = {"test_loss": rate + seed / 3, "best": {"val_loss": 0.125}, "last": {"val_loss": 0.25}}
        folder = writer.ledger.trials[number].directory
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
        (folder / "metrics.jsonl").write_text(
            '{"epoch": 1, "loss": 4.0}\n{"epoch": 2, "loss": 3.0}\n', encoding="utf-8"
        )
        writer.end(number, "failed" if number == 3 else "done", metrics={"val_loss": 0.125}, seconds=2.345)
    writer.close()
    return writer.ledger


def test_a_ledger_becomes_lines_and_tables(ledger: Any, studies: Any, tmp_path: Path) -> None:
    def tables(runs: list[dict[str, str]]) -> list[str]:
        by_rate = studies.groups(runs, "rate")
        return [studies.markdown(["rate", "done"], [[rate, str(len(some))] for (rate,), some in by_rate.items()])] * 2

    readme = "# Some\n\n| to be |\n| --- |\n| replaced |\n\nbetween\n\n| too |\nend\n"
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    study: Any = SimpleNamespace(COLUMNS=["val_loss", "test_loss", "fell"], tables=tables)
    study.measured = lambda epochs: {"fell": epochs[0]["loss"] - epochs[-1]["loss"]}
    studies.write(tmp_path, study, ledger)
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert lines == [
        ["rate", "seed", "state", "val_loss", "test_loss", "fell", "seconds"],
        ["0.5", "1", "done", "0.25", "0.833333", "1", "2.3"],
        ["0.5", "2", "done", "0.25", "1.16667", "1", "2.3"],
        ["0.001", "1", "done", "0.25", "0.334333", "1", "2.3"],
        ["0.001", "2", "failed", "", "", "", "2.3"],
    ]
    table = "| rate | done |\n| --- | --- |\n| 0.5 | 2 |\n| 0.001 | 2 |\n"
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text == f"# Some\n\n{table}\nbetween\n\n{table}end\n"
    studies.write(tmp_path, study)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text
    assert studies.numbers(studies.read_runs(tmp_path), "test_loss") == [0.833333, 1.16667, 0.334333]


def test_differences_are_averaged_within_each_seed(studies: Any) -> None:
    runs = [
        {"seed": seed, "part": part, "other": other, "state": "done", "score": str(score)}
        for (seed, part, other), score in {
            ("1", "0", "a"): 1.0,
            ("1", "1", "a"): 2.0,
            ("1", "0", "b"): 5.0,
            ("1", "1", "b"): 8.0,
            ("2", "0", "a"): 100.0,
            ("2", "1", "a"): 104.0,
            ("2", "0", "b"): 0.0,
            ("2", "1", "b"): 4.0,
        }.items()
    ]
    runs.append({"seed": "3", "part": "0", "other": "a", "state": "failed", "score": ""})
    runs.append({"seed": "3", "part": "1", "other": "a", "state": "done", "score": "50.0"})
    found = studies.within_seeds(runs, "part", "0", "1", "score")
    assert (found.mean, found.count) == (3.0, 2)  # 2 of the first seed, 4 of the second
    assert found.deviation == pytest.approx(2**0.5)


def test_a_part_helps_only_where_its_interval_leaves_zero_out(studies: Any) -> None:
    study = studies.study_of("regularization")
    verdicts = {
        (0.2, 0.1, 1): "helps",
        (0.2, 0.1, -1): "harms",
        (-0.2, 0.1, 1): "harms",
        (0.1, 0.2, 1): "no difference seen",
        (0.2, None, 1): "no difference seen",
    }
    for (mean, half, better), word in verdicts.items():
        assert study._verdict(Estimate(mean, half, None, 5), better) == word


def test_rates_are_forgiven_without_a_gap_around_the_best(studies: Any) -> None:
    scores = {"0.001": 0.97, "0.003": 0.9, "0.01": 0.975, "0.03": 0.98, "0.1": 0.972, "0.3": 0.969, "1": 0.979}
    runs = [
        {"optimizer.learning_rate": rate, "state": "failed" if rate == "1" else "done", "test_accuracy": str(score)}
        for rate, score in scores.items()
    ]
    forgiven = studies.study_of("optimizers")._forgiven
    assert forgiven(runs, 0.01) == ["0.01", "0.03", "0.1"]
    assert forgiven(runs, 0.02) == ["0.01", "0.03", "0.1", "0.3"]


def test_the_epoch_counts_after_which_the_error_was_low_first(studies: Any) -> None:
    measured = studies.study_of("memory").measured
    rows = [{"epoch": 1, "val_loss": 0.16}, {"epoch": 2, "val_loss": 0.01}, {"epoch": 3, "val_loss": 0.02}]
    assert measured(rows) == {"learned_in": 2}
    assert measured(rows[:1]) == {"learned_in": "never"}
