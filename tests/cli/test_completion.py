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
    ],
)
def test_verbs_groups_options_and_keys_are_completed(
    line: str, wanted: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wanted <= completed(line, monkeypatch, capsys)


def test_verbs_are_not_offered_after_a_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not {"train", "list"} & completed("labkeras train ", monkeypatch, capsys)


def test_the_script_for_the_shell_is_hydra_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-sc", "install=bash"]) == 0
    assert "hydra_bash_completion" in capsys.readouterr().out
