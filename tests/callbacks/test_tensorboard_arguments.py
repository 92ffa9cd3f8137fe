"""The arguments of TensorBoard that look at a model while it trains: the profiler, embeddings, the charts."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import labkeras
from labkeras import layers, models
from labkeras.callbacks import TensorBoard
from labkeras.callbacks.board_profile import batches_to_profile
from labkeras.errors import InvalidArgumentError
from tests.helpers.event_files import tensors, texts

WORDS = np.random.default_rng(0).integers(0, 9, size=(24, 5))
Y = np.random.default_rng(1).normal(size=(24, 1)).astype("float32")


def made() -> Any:
    labkeras.utils.set_random_seed(0)
    model = models.Sequential(
        [
            layers.Input((5,), dtype="int32"),
            layers.Embedding(9, 4, name="words"),
            layers.Flatten(name="flat"),
            models.Sequential([layers.Input((20,)), layers.Dense(3, name="deep")], name="inner"),
            layers.Dense(1, name="out"),
        ]
    )
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def fit(folder: Path, epochs: int = 2, **arguments: Any) -> Any:
    """Trains on six batches an epoch, of which four are to train on."""
    model = made()
    callback = TensorBoard(folder, **arguments)
    model.fit(WORDS, Y, epochs=epochs, batch_size=4, validation_split=1 / 3, verbose=0, callbacks=[callback])
    return model


@pytest.mark.parametrize(
    ("profile_batch", "expected"),
    [(0, None), ("0", None), (3, (3, 3)), ("3", (3, 3)), ((2, 5), (2, 5)), ([2, 5], (2, 5)), ("2, 5", (2, 5))],
)
def test_batches_to_profile_are_read(profile_batch: Any, expected: Any) -> None:
    assert batches_to_profile(profile_batch) == expected


@pytest.mark.parametrize(
    "profile_batch", [-1, (5, 2), (0, 2), (1, 2, 3), "a,b", "", "1,2,3", 1.5, None, True, (1.0, 2)]
)
def test_what_is_no_batch_to_profile_is_named(profile_batch: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"`profile_batch` must be the number of a batch.* Received: profile_"
    ):
        TensorBoard(profile_batch=profile_batch)


def test_profile_is_a_trace_and_a_table_of_layers(tmp_path: Path) -> None:
    fit(tmp_path, profile_batch="2,6")
    [trace] = (tmp_path / "train" / "plugins" / "profile").glob("*/*.pt.trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    names = [event.get("name") for event in events if event.get("cat") == "user_annotation"]
    assert names.count("step") == 5  # batches 2 to 6, over the end of an epoch
    assert {"layer words", "layer flat", "layer inner/deep", "layer out"} <= set(names)
    [(step, [header, *rows])] = texts(tmp_path / "train", "profile/layers")
    assert step == 6
    assert header == ["layer", "calls a step", "ms a step", "share"]
    assert {row[0] for row in rows[:-1]} == {"words", "flat", "inner/deep", "out"}
    assert rows[-1][0].startswith("(backward")
    assert sum(float(row[3].removesuffix("%")) for row in rows) == pytest.approx(100, abs=1)


def test_profile_of_a_run_that_ends_before_it_has_what_there_is(tmp_path: Path) -> None:
    model = fit(tmp_path, epochs=1, profile_batch=(3, 100))
    [(step, _)] = texts(tmp_path / "train", "profile/layers")
    assert step == 4
    assert not any(module._forward_hooks for module in model.modules())


def test_profiling_changes_no_weight(tmp_path: Path) -> None:
    plain, profiled = fit(tmp_path / "plain"), fit(tmp_path / "profiled", profile_batch=(2, 4))
    for ours, theirs in zip(plain.get_weights(), profiled.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_profiler_that_runs_already_is_a_warning(tmp_path: Path) -> None:
    from torch.profiler import profile

    with profile(), pytest.warns(UserWarning, match="TensorBoard gets no profile"):
        fit(tmp_path, epochs=1, profile_batch=2)


def test_embeddings_are_written_with_their_labels(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("word\tcount\n" + "".join(f"w{i}\t{i}\n" for i in range(9)))
    model = fit(tmp_path, epochs=3, embeddings_freq=2, embeddings_metadata="words.tsv")
    folder = tmp_path / "train"
    first, last = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    assert (first.tensor_name, last.tensor_name) == ("words:00000", "words:00002")
    vectors = np.loadtxt(folder / last.tensor_path)
    np.testing.assert_allclose(vectors, model.get_layer("words").get_weights()[0], rtol=1e-6)
    assert (folder / last.metadata_path).read_text() == (tmp_path / "words.tsv").read_text()


def test_labels_may_be_given_by_layer_and_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.txt"
    path.write_text("".join(f"w{i}\n" for i in range(9)))
    fit(tmp_path / "logs", embeddings_freq=1, embeddings_metadata={"words": str(path)})
    assert (tmp_path / "logs/train/embeddings/words-00001-labels.tsv").read_text() == path.read_text()


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"word": "words.txt"}, r"Did you mean 'words'\? Its Embedding layers: \['words'\]"),
        ("missing.txt", r"there is none\. Received: embeddings_metadata='missing\.txt'"),
        ("words.txt", r"of which there are 9\. Received: embeddings_metadata with 2 lines, in '.*words\.txt'"),
    ],
)
def test_labels_that_do_not_fit_are_named_before_training(metadata: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    with pytest.raises(InvalidArgumentError, match=said):
        fit(tmp_path, embeddings_freq=1, embeddings_metadata=metadata)


def test_labels_of_no_use_are_not_looked_at(tmp_path: Path) -> None:
    fit(tmp_path, epochs=1, embeddings_metadata="missing.txt")
    assert not (tmp_path / "train" / "projector_config.pbtxt").exists()


def test_training_and_validation_of_a_metric_share_a_chart(tmp_path: Path) -> None:
    fit(tmp_path, epochs=2, write_steps_per_second=True)
    [(step, layout)] = tensors(tmp_path / "train", "custom_scalars__config__")  # once
    assert step == 0
    charts = {
        category.title: {chart.title: list(chart.multiline.tag) for chart in category.chart}
        for category in Layout.FromString(layout.item()).category
    }
    assert charts == {
        "Loss and metrics": {
            "loss": ["^epoch_loss$"],
            "mae": ["^epoch_mae$"],
            "steps_per_second": ["^epoch_steps_per_second$"],
        },
        "Learning rate": {"learning_rate": ["^epoch_learning_rate$"]},
    }
