"""What is known of a name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkeras.errors import AmbiguousComponentError, UnknownComponentError
from labkeras.experiment.config.about import Component, Group, Option, about, comment_of, words_for
from labkeras.losses import Loss
from labkeras.registry import losses


@pytest.fixture
def plugins() -> Iterator[None]:
    """Two plugins with a loss of the same name."""

    class Focal(Loss):
        """Looks at the hard ones."""

        def __init__(self, gamma: float = 2.0, marker: object = object) -> None:
            super().__init__()

    entries = [losses.add("focal", Focal, "one-plugin"), losses.add("focal", Focal, "other-plugin")]
    yield
    for entry in entries:
        losses.discard(entry)


@pytest.mark.parametrize(
    "reference", ["optimizer/adam", "optimizers/adam", "optimizer/Adam", "adam", "Adam", "optimizer/labkeras/adam"]
)
def test_a_component_is_found_by_kind_and_name_or_by_name_alone(reference: str) -> None:
    found = about(reference)
    assert isinstance(found, Component)
    assert (found.kind, found.address) == ("optimizer", "labkeras.optimizers:Adam")


@pytest.mark.parametrize(("group", "kind"), [("callbacks", "callback"), ("metrics", "metric"), ("data", "dataset")])
def test_a_group_s_name_stands_for_its_kind(group: str, kind: str) -> None:
    name = {"callbacks": "early_stopping", "metrics": "auc", "data": "digits"}[group]
    found = about(f"{group}/{name}")
    assert isinstance(found, Component)
    assert found.kind == kind


def test_an_option_that_is_a_file_is_found(tmp_path: Path) -> None:
    found = about("trainer/cpu")
    assert isinstance(found, Option)
    assert found.summary.startswith("The processor")
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "adam.yaml").write_text("optimizer: sgd\n")
    assert isinstance(about("optimizer/adam", str(tmp_path)), Option)  # what Hydra would take


def test_a_group_lists_files_and_components() -> None:
    found = about("callbacks")
    assert isinstance(found, Group)
    assert {"best_model", "early_stopping"} <= set(found.options)
    assert found.options["best_model"].startswith("Keeps the model of the best epoch")


@pytest.mark.usefixtures("plugins")
def test_a_plugin_s_component_is_found_by_its_qualified_name() -> None:
    for reference in ("loss/one-plugin/focal", "one-plugin/focal"):
        found = about(reference)
        assert isinstance(found, Component)
        assert (found.provider, found.name, found.summary) == (
            "one-plugin",
            "one-plugin/focal",
            "Looks at the hard ones.",
        )
        assert found.example[0] == "loss=one-plugin/focal"
        assert found.node == "{loss: one-plugin/focal}"
        assert found.arguments[1].default == "<class 'object'>"
    with pytest.raises(AmbiguousComponentError, match="'loss/one-plugin/focal' or 'loss/other-plugin/focal'"):
        about("focal")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("layer/dens", r"no layer is named 'dens'\. Did you mean 'dense'"),
        ("callbacks/best_modle", r"the group 'callbacks' has no option 'best_modle'\. Did you mean 'best_model'"),
        ("trainer/nothing_like_it", r"has no option 'nothing_like_it'\. Options: auto, cpu"),
        ("optimiser/adam", r"nothing is named 'optimiser/adam'\. Did you mean 'optimizer/adam'"),
        ("digits_mpl", r"Did you mean 'experiment/digits_mlp'"),
        ("", r"nothing is named ''"),
        ("zzzzzz", r"nothing is named 'zzzzzz'\. `labkeras list`"),
    ],
)
def test_an_unknown_name_raises_with_the_nearest(reference: str, words: str) -> None:
    with pytest.raises(UnknownComponentError, match=words):
        about(reference)


def test_all_names_are_listed_in_full() -> None:
    words = words_for()
    assert {"optimizer/adam", "layer/dense", "experiment/digits_mlp", "trainer/cpu"} <= set(words)
    assert len(words) == len(set(words))


def test_the_comment_at_the_top_of_a_file_is_its_summary() -> None:
    assert comment_of("# @package _global_\n# One line.\n#   and more\na: 1\n# not this\n") == "One line.\nand more"
    assert comment_of("a: 1") == ""
