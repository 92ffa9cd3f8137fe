import io
import os
import re
import sys
from typing import Any

import keras
import pytest
import torch

from labkeras import callbacks, config, layers, models
from labkeras.callbacks import CallbackList, LambdaCallback, ModelCheckpoint, ProgbarLogger, progress
from labkeras.callbacks.progress import ProgressBar, say
from tests.helpers.fake_model import FakeModel, run_fit
from tests.helpers.processes import ROOT, run_python


class Terminal:
    """What was written to the standard output, which says that it is a terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().out
        return self._text

    def take(self) -> str:
        """What was written since the last time."""
        return str(self._capsys.readouterr().out)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that goes on by what it is told: `clock.now += seconds`."""

    class Clock:
        now = 100.0

        def perf_counter(self) -> float:
            return self.now

        def time(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    monkeypatch.setattr(keras.src.utils.progbar, "time", made)
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    # Not sys.stdout itself: pytest puts its own there when the test begins.
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: True)
    return Terminal(capsys)


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def screen(text: str) -> list[str]:
    """What a terminal shows after `text`: a carriage return goes back to the start of the line."""
    rows = []
    for row in without_colours(text).replace("\b", "").split("\n"):
        shown = ""
        for part in row.split("\r"):
            shown = part + shown[len(part) :]
        rows.append(shown.rstrip())
    return rows


def drawings(text: str) -> list[str]:
    """The states of one line, in the order in which they were drawn."""
    return [part.rstrip() for part in re.split("[\r\n]", without_colours(text)) if part.strip()]


def run_epoch(callbacks: Any, clock: Any, steps: int, seconds: float, logs: dict[str, Any], epoch: int = 0) -> None:
    callbacks.on_epoch_begin(epoch)
    for batch in range(steps):
        callbacks.on_train_batch_begin(batch)
        clock.now += seconds
        callbacks.on_train_batch_end(batch, logs)
    clock.now += seconds
    callbacks.on_epoch_end(epoch, logs | {"val_loss": 0.0005})


@pytest.mark.parametrize("seconds", [0.0001, 0.02, 0.5, 3.0, 200.0, 4000.0])
@pytest.mark.parametrize("steps", [1, 9, 45])
@pytest.mark.parametrize("verbose", [1, 2])
def test_final_lines_in_a_terminal_are_keras(
    verbose: int, steps: int, seconds: float, clock: Any, terminal: Terminal
) -> None:
    logs = {"loss": 0.25, "accuracy": 0.97, "tiny": 2e-5}
    results = []
    for lists in (CallbackList, keras.callbacks.CallbackList):
        callbacks = lists(add_progbar=True, verbose=verbose, epochs=3, steps=steps)
        if lists is not CallbackList:
            callbacks._async_train = False
        for epoch in range(3):
            run_epoch(callbacks, clock, steps, seconds, logs, epoch)
        results.append(screen(terminal.take()))
    assert results[0] == results[1]
    assert results[0][0] == "Epoch 1/3"


def test_lines_while_running_are_keras(clock: Any, terminal: Terminal) -> None:
    results = []
    for lists in (CallbackList, keras.callbacks.CallbackList):
        callbacks = lists(add_progbar=True, verbose=1, epochs=1, steps=9)
        if lists is not CallbackList:
            callbacks._async_train = False
        # Slower than either redraws, so that both draw every step.
        run_epoch(callbacks, clock, 9, 70.0, {"loss": 0.25})
        results.append(drawings(terminal.take().replace("\b", "")))
    assert results[0] == results[1]
    assert results[0][4] == "5/9 ━━━━━━━━━━━━━━━━━━━━ 4:40 70s/step - loss: 0.2500"


def test_redraws_at_most_ten_times_a_second_and_at_the_last_step(clock: Any, terminal: Terminal) -> None:
    bar = ProgressBar(target=1000)
    for step in range(1, 1001):
        clock.now += 0.001
        bar.update(step)
    counts = [line.split("/")[0].strip() for line in drawings(terminal.getvalue())]
    assert counts[0] == "1"
    assert counts[-1] == "1000"
    assert len(counts) == 11


def test_logs_are_looked_at_only_when_drawn(clock: Any, terminal: Terminal) -> None:
    class Untouchable(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("the logs were read")

    callbacks = CallbackList([ProgbarLogger()], verbose=1, epochs=1, steps=100)
    callbacks.on_epoch_begin(0)
    callbacks.on_train_batch_end(0, {"loss": torch.tensor(0.5)})
    for batch in range(1, 50):
        callbacks.on_train_batch_end(batch, Untouchable(loss=1.0))
    assert drawings(terminal.getvalue()) == ["  1/100 ━━━━━━━━━━━━━━━━━━━━ 0s 0s/step - loss: 0.5000"]


def test_line_never_leaves_the_row_while_running(
    clock: Any, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    bar = ProgressBar(target=3)
    logs = {"a_long_name": 0.5, "another_long_name": 0.25}
    bar.update(1, logs)
    running = without_colours(terminal.getvalue())
    bar.finish(3, logs)
    assert len(running) == 39
    assert running.endswith("…")
    assert screen(terminal.getvalue())[0].endswith("- a_long_name: 0.5000 - another_long_name: 0.2500")


def test_shorter_line_covers_the_longer_one_before(clock: Any, terminal: Terminal) -> None:
    bar = ProgressBar(target=3)
    bar.update(1, {"loss": 1e-30, "extra": 1.0})
    bar.finish(3, {"loss": 0.5})
    assert screen(terminal.getvalue()) == ["3/3 ━━━━━━━━━━━━━━━━━━━━ 0s 0s/step - loss: 0.5000", ""]


def test_unknown_number_of_steps_is_learnt_in_the_first_epoch(clock: Any, terminal: Terminal) -> None:
    callbacks = CallbackList(add_progbar=True, verbose=1, epochs=2, steps=None)
    for epoch in range(2):
        run_epoch(callbacks, clock, 3, 1.0, {"loss": 0.5}, epoch)
    lines = drawings(terminal.getvalue())
    assert lines[1] == "      1/Unknown 1s 1s/step - loss: 0.5000".rstrip()
    assert lines[4] == "3/3 ━━━━━━━━━━━━━━━━━━━━ 4s 2s/step - loss: 0.5000 - val_loss: 5.0000e-04"
    assert lines[6] == "1/3 ━━━━━━━━━━━━━━━━━━━━ 2s 1s/step - loss: 0.5000"


def test_epoch_that_was_cut_short_shows_the_steps_it_had(clock: Any, terminal: Terminal) -> None:
    callbacks = CallbackList(add_progbar=True, verbose=1, epochs=1, steps=10)
    run_epoch(callbacks, clock, 4, 1.0, {"loss": 0.5})
    assert screen(terminal.getvalue())[0].startswith(" 4/10 ━━━━━━━━━━━━━━━━━━━━ 5s")


@pytest.mark.parametrize("verbose", [1, 2])
def test_file_gets_one_plain_line_an_epoch(verbose: int, clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = CallbackList(add_progbar=True, verbose=verbose, epochs=2, steps=3)
    for epoch in range(2):
        run_epoch(callbacks, clock, 3, 1.0, {"loss": 0.5}, epoch)
    bar = "━━━━━━━━━━━━━━━━━━━━ 4s 2s/step" if verbose == 1 else "- 4s - 1s/step"
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch {epoch}/2 - 3/3 {bar} - loss: 0.5000 - val_loss: 5.0000e-04" for epoch in (1, 2)
    ]


def test_notebook_is_redrawn_in_place_and_in_full(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "40")
    bar = ProgressBar(target=2)
    bar.update(1, {"a_long_name": 0.5, "another_long_name": 0.25})
    assert "\x1b[" in stream.getvalue()
    bar.finish(2, {"a_long_name": 0.5, "another_long_name": 0.25})
    assert len(drawings(stream.getvalue())) == 2
    assert screen(stream.getvalue())[0].endswith("another_long_name: 0.2500")


@pytest.mark.parametrize(
    ("term", "isatty", "drawn"), [("xterm", True, True), ("dumb", True, False), ("xterm", False, False)]
)
def test_only_terminals_that_can_move_the_cursor_are_redrawn(
    term: str, isatty: bool, drawn: bool, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: isatty)
    monkeypatch.setattr(sys, "stdout", stream)
    ProgressBar(target=2).update(1, {})
    assert bool(stream.getvalue()) == drawn


@pytest.mark.parametrize(("encoding", "line"), [("utf-8", "━" * 10 + "─" * 10), ("ascii", "=" * 10 + "-" * 10)])
def test_without_colours_the_part_that_is_done_can_be_told(
    encoding: str, line: str, clock: Any, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    ProgressBar(target=2).update(1)
    stream.seek(0)
    assert line in without_colours(stream.read())


def test_narrow_terminal_without_the_ellipsis_cuts_the_line(
    clock: Any, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "30")
    ProgressBar(target=3).update(1, {"loss": 0.5})
    stream.seek(0)
    assert len(without_colours(stream.read())) == 29


def test_stream_without_that_character_gets_another(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    ProgressBar(target=2).finish(2, {})
    stream.seek(0)
    assert stream.read() == f"2/2 {'=' * 20} 0s 0s/step\n"


def test_messages_stand_above_the_bar(clock: Any, terminal: Terminal) -> None:
    bar = ProgressBar(target=2, title="Epoch 1/2")
    bar.update(1, {"loss": 0.5})
    say("saved")
    bar.update(2, {"loss": 0.25})
    bar.finish(2, {"loss": 0.125})
    assert screen(terminal.getvalue()) == [
        "Epoch 1/2",
        "saved",
        "2/2 ━━━━━━━━━━━━━━━━━━━━ 0s 0s/step - loss: 0.1250",
        "",
    ]


def test_checkpoint_speaks_above_the_bar(clock: Any, terminal: Terminal, tmp_path: Any) -> None:
    model = FakeModel()
    checkpoint = ModelCheckpoint(tmp_path / "m.keras", verbose=1)
    run_fit(CallbackList([checkpoint], add_progbar=True, model=model, verbose=1, steps=2), model, [{"loss": 0.5}])
    rows = screen(terminal.getvalue())
    assert rows[:2] == [
        f"Epoch 1: saving model to {tmp_path / 'm.keras'}",
        f"Epoch 1: finished saving model to {tmp_path / 'm.keras'}",
    ]
    assert rows[2].startswith("2/2 ━")


def test_new_bar_clears_one_that_was_broken_off(clock: Any, terminal: Terminal) -> None:
    ProgressBar(target=5).update(1, {"loss": 0.5})
    ProgressBar(target=2, title="Epoch 1/2").finish(2, {})
    assert screen(terminal.getvalue()) == ["Epoch 1/2", "2/2 ━━━━━━━━━━━━━━━━━━━━ 0s 0s/step", ""]


def test_values_that_are_no_scalars_are_averaged_as_in_keras(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ProgressBar(target=1).finish(1, {"iou": torch.tensor([0.5, 1.0]), "note": "fine"})
    assert capsys.readouterr().out.endswith("- iou: 0.7500 - note: fine\n")


def test_evaluation_and_prediction_have_a_bar_but_validation_has_none(
    clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    callbacks = CallbackList(add_progbar=True, verbose=1, epochs=1, steps=1)
    callbacks.on_train_begin()
    callbacks.on_test_begin()
    callbacks.on_test_end({"loss": 9.0})
    callbacks.on_train_end()
    callbacks.on_test_begin()
    callbacks.on_test_batch_end(0, {"loss": 0.5})
    callbacks.on_test_end({"loss": 0.5})
    callbacks.on_predict_begin()
    callbacks.on_predict_batch_end(0, {"outputs": torch.ones(2, 2)})
    callbacks.on_predict_end()
    bar = "1/1 ━━━━━━━━━━━━━━━━━━━━ 0s 0s/step"
    assert capsys.readouterr().out.splitlines() == [f"{bar} - loss: 0.5000", bar]


def test_verbose_0_shows_nothing(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = CallbackList([ProgbarLogger()], verbose=0, epochs=2, steps=1)
    run_epoch(callbacks, clock, 1, 1.0, {"loss": 0.5})
    assert capsys.readouterr().out == ""


def test_auto_means_a_bar_or_a_line_without_interactive_logging() -> None:
    def verbosity() -> int:
        logger = ProgbarLogger()
        CallbackList([logger], verbose="auto", epochs=1, steps=1)
        return logger.verbose

    assert verbosity() == 1
    config.disable_interactive_logging()
    try:
        assert verbosity() == 2
    finally:
        config.enable_interactive_logging()


def test_other_processes_of_a_distributed_run_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    logger = ProgbarLogger()
    callbacks = CallbackList([logger, LambdaCallback()], verbose=1, epochs=1, steps=1)
    assert logger.verbose == 0
    assert not callbacks.needs_batch_hooks("train")


def test_pycharm_counts_as_redrawing(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setitem(os.environ, "PYCHARM_HOSTED", "1")
    ProgressBar(target=2).update(1, {})
    assert "1/2" in without_colours(stream.getvalue())


def small_model() -> Any:
    model = models.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class Raises(callbacks.Callback):
    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 1:
            raise self.error

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_train_batch_end(batch)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_train_batch_end(batch)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("trainer", [None, {"accelerator": "cpu"}])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_broken_off_run_leaves_the_cursor_on_a_new_line(
    method: str, trainer: Any, error: type[BaseException], terminal: Terminal
) -> None:
    data = (torch.ones(12, 2),) if method == "predict" else (torch.ones(12, 2), torch.ones(12, 1))
    with pytest.raises(error):
        getattr(small_model(), method)(*data, batch_size=4, verbose=1, callbacks=[Raises(error)], trainer=trainer)
    text = terminal.take()
    assert text.endswith("\n")
    assert screen(text)[0].startswith("1/3 ━")
    # Nothing of the old line is cleared or drawn over.
    ProgressBar(target=2).update(1)
    assert terminal.take().startswith("\x1b[1m1/2")


def test_evaluation_by_a_callback_does_not_break_the_line(terminal: Terminal) -> None:
    class Looks(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.predict(torch.ones(4, 2), verbose=0)

    small_model().fit(torch.ones(12, 2), torch.ones(12, 1), batch_size=4, verbose=1, callbacks=[Looks()])
    rows = screen(terminal.take())
    assert len(rows) == 2
    assert rows[0].startswith("3/3 ━")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Lightning's gloo runs elsewhere")
@pytest.mark.parametrize(
    ("verbose", "line"), [(1, r"5/5 ━{20} \d+s \d+.?s/step"), (2, r"5/5 - \d+s - \d+.?s/step"), (0, None)]
)
def test_two_processes_write_one_line_an_epoch(verbose: int, line: str | None, tmp_path: Any) -> None:
    (tmp_path / "run.py").write_text(
        f"""if __name__ == "__main__":
    import torch
    from labkeras import layers, models
    model = models.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    trainer = {{"accelerator": "cpu", "devices": 2, "strategy": "ddp_fork"}}
    x, y = torch.ones(40, 2), torch.ones(40, 1)
    model.fit(x, y, 4, epochs=2, verbose={verbose}, validation_data=(x, y), trainer=trainer)
    model.evaluate(x, y, 4, verbose={verbose}, trainer=trainer)
    model.predict(x, 4, verbose={verbose}, trainer=trainer)
"""
    )
    done = run_python(tmp_path, "run.py")
    assert done.returncode == 0, done.stderr
    wanted = []
    if line is not None:
        fitted = rf"{line} - loss: \S+ - val_loss: \S+"
        wanted = [f"Epoch 1/2 - {fitted}", f"Epoch 2/2 - {fitted}", rf"{line} - loss: \S+", line]
    rows = done.stdout.splitlines()
    assert len(rows) == len(wanted), done.stdout
    assert all(re.fullmatch(pattern, row) for pattern, row in zip(wanted, rows, strict=True)), rows


@pytest.mark.slow
def test_real_notebook_shows_each_epoch_on_one_line_and_the_model_as_a_table(tmp_path: Any) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    cells = [
        "import torch; from labkeras import layers, models, utils",
        "model = models.Sequential([layers.Input((2,)), layers.Dense(1)]); model.compile('sgd', 'mse')",
        "history = model.fit(torch.ones(40, 2), torch.ones(40, 1), 4, epochs=2)",
        "model",
        "model.summary()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    rows = screen("".join(output.text for output in outputs[2] if output.name == "stdout"))
    assert [row.split(" ")[0] for row in rows] == ["Epoch", "10/10", "Epoch", "10/10", ""]
    assert [sorted(output.data) for output in outputs[3]] == [["text/html", "text/plain"]]
    assert len(outputs[4]) == 1
    assert "Total params" in outputs[4][0].data["text/html"]
