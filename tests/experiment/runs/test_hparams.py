"""What the HParams tab shows of a run."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from labkeras.experiment import compose
from labkeras.experiment.config.validation import checked
from labkeras.experiment.runs.hparams import HParams, choices


def chosen(*overrides: str) -> dict[str, bool | float | str]:
    overridden = {key: value for key, _, value in (line.partition("=") for line in overrides)}
    return choices(checked(compose(overrides)), overridden)


def test_what_was_chosen_is_shown_and_defaults_are_not() -> None:
    values = chosen("experiment=digits_mlp")
    assert values["seed"] == 0
    assert values["fit.epochs"] == 20
    assert values["optimizer.optimizer"] == "adam"
    assert (
        values["optimizer.learning_rate"] == 0.001
    )  # although it is the default: runs with another one need the column
    assert values["model.layers.h1.units"] == 128
    assert values["model.layers.h1.activation"] == "relu"
    assert values["model.input.shape"] == "[8, 8]"
    assert not {"optimizer.beta_1", "model.layers.h1.use_bias", "monitor", "callbacks"} & set(values)


def test_what_was_overridden_is_shown_even_if_it_is_the_default() -> None:
    values = chosen("experiment=digits_mlp", "optimizer.beta_1=0.9", "trainer.precision=64-true")
    assert values["optimizer.beta_1"] == 0.9
    assert values["trainer.precision"] == "64-true"


def test_a_group_that_was_chosen_has_a_column_of_its_own() -> None:
    values = chosen("experiment=digits_mlp", "optimizer=sgd", "trainer.precision=null")
    assert values["optimizer"] == "sgd"
    assert values["trainer.precision"] == "null"


def test_a_session_has_choices_results_and_an_end(tmp_path: Path) -> None:
    session = HParams(
        tmp_path, "digits/one", {"optimizer.learning_rate": 0.1, "fit.shuffle": True, "model.kind": "cnn"}
    )
    session.close("done", {"test_accuracy": 0.5})
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.value for event in events.Scalars("test_accuracy")] == [0.5]
    found = events.PluginTagToContent(metadata.PLUGIN_NAME)
    start = metadata.parse_session_start_info_plugin_data(found[metadata.SESSION_START_INFO_TAG])
    assert start.group_name == "digits/one"
    assert start.hparams["optimizer.learning_rate"].number_value == 0.1
    assert start.hparams["fit.shuffle"].bool_value is True
    assert start.hparams["model.kind"].string_value == "cnn"
    end = metadata.parse_session_end_info_plugin_data(found[metadata.SESSION_END_INFO_TAG])
    assert end.status == 1  # STATUS_SUCCESS
    assert [path.parent for path in tmp_path.rglob("events.*")] == [tmp_path]  # no stray run below
