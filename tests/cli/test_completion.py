"""Tab completion, as a shell asks for it."""

import pytest

from labkeras.cli.main import main


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert main(["-sc", "query=bash"]) == 0
    return set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("labkeras ", {"train", "list", "plugin", "optimizer=", "model."}),
        ("labkeras tr", {"train", "trainer=", "trainer."}),
        ("labkeras train optimizer=a", {"optimizer=adam", "optimizer=adamw"}),
        ("labkeras optimizer=a", {"optimizer=adam", "optimizer=adamw"}),
        ("labkeras train experiment=", {"experiment=digits_cnn", "experiment=digits_mlp"}),
        ("labkeras train model=cnn model.layers.conv1.ker", {"model.layers.conv1.kernel_size="}),
        ("labkeras train loss=mse loss.red", {"loss.reduction="}),
        ("labkeras train model.layers.h1.", {"model.layers.h1.units=", "model.layers.h1.kernel_initializer="}),
        ("labkeras in", {"info"}),
        ("labkeras list ", {"layers", "optimizers", "datasets"}),
        ("labkeras list opt", {"optimizers"}),
        ("labkeras list --", {"--json", "--help"}),
        ("labkeras info ", {"optimizer/", "experiment/", "trainer/"}),
        ("labkeras info optimizer/ad", {"optimizer/adam", "optimizer/adamw"}),
        ("labkeras info experiment/", {"experiment/digits_mlp"}),
        ("labkeras info digits_", {"digits_mlp", "digits_cnn"}),
        ("labkeras info --j", {"--json"}),
        ("labkeras plugin ", {"list"}),
        ("labkeras sweep ", {"status", "resume"}),
        ("labkeras validate optimizer=ad", {"optimizer=adam", "optimizer=adamw"}),
    ],
)
def test_verbs_groups_options_and_keys_are_completed(
    line: str, wanted: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wanted <= completed(line, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("labkeras train model.layers.h1.use_bias=", {"true", "false"}),
        ("labkeras train model.layers.h1.use_bias=f", {"false"}),
        ("labkeras train model.layers.h1.layer=ein", {"einsum_dense"}),
        ("labkeras model.layers.h1.activation=rel", {"relu", "relu6"}),
        ("labkeras train model.layers.h1.kernel_initializer=he_", {"he_normal", "he_uniform"}),
        ("labkeras train callbacks=early_stopping callbacks.early_stopping.mode=m", {"max", "min"}),
        ("labkeras train trainer.precision=bf16-", {"bf16-mixed", "bf16-true"}),
        ("labkeras train no_such_key=3 fit.shuffle=t", {"true"}),
        ("labkeras train +layer@model.layers.more=ein", {"einsum_dense"}),
        ("labkeras train seed=3 model.layers.h9.use_bias=", set()),
    ],
)
def test_values_are_completed_where_there_is_a_list_of_them(
    line: str, values: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = line.split()[-1].partition("=")[0]
    assert completed(line, monkeypatch, capsys) == {f"{key}={value}" for value in values}


@pytest.mark.parametrize("line", ["labkeras list layers ", "labkeras plugin list "])
def test_what_the_shell_knows_better_is_left_to_it(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(line, monkeypatch, capsys) == set()


def test_verbs_are_not_offered_after_a_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not {"train", "list"} & completed("labkeras train ", monkeypatch, capsys)


def test_the_script_for_the_shell_is_hydra_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-sc", "install=bash"]) == 0
    assert "hydra_bash_completion" in capsys.readouterr().out
