from types import SimpleNamespace
from typing import Any

import keras
import pytest
import torch

import labkeras
from labkeras import Input
from labkeras.errors import InvalidArgumentError
from labkeras.layers import Dense, Layer
from labkeras.models import Model, Sequential
from labkeras.models.summary import print_summary
from tests.helpers.model_zoo import ZOO
from tests.helpers.processes import run_python

OURS = SimpleNamespace(Input=Input, Dense=Dense, Sequential=Sequential, Model=Model, Layer=Layer)
THEIRS = SimpleNamespace(
    Input=keras.Input,
    Dense=keras.layers.Dense,
    Sequential=keras.Sequential,
    Model=keras.Model,
    Layer=keras.layers.Layer,
)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    keras.utils.clear_session(free_memory=False)


def lines(model: Any, **options: Any) -> list[str]:
    printed: list[str] = []
    model.summary(print_fn=printed.append, **options)
    return "\n".join(printed).rstrip("\n").split("\n")


def table(model: Any, **options: Any) -> dict[str, list[str]]:
    """Name of a layer → its other columns."""
    options.setdefault("line_length", 160)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines(model, **options) if "│" in line]
    return {row[0]: row[1:] for row in cells}


def sequential(k: Any) -> Any:
    return k.Sequential([k.Input((4,)), k.Dense(300, name="first"), k.Dense(2, name="second")], name="chain")


def unbuilt(k: Any) -> Any:
    return k.Sequential(
        [k.Dense(3, name="first"), k.Dense(2, name="a_name_that_goes_over_two_lines_of_the_table")], name="u"
    )


def functional_chain(k: Any) -> Any:
    x = k.Input((4, 5), name="x")
    return k.Model(x, k.Dense(2, name="second")(k.Dense(3, name="first")(x)), name="net")


def shared(k: Any) -> Any:
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    both = k.Dense(3, name="both")
    inner = k.Sequential([k.Input((3,)), k.Dense(3, name="deep")], name="inner")
    return k.Model([a, b], [inner(both(a)), k.Dense(2, name="out")(both(b))], name="net")


def branching(k: Any) -> Any:
    x = k.Input((4,), name="x")
    y = k.Dense(3, name="y")(x)
    return k.Model(x, [k.Dense(1, name="left")(y), k.Dense(1, name="right")(y)], name="net")


def frozen(k: Any) -> Any:
    model = sequential(k)
    model.layers[0].trainable = False
    return model


def subclassed(k: Any) -> Any:
    class Net(k.Model):  # type: ignore[misc]  # either package's
        def __init__(self) -> None:
            super().__init__(name="net")
            self.first = k.Dense(3, name="first")
            self.second = k.Dense(4, name="second")

        def call(self, inputs: Any) -> Any:
            return self.second(self.first(inputs))

    return Net()


def subclassed_and_called(k: Any) -> Any:
    model = subclassed(k)
    model(torch.ones(2, 5))
    return model


@pytest.mark.parametrize(
    "options",
    [{}, {"show_trainable": True}, {"expand_nested": True, "line_length": 98}, {"positions": [0.2, 0.6, 0.8, 1.0]}],
)
@pytest.mark.parametrize(
    "make",
    [sequential, unbuilt, functional_chain, shared, branching, frozen, subclassed, subclassed_and_called],
)
def test_prints_what_keras_prints(make: Any, options: dict[str, Any]) -> None:
    ours, theirs = make(OURS), make(THEIRS)
    if "positions" in options and make not in (shared, branching):
        options = {"positions": [0.4, 0.7, 1.0]}
    assert lines(ours, **options) == lines(theirs, **options)


# What is not to be compared: ours calls the function of torch's, and a layer's states come in a tuple; Keras's
# subclassed models keep the size of the first batch.
DIFFERENT = {"several", "states", "subclassed_and_called", "subclassed_within"}


@pytest.mark.parametrize("options", [{}, {"show_trainable": True, "expand_nested": True}])
@pytest.mark.parametrize("name", sorted(set(ZOO) - DIFFERENT))
def test_whole_zoo_is_printed_as_by_keras(name: str, options: dict[str, Any]) -> None:
    ours, theirs = ZOO[name](labkeras), ZOO[name](keras)
    assert lines(ours, line_length=98, **options) == lines(theirs, line_length=98, **options)


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_rest_of_the_zoo_has_the_rows_connections_and_totals_of_keras(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ours, theirs = ZOO[name](labkeras), ZOO[name](keras)
    facts = []
    for model in (ours, theirs):
        rows = table(model, expand_nested=True, show_trainable=True)
        facts.append({row.split(" (")[0]: cells[1:] for row, cells in rows.items()})
        facts.append([line for line in lines(model) if "params:" in line])
    assert facts[:2] == facts[2:]


def test_layers_of_a_nested_torch_module_are_listed() -> None:
    inner = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    rows = table(Sequential([Input((4,)), inner], name="net"), expand_nested=True)
    assert [(name.split("(")[1], cells[1]) for name, cells in rows.items()] == [
        ("Sequential)", "15"),
        ("Linear)", "15"),
        ("ReLU)", "0"),
    ]


def test_print_fn_is_called_once_with_the_whole_text_as_by_keras() -> None:
    calls: list[list[tuple[Any, ...]]] = [[], []]
    for model, known in zip((sequential(OURS), sequential(THEIRS)), calls, strict=True):
        model.summary(print_fn=lambda *given, known=known: known.append(given))
    assert calls[0] == calls[1]
    assert len(calls[0]) == 1


def test_terminal_that_is_too_narrow_for_columns_still_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    assert max(map(len, lines(sequential(OURS)))) == 48


def test_pipe_gets_no_escape_codes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    program = "import labkeras as k; k.Sequential([k.Input((4,)), k.layers.Dense(2)], name='m').summary()"
    done = run_python(tmp_path, "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('Model: "m"\n┏━')
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize("make", [sequential, shared])
def test_fits_the_terminal_as_keras_does(make: Any, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert lines(make(OURS)) == lines(make(THEIRS))


@pytest.mark.parametrize("layer_range", [("both", "inner"), ["a", "b"], ("out", "both"), ("b.*", "o")])
def test_layer_range_chooses_what_keras_chooses(layer_range: Any) -> None:
    assert lines(shared(OURS), layer_range=layer_range) == lines(shared(THEIRS), layer_range=layer_range)


def test_optimizer_is_counted_once_it_has_weights() -> None:
    ours, theirs = sequential(OURS), sequential(THEIRS)
    for model in (ours, theirs):
        model.compile("adam", "mse")
        assert not any("Optimizer params" in line for line in lines(model))
        model.train_on_batch(torch.ones(2, 4), torch.ones(2, 2))
    assert lines(ours) == lines(theirs)


def test_torch_modules_and_functions_are_rows() -> None:
    x = Input((4,), name="x")
    y = torch.relu(torch.nn.Linear(4, 3)(x))
    model = Model(x, torch.cat([y, torch.relu(y * 2)], -1))
    assert table(model) == {
        "x (InputLayer)": ["(None, 4)", "0", "-"],
        "linear (Linear)": ["(None, 3)", "15", "x[0][0]"],
        "relu (relu)": ["(None, 3)", "0", "linear[0][0]"],
        "multiply (mul)": ["(None, 3)", "0", "relu[0][0]"],
        "relu_1 (relu)": ["(None, 3)", "0", "multiply[0][0]"],
        "concatenate (cat)": ["(None, 6)", "0", "relu[0][0], relu_1[0][0]"],
    }
    assert [name.split()[0] for name in table(model)] == ["x", "linear", "relu", "multiply", "relu_1", "concatenate"]


def test_chain_with_functions_has_no_connections() -> None:
    x = Input((4,), name="x")
    assert table(Model(x, torch.relu(Dense(3, name="d")(x))))["relu (relu)"] == ["(None, 3)", "0"]


def test_torch_modules_in_a_sequential_model_have_shapes_and_counts() -> None:
    model = Sequential([Input((4,)), torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU()])
    rows = table(model, show_trainable=True)
    assert rows["linear (Linear)"] == ["(None, 3)", "15", "Y"]
    assert rows["re_lu (ReLU)"] == ["(None, 3)", "0", "-"]


def test_lazy_torch_module_is_unbuilt() -> None:
    model = Sequential([torch.nn.LazyLinear(3)])
    assert table(model)["lazy_linear (LazyLinear)"] == ["?", "0 (unbuilt)"]


def test_several_outputs_are_shown_nested() -> None:
    class Two(Layer):
        def call(self, inputs: Any) -> Any:
            return {"first": inputs, "rest": [inputs[:, :1], inputs[:, 1:]]}

    x = Input((4,), name="x")
    outputs = Two(name="two")(x)
    model = Model(x, [outputs["first"], *outputs["rest"]])
    assert table(model)["two (Two)"][0] == "{first: (None, 4), rest: [(None, 1), (None, 3)]}"


def test_layer_that_cannot_tell_its_shape_does_not_spoil_the_table() -> None:
    class Secretive(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

        def compute_output_shape(self, input_shape: Any) -> Any:
            raise RuntimeError

    class Net(Model):
        def __init__(self) -> None:
            super().__init__()
            self.secretive = Secretive(name="secretive")

        def call(self, inputs: Any) -> Any:
            return self.secretive(inputs)

    model = Net()
    model(torch.ones(2, 3))
    assert table(model)["secretive (Secretive)"] == ["?", "0"]


def test_name_with_brackets_is_printed_as_it_is() -> None:
    model = Sequential([Input((2,)), Dense(1, name="[bold]d[red]")], name="[red]m")
    assert lines(model)[0] == 'Model: "[red]m"'
    assert "[bold]d[red] (Dense)" in table(model)


def test_without_print_fn_it_goes_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    model = sequential(OURS)
    expected = lines(model, line_length=120)
    assert print_summary(model, line_length=120) is None
    assert capsys.readouterr().out.splitlines() == expected


def test_positions_may_be_numbers_of_characters() -> None:
    model = sequential(OURS)
    assert lines(model, positions=[40, 70, 90]) == lines(model, positions=[40 / 90, 70 / 90, 1.0], line_length=90)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"line_length": 10}, r"at least 4 characters.*Received: line_length=10"),
        ({"positions": [0.5, 1.0]}, r"has 3 columns.*Received: 2 positions"),
        ({"layer_range": ["first"]}, r"Received: layer_range=\['first'\]"),
        ({"layer_range": ["first", "third"]}, r"layers of the model: first, second.*'third'"),
        ({"layer_range": [0, 1]}, r"Received: layer_range=\[0, 1\]"),
        ({"layer_range": ["(", "second"]}, r"regular expressions: missing \).*Received: layer_range=\['\('"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        sequential(OURS).summary(**options)


def test_memory_has_the_unit_that_suits_it() -> None:
    model = Sequential([Input((1000,)), Dense(1000, use_bias=False)])
    assert " Total params: 1,000,000 (3.81 MB)" in lines(model)
