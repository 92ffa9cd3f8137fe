import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras.callbacks import CallbackList, CSVLogger
from labkeras.errors import InvalidArgumentError

LOGS = [{"loss": 0.5, "accuracy": 0.25}, {"loss": 0.25, "accuracy": 0.5}]
LOGS_WITH_VALIDATION = [{**logs, "val_loss": 2 * logs["loss"]} for logs in LOGS]


def write(logger: Any, rows: list[dict[str, Any]], first: int = 0) -> None:
    logger.on_train_begin()
    for epoch, logs in enumerate(rows, first):
        logger.on_epoch_end(epoch, logs)
    logger.on_train_end()


def rows_of(path: Path, separator: str = ",") -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


@pytest.mark.parametrize("arguments", [{}, {"separator": ";"}, {"append": True}])
@pytest.mark.parametrize(
    "rows",
    [
        LOGS,
        LOGS_WITH_VALIDATION,
        [LOGS[0], LOGS_WITH_VALIDATION[1]],
        [{"loss": 0.5, "each": np.array([1.0, 2.5])}],
        [{"loss": np.float32(0.5), "text": "a, b", "zero": np.array(1.0)}],
        [{}],
    ],
)
def test_the_file_is_that_of_keras(tmp_path: Path, arguments: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    for name, module in (("ours", None), ("theirs", keras.callbacks)):
        logger = (CSVLogger if module is None else module.CSVLogger)(str(tmp_path / name), **arguments)
        write(logger, rows)
        write(logger, rows, first=2)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_tensors_are_written_as_their_values(tmp_path: Path) -> None:
    write(CSVLogger(tmp_path / "log.csv"), [{"each": torch.tensor([1.0, 2.5]), "val_one": torch.tensor(0.5)}])
    assert rows_of(tmp_path / "log.csv")[1] == ["0", '"[1.0, 2.5]"', "0.5"]


def test_appending_goes_on_under_the_one_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write(CSVLogger(path, append=True), LOGS)
    write(CSVLogger(path, append=True), LOGS, first=2)
    rows = rows_of(path)
    assert rows[0] == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [row[0] for row in rows] == ["epoch", "0", "1", "2", "3"]


def test_appending_to_other_columns_keeps_to_the_header_and_says_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write(CSVLogger(path), [{"loss": 1.0, "val_loss": 2.0}])
    with pytest.warns(UserWarning, match=r"no column for \['mae'\]"):
        write(CSVLogger(path, append=True), [{"loss": 0.5, "mae": 0.25}], first=1)
    assert rows_of(path) == [["epoch", "loss", "val_loss"], ["0", "1.0", "2.0"], ["1", "0.5", "NA"]]


def test_a_row_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write(CSVLogger(path), LOGS)
    path.write_bytes(path.read_bytes()[:-4])
    write(CSVLogger(path, append=True), LOGS, first=2)
    assert [row[0] for row in rows_of(path)] == ["epoch", "0", "1", "2", "3"]


def test_without_appending_the_first_row_replaces_the_file_and_no_earlier(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("precious\n")
    logger = CSVLogger(path)
    logger.on_train_begin()
    assert path.read_text() == "precious\n"
    logger.on_epoch_end(0, {"loss": 1.0})
    assert rows_of(path)[0] == ["epoch", "loss", "val_loss"]


def test_the_folder_is_made(tmp_path: Path) -> None:
    write(CSVLogger(tmp_path / "new" / "log.csv"), LOGS)
    assert len(rows_of(tmp_path / "new" / "log.csv")) == 3


def test_rows_after_the_state_that_is_restored_are_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    write(logger, LOGS[:1])
    state = logger.state_dict()
    logger.on_epoch_end(1, LOGS[1])
    again = CSVLogger(path)
    again.on_train_begin()
    again.load_state_dict(state)
    again.on_epoch_end(1, {"loss": 7.0})
    assert [row[0] for row in rows_of(path)] == ["epoch", "0", "1"]
    assert rows_of(path)[2][2] == "7.0"


def test_another_file_of_that_name_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path, append=True)
    write(logger, LOGS)
    state = logger.state_dict()
    path.write_text("epoch,loss,val_loss\r\n" + "9,9,9\r\n" * 50)
    again = CSVLogger(path, append=True)
    again.load_state_dict(state)
    again.on_epoch_end(2, {"loss": 1.0})
    assert len(rows_of(path)) == 52


@pytest.mark.parametrize("separator", ["", ", ", "\n", '"', None])
def test_a_separator_must_be_one_character(separator: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"one character.*Received: separator="):
        CSVLogger("log.csv", separator=separator)


def test_only_the_first_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkeras.callbacks.csv_logger.is_main_process", lambda: False)
    logger = CSVLogger(tmp_path / "new" / "log.csv")
    write(logger, LOGS)
    assert logger.state_dict() == {"keys": None}
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_callbacks_gives_it_plain_numbers(tmp_path: Path) -> None:
    callbacks = CallbackList([CSVLogger(tmp_path / "log.csv")])
    callbacks.on_train_begin()
    callbacks.on_epoch_end(0, {"loss": torch.tensor(0.5), "val_loss": torch.tensor(0.25)})
    assert rows_of(tmp_path / "log.csv")[1] == ["0", "0.5", "0.25"]
