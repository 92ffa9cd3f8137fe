"""What a real TensorBoard server has to show of a real sweep, tab by tab."""

from pathlib import Path

import pytest

from labkeras.experiment.boards.seen import Seen, seen_by
from labkeras.experiment.boards.server import serving
from labkeras.experiment.boards.views import viewed

pytestmark = pytest.mark.slow

TRAINED = {"0000", "0001"}


@pytest.fixture(scope="module")
def seen(sweep_folder: Path) -> Seen:
    with viewed([str(sweep_folder)]) as view, serving(view.folder, port=0, once=True) as address:
        return seen_by(address)


def test_each_part_of_a_trial_is_a_run(seen: Seen) -> None:
    for trial in TRAINED:
        assert {f"{trial}/tb", *(f"{trial}/tb/{part}" for part in ("train", "validation", "test"))} <= set(seen.runs)
    assert "tb" in seen.runs  # the columns


def test_scalars_have_curves_results_and_diagnostics(seen: Seen) -> None:
    wanted = {"epoch_loss", "epoch_accuracy", "epoch_learning_rate", "test_accuracy", "val_accuracy", "epochs"}
    assert wanted <= set(seen.tab("scalars").items)


def test_custom_scalars_have_a_chart_for_each_metric(seen: Seen) -> None:
    assert {"Loss and metrics: accuracy", "Loss and metrics: loss"} <= set(seen.tab("custom_scalars").items)


def test_images_have_filters_a_confusion_matrix_and_mistakes(seen: Seen) -> None:
    assert {"filters/conv1", "confusion_matrix", "misclassified"} <= set(seen.tab("images").items)


def test_graphs_have_the_layers_in_both_forms(seen: Seen) -> None:
    tab = seen.tab("graphs")
    assert tab.runs >= len(TRAINED)
    assert set(tab.items) == {"graph", "keras"}
    assert tab.about == "of 10 layers"


@pytest.mark.parametrize("name", ["histograms", "distributions"])
def test_distributions_are_of_weights_gradients_and_activations(seen: Seen, name: str) -> None:
    items = seen.tab(name).items
    assert {item.partition("/")[0] for item in items} >= {"weights", "gradients", "activations"}


def test_hparams_are_one_experiment_with_a_session_for_each_trial_and_how_it_ended(seen: Seen) -> None:
    tab = seen.tab("hparams")
    assert tab.items == ["optimizer.learning_rate", "val_accuracy", "test_accuracy", "test_loss", "epochs"]
    assert seen.sessions == {"success": 2, "failure": 1}
    assert tab.about == "1 parameters, 4 metrics; sessions: 1 failure, 2 success"


def test_pr_curves_are_of_each_class(seen: Seen) -> None:
    assert seen.tab("pr_curves").items == [f"class/{digit}" for digit in range(10)]


def test_text_has_command_config_and_summary(seen: Seen) -> None:
    assert set(seen.tab("text").items) >= {"command", "config", "summary"}


def test_the_projector_has_samples(seen: Seen) -> None:
    assert seen.tab("projector").about == "300×64"
    assert seen.tab("projector").runs == len(TRAINED)


@pytest.mark.parametrize("name", ["mesh", "audio"])
def test_what_nobody_writes_is_not_there(seen: Seen, name: str) -> None:
    assert (seen.tab(name).runs, seen.tab(name).items) == (0, [])


def test_runs_that_are_named_one_by_one_have_columns_for_what_differs(sweep_folder: Path) -> None:
    trials = [str(sweep_folder / number) for number in ("0000", "0001")]
    with viewed(trials) as view, serving(view.folder, port=0, once=True) as address:
        found = seen_by(address)
    assert "0000/tb/train" in found.runs
    assert found.tab("hparams").runs == len(trials)
    assert found.tab("hparams").items[0] == "optimizer.learning_rate"
    assert not view.folder.exists()
