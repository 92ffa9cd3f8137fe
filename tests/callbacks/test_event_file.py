import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as tensorboards

from labkeras.callbacks import TensorBoard
from labkeras.callbacks.event_file import EventFile, masked_crc32c
from tests.helpers.event_files import scalars, tags_of


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 511, 512, 513, 515, 516, 1024, 1027, 5000])
def test_checksum_is_tensorboards(size: int) -> None:
    data = os.urandom(size)
    assert masked_crc32c(data) == tensorboards(data)


def test_events_are_readable_at_once_and_in_their_order(tmp_path: Path) -> None:
    file = EventFile(str(tmp_path / "new" / "folder"))
    [path] = (tmp_path / "new" / "folder").iterdir()
    for step in range(3):
        file.add_summary(
            Summary(value=[Summary.Value(tag="x" * 300 * step, simple_value=step)]), step, walltime=step + 0.5
        )
        events = list(EventFileLoader(str(path)).Load())
        assert events[0].file_version == "brain.Event:2"
        assert [(event.step, event.wall_time) for event in events[1:]] == [(at, at + 0.5) for at in range(step + 1)]
    file.close()


def test_what_is_written_after_closing_goes_into_a_new_file(tmp_path: Path) -> None:
    file = EventFile(str(tmp_path))
    file.close()
    file.close()
    file.add_summary(Summary(), 1)
    file.close()
    assert len(list(tmp_path.iterdir())) == 2


def test_writer_of_torchs_writes_into_the_same_file(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    writer = board.writer("train")
    assert writer is not None
    assert board.writer("train") is writer
    board.add_scalar("ours", 1.0, 0)
    writer.add_scalar("theirs", 2.0, 1)
    writer.add_text("text", "words", 2)
    writer.flush()
    assert scalars(tmp_path / "train") == {"ours": [(0, 1.0)], "theirs": [(1, 2.0)]}
    assert tags_of(tmp_path / "train", "text") == ["text/text_summary"]
    assert len(list((tmp_path / "train").iterdir())) == 1
    board.close()


def test_a_store_is_left_to_tensorboards_writer() -> None:
    fsspec = pytest.importorskip("fsspec")
    board = TensorBoard("memory://runs")
    board.add_scalar("x", 1.0, 0)
    board.close()
    [path] = fsspec.filesystem("memory").ls("/runs/train", detail=False)
    assert "tfevents" in path
