"""What a sweep shows while it runs."""

import io
from pathlib import Path

import pytest

from labkeras.experiment.reports.live import Display, sparkline
from labkeras.experiment.sweeps.ledger import LedgerWriter

RATE = "optimizer.learning_rate"


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerWriter:
    return LedgerWriter.create(tmp_path, {"name": "x", "objectives": [{"monitor": "val_accuracy", "mode": "max"}]})


def play(display: Display, ledger: LedgerWriter) -> None:
    """Three trials: one done, one failed, one that runs on."""
    for number in range(3):
        record = ledger.trial({RATE: 0.1 * (number + 1), "name": "[bold]x"}, [])
        ledger.attempt(number)
        display.trial_started(record)
        for epoch in (1, 2, 3):
            display.trial_progress(number, {"epoch": epoch, "val_accuracy": 0.5 + 0.1 * epoch})
        if number < 2:
            failure = {"kind": "error", "error": "ValueError: [/red] \x1b[31mred\nmore"} if number else None
            values = None if number else [0.8]
            ledger.end(number, "failed" if number else "done", values=values, seconds=2.0, failure=failure)
            display.trial_ended(record)
    display.refresh()


def test_in_a_file_there_is_a_line_for_each_trial_that_ended(ledger: LedgerWriter) -> None:
    file = io.StringIO()
    with Display(ledger.ledger, 4, file=file) as display:
        play(display, ledger)
    assert file.getvalue().splitlines() == [
        "[1/4] trial 0 done in 2 s: val_accuracy 0.8  learning_rate=0.1 name=[bold]x",
        "[2/4] trial 1 failed in 2 s: ValueError: [/red] �[31mred  learning_rate=0.2 name=[bold]x",
    ]


def test_keys_that_end_alike_are_told_apart(ledger: LedgerWriter) -> None:
    file = io.StringIO()
    with Display(ledger.ledger, 1, file=file) as display:
        record = ledger.trial({"model.layers.shift.repeat": 0, "model.layers.norm.repeat": 1, "seed": 3}, [])
        ledger.attempt(0)
        ledger.end(0, "done", values=[0.5], seconds=1.0)
        display.trial_ended(record)
    assert file.getvalue().rstrip().endswith("shift.repeat=0 norm.repeat=1 seed=3")


@pytest.mark.parametrize("width", [1, 5, 20, 60, 200])
def test_a_terminal_of_any_width_is_drawn_in(ledger: LedgerWriter, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    file = Terminal()
    display = Display(ledger.ledger, 4, file=file)
    play(display, ledger)
    display.close()
    text = file.getvalue()
    assert text.endswith("\x1b[?25h")  # the cursor is back
    if width == 200:
        for part in (
            "2/4 trials",
            "1 running",
            "1 failed",
            "left",
            "val_accuracy 0.8",
            "epoch 3",
            "▁▄█",
            "name=[bold]x",
        ):
            assert part in text


def test_nothing_is_shown_where_nothing_is_wanted(ledger: LedgerWriter) -> None:
    file = Terminal()
    display = Display(ledger.ledger, 4, mode="none", file=file)
    play(display, ledger)
    display.close()
    display.close()
    assert file.getvalue() == ""


def test_lines_may_be_had_in_a_terminal_too(ledger: LedgerWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    with Display(ledger.ledger, mode="lines", file=file) as display:
        play(display, ledger)
    assert len(file.getvalue().splitlines()) == 2


def test_a_terminal_that_is_gone_does_not_end_the_sweep(ledger: LedgerWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    display = Display(ledger.ledger, 4, file=file)
    file.close()
    play(display, ledger)
    display.close()


def test_it_is_drawn_at_most_ten_times_a_second(ledger: LedgerWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    display = Display(ledger.ledger, 4, file=file)
    display.trial_started(ledger.trial({RATE: 0.1}, []))
    length = len(file.getvalue())
    for epoch in range(200):
        display.trial_progress(0, {"epoch": epoch, "val_accuracy": 0.5})
    assert len(file.getvalue()) < length + 2000
    display.close()


def test_a_sparkline_is_as_long_as_its_place() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.3, 0.3]) == "▁▁"
    assert sparkline([float(n) for n in range(100)], width=8) == "▁▂▃▄▅▆▇█"
