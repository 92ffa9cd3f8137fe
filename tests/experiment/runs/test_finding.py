"""`labkeras find`: what it suggests is sound, and what it cannot do is said."""

import csv
import json
import random
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from labkeras.cli.main import main
from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment import compose
from labkeras.experiment.config.validation import checked
from labkeras.experiment.runs.finding import _steepest, find_batch_size, find_learning_rate

MODEL = ["experiment=digits_mlp", "trainer=cpu"]


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-6, 10, 200)
    losses = 2.3 - 2 / (1 + np.exp(-3 * (np.log10(rates) + 2.5)))  # falls fastest at 10^-2.5
    assert _steepest(list(rates), list(losses)) == pytest.approx(10**-2.5, rel=0.1)
    assert _steepest(list(rates), list(np.linspace(1, 2, 200))) is None
    assert _steepest([0.1, 0.2], [1.0, 0.5]) is None


def test_a_range_test_rises_by_a_constant_factor_until_the_loss_explodes() -> None:
    config = checked(compose([*MODEL, "optimizer=sgd"]))
    found = find_learning_rate(config, low=1e-5, high=1e5, steps=120)
    factors = np.asarray(found.rates[1:]) / np.asarray(found.rates[:-1])
    assert factors == pytest.approx(1e10 ** (1 / 119))
    assert len(found.rates) < 120  # over before the end, for it exploded
    assert found.suggestion is not None
    assert 1e-3 < found.suggestion < 1e2


def test_a_suggested_learning_rate_trains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "lr", *MODEL, "out=found", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    with open("found/learning_rates.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == found["losses"]
    quick = ["fit.epochs=2", "fit.verbose=0", "callbacks=none", "logger=none", "run_dir=run"]
    assert main([*MODEL, *quick, f"optimizer.learning_rate={found['suggestion']}"]) == 0
    assert json.loads(Path("run/result.json").read_text())["test_accuracy"] > 0.8


def test_a_schedule_gives_way_to_the_rates_that_are_tried() -> None:
    schedule = "optimizer.learning_rate={schedule: cosine_decay, initial_learning_rate: 0.1, decay_steps: 10}"
    found = find_learning_rate(checked(compose([*MODEL, schedule])), steps=30)
    assert found.rates[0] == 1e-6


@pytest.mark.slow
def test_batch_sizes_double_up_to_the_largest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "batch", *MODEL, "low=16", "high=100", "out=found"]) == 0
    text = capsys.readouterr().out
    assert "fit.batch_size=" in text
    with open("found/batch_sizes.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["batch_size"]) for row in rows] == [16, 32, 64]
    assert all(float(row["samples_per_second"]) > 0 for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lr", *MODEL, "low=x"], "low=x: expected a number"),
        (["batch", *MODEL, "high=1.5"], "high=1.5: expected an integer"),
        (["batch", *MODEL, "steps=3"], "is of `find lr`"),
        (["lr", *MODEL, "low=1", "high=0.1"], "expected 0 < low < high"),
        (["lr", *MODEL, "steps=3"], "at least 20 steps"),
        (["lr", "experiment=digits_mpl"], "Did you mean 'digits_mlp'"),
        (["lr", "run=nowhere"], "there is no such run"),
    ],
)
def test_what_cannot_be_found_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="low=0"):
        find_learning_rate(checked(compose(MODEL)), low=0)


def test_a_test_leaves_random_generators_where_they_were() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)
    find_learning_rate(checked(compose(MODEL)), steps=20)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    np.testing.assert_equal(np.random.get_state(legacy=False), before[2])


def test_the_rate_that_is_suggested_is_below_the_one_with_the_lowest_loss() -> None:
    found = find_learning_rate(checked(compose(MODEL)))
    assert found.suggestion is not None
    assert found.suggestion < found.rates[int(np.argmin(found.losses))]
    assert found.losses[-1] > 2 * min(found.losses)  # it went on until training failed


def test_losses_that_do_not_change_are_as_they_are() -> None:
    """With rates that change nothing, each loss is that of its batch alone, and not of the epoch so far."""
    still = checked(compose([*MODEL, "model.layers.drop.rate=0", "fit.batch_size=1437", "fit.shuffle=false"]))
    found = find_learning_rate(still, low=1e-12, high=1e-11, steps=20)
    np.testing.assert_allclose(found.losses, found.losses[0], rtol=1e-5)


def test_what_batches_differ_by_is_no_fall() -> None:
    assert find_learning_rate(checked(compose(MODEL)), low=1e-12, high=1e-11).suggestion is None


def test_a_loss_that_is_not_finite_at_once_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "lr", *MODEL, "model.layers.h1.kernel_initializer={initializer: constant, value: 1e38}"]) == 1
    assert "the loss never fell" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["lr", pytest.param("batch", marks=pytest.mark.slow)])
def test_there_is_a_picture_beside_the_table(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    limits = ["low=64", "high=128"] if what == "batch" else ["steps=30"]
    main(["find", what, *MODEL, *limits, "out=found"])
    (picture,) = Path("found").glob("*.svg")
    assert ElementTree.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert picture.with_suffix(".csv").exists()


@pytest.mark.slow
def test_what_the_other_process_refuses_comes_back_whole() -> None:
    config = checked(compose(MODEL))
    config["data"] = {"dataset": "nowhere"}
    with pytest.raises(LabkerasError, match="no dataset is named 'nowhere'"):
        find_batch_size(config, high=8)


def test_a_folder_that_cannot_be_written_to_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "lr", *MODEL, "steps=20", "out=/proc/nowhere"]) == 2
    assert "nothing can be written there" in capsys.readouterr().err
