"""What a component may be given, read from its signature."""

from typing import Any, TypedDict, Unpack

from labkeras.experiment.config.schema import REQUIRED, schema_of
from labkeras.layers import Dense
from labkeras.optimizers import Adam


class Options(TypedDict, total=False):
    dtype: str | None
    trainable: bool


class Base:
    """The base.

    Args:
        dtype: of the weights.
        trainable: whether training changes them.
    """

    def __init__(self, *, dtype: str | None = None, trainable: bool = True, secret: int = 3) -> None:
        pass


class Listed(Base):
    """One whose base's arguments are listed.

    Args:
        units: how many,
            as an integer.
        a, b: two that share a line.

    Shapes:
        inputs: (batch,)
    """

    def __init__(self, units: int, a: float = 1.0, b: float = 2.0, **base: Unpack[Options]) -> None:
        pass


class Unlisted(Base):
    """One that passes on whatever comes."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        pass


def test_parameters_come_in_the_order_of_the_signature_with_hints_and_defaults() -> None:
    schema = schema_of(Listed)
    assert list(schema.parameters) == ["units", "a", "b", "dtype", "trainable"]
    assert (schema["units"].hint, schema["units"].default, schema["units"].required) == (int, REQUIRED, True)
    assert (schema["a"].hint, schema["a"].default, schema["a"].required) == (float, 1.0, False)


def test_options_that_are_listed_are_the_only_ones_of_the_base() -> None:
    assert "secret" not in schema_of(Listed)
    assert schema_of(Listed)["trainable"].default is True


def test_keywords_without_a_list_are_all_of_the_base() -> None:
    assert list(schema_of(Unlisted).parameters) == ["units", "dtype", "trainable", "secret"]


def test_summaries_are_those_of_the_docstrings() -> None:
    schema = schema_of(Listed)
    assert schema["units"].summary == "how many, as an integer."
    assert schema["a"].summary == schema["b"].summary == "two that share a line."
    assert schema["dtype"].summary == "of the weights."


def test_a_class_without_its_own_constructor_has_its_base_s() -> None:
    class Same(Base):
        pass

    assert list(schema_of(Same).parameters) == ["dtype", "trainable", "secret"]


def test_a_function_has_its_parameters() -> None:
    def load(path: str, *rest: int, split: float = 0.2, **more: Any) -> None:
        """Loads.

        Args:
            path: where from.
        """

    schema = schema_of(load)
    assert list(schema.parameters) == ["path", "split"]
    assert schema["path"].summary == "where from."


def test_hints_that_only_a_type_checker_can_follow_are_any() -> None:
    def load(path: "Nowhere", split: float = 0.2) -> None:  # type: ignore[name-defined]  # noqa: F821
        pass

    assert schema_of(load)["split"].hint is Any


def test_dense_has_keras_s_arguments_and_those_of_every_layer() -> None:
    schema = schema_of(Dense)
    assert schema["units"].required
    assert schema["kernel_initializer"].default == "glorot_uniform"
    assert schema["trainable"].default is True
    assert "integer" in schema["units"].summary


def test_adam_has_keras_s_arguments() -> None:
    assert schema_of(Adam)["learning_rate"].default == 0.001
