import re
from typing import Any

import keras
import pytest
import torch

import labkeras
from labkeras.callbacks import progress
from labkeras.callbacks.progbar import Progbar
from labkeras.errors import InvalidArgumentError


class Clock:
    """A clock that goes on by what it is told."""

    now = 100.0

    def perf_counter(self) -> float:
        return self.now

    time = perf_counter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    monkeypatch.setattr(keras.src.utils.progbar, "time", made)
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: True)


def drawings(text: str) -> list[str]:
    """The states of the line, in the order in which they were drawn, without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\b", "")
    return [part.rstrip() for part in re.split("[\r\n]", plain) if part.strip()]


def numbers(text: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf"{name}: (\S+)", text)]


VALUES = [
    [("loss", 0.5), ("tiny", 1e-5), ("accuracy", 0.25)],
    [("loss", 0.25), ("tiny", 3e-5), ("late", 2.0)],
    [("loss", 1.0), ("accuracy", 0.75), ("late", 4.0)],
    [("loss", 0.125), ("tiny", 2e-5)],
]


@pytest.mark.parametrize("jump", [1, 3])
@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize(
    "names",
    [
        {},
        {"stateful_metrics": ["loss"]},
        {"stateless_metrics": ["loss", "late"]},
        {"stateless_metrics": []},
        {"width": 7, "unit_name": "sample", "interval": 0.3},
    ],
)
@pytest.mark.usefixtures("terminal")
def test_every_line_is_keras(
    names: dict[str, Any], verbose: int, jump: int, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = []
    for made in (labkeras.utils.Progbar, keras.utils.Progbar):
        bar = made(4 * jump, verbose=verbose, **names)
        for values in VALUES:
            clock.now += 0.2
            bar.add(jump, values)
        drawn.append(drawings(capsys.readouterr().out))
    # Ours does not draw the first step any later than Keras, whose first time is counted from 1970.
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == {0: 0, 1: 4 if "interval" not in names else 3, 2: 1}[verbose]


@pytest.mark.usefixtures("terminal")
def test_unknown_target_is_counted_until_it_is_known_as_in_keras(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = []
    for made in (Progbar, keras.utils.Progbar):
        bar = made(None)
        for step in (1, 2, 3):
            clock.now += 1
            bar.update(step, [("loss", step)])
        bar.target = 3
        bar.update(3, [("loss", 9.0)], finalize=True)
        drawn.append(drawings(capsys.readouterr().out))
    assert drawn[0] == drawn[1]
    assert drawn[0][1:] == [
        "      2/Unknown 2s 1s/step - loss: 1.5000",
        "      3/Unknown 3s 1s/step - loss: 2.0000",
        "3/3 ━━━━━━━━━━━━━━━━━━━━ 3s 1s/step - loss: 9.0000",
    ]


@pytest.mark.usefixtures("terminal")
def test_line_may_be_ended_before_the_target(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = []
    for made in (Progbar, keras.utils.Progbar):
        bar = made(10)
        clock.now += 1
        bar.update(4, [("loss", 0.5)], finalize=True)
        drawn.append(capsys.readouterr().out.endswith("\n"))
    assert drawn == [True, True]


def test_pipe_gets_the_complete_line_alone(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progbar(3)
    for loss in (0.5, 0.25, 0.125):
        bar.add(1, [("loss", loss)])
    assert capsys.readouterr().out == f"3/3 {'━' * 20} 0s 0s/step - loss: 0.1250\n"


@pytest.mark.usefixtures("terminal")
def test_tensors_are_averaged_and_looked_at_when_drawn(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    class Seen(torch.Tensor):
        looks = 0

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            Seen.looks += func.__name__ in ("__float__", "item", "tolist")
            return super().__torch_function__(func, types, args, kwargs or {})

    bar = Progbar(100)
    for step in range(1, 31):
        bar.update(step, [("loss", torch.tensor(float(step), requires_grad=True).as_subclass(Seen))])
    assert Seen.looks <= 1
    clock.now += 1
    bar.update(31, [("loss", torch.tensor(31.0))])
    assert numbers(capsys.readouterr().out, "loss") == [1.0, 16.0]


def test_silent_bar_leaves_others_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: True)
    outer = Progbar(2)
    outer.update(1, [])
    Progbar(2, verbose=0).update(2, [])
    assert "\r" not in capsys.readouterr().out


def test_negative_values_are_written_alike_with_and_without_a_bar(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for verbose in (1, 2):
        Progbar(1, verbose=verbose).update(1, [("likelihood", -0.5)])
    assert capsys.readouterr().out.count("likelihood: -0.5000\n") == 2


def test_two_lists_of_names_are_refused_as_by_keras() -> None:
    for made in (Progbar, keras.utils.Progbar):
        with pytest.raises(ValueError, match=r"stateful_metrics"):
            made(3, stateful_metrics=["a"], stateless_metrics=["b"])
    with pytest.raises(InvalidArgumentError, match=r"Received: stateful_metrics=\['a'\], stateless_metrics=\['b'\]"):
        Progbar(3, stateful_metrics=["a"], stateless_metrics=["b"])
