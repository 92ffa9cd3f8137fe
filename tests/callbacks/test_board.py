"""What callbacks write to the TensorBoard beside them, as TensorBoard reads it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.util.tensor_util import make_ndarray

from labkeras.callbacks import Callback, CallbackList, TensorBoard
from labkeras.callbacks.board_summaries import bucketed
from labkeras.errors import InvalidArgumentError
from tests.helpers.event_files import images, scalars, tags_of, tensors, texts


@pytest.fixture
def board(tmp_path: Path) -> TensorBoard:
    return TensorBoard(tmp_path)


def embeddings_in(folder: Path) -> list[Any]:
    return list(text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings)


def test_callbacks_find_the_board_beside_them(board: TensorBoard) -> None:
    first, last = Callback(), Callback()
    CallbackList([first, board, last, TensorBoard()])
    assert first.board is last.board is board.board is board


def test_without_a_board_there_is_none() -> None:
    callback = Callback()
    callbacks = CallbackList([callback, TensorBoard()])
    CallbackList([callback])
    assert callback.board is None
    assert callbacks.board is not None


def test_scalars_of_any_type_are_numbers(board: TensorBoard, tmp_path: Path) -> None:
    for step, value in enumerate([1, 0.5, torch.tensor(2.0, requires_grad=True), np.float32(3), torch.tensor([4])]):
        board.add_scalar("x", value, step, part="test")
    board.close()
    assert scalars(tmp_path / "test") == {"x": [(0, 1.0), (1, 0.5), (2, 2.0), (3, 3.0), (4, 4.0)]}


@pytest.mark.parametrize(
    "values",
    [
        torch.randn(1000, generator=torch.Generator().manual_seed(0)),
        torch.arange(31.0) / 10,
        torch.tensor([[3, 4], [5, 9]]),
        torch.tensor([True, False, True]),
        torch.full((4,), 2.5),
        torch.zeros(0),
        torch.tensor(7.0),
        torch.randn(50, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16),
    ],
)
def test_histograms_are_tensorflows(values: torch.Tensor, board: TensorBoard, tmp_path: Path) -> None:
    expected = make_ndarray(histogram_pb("h", values.double().numpy()).value[0].tensor)
    board.add_histogram("h", values, 3)
    board.close()
    [(step, written)] = tensors(tmp_path / "train", "h")
    assert step == 3
    np.testing.assert_allclose(written, expected)
    assert tags_of(tmp_path / "train", "histograms") == ["h"]


def test_histogram_leaves_out_what_is_not_finite() -> None:
    values = torch.tensor([1.0, torch.nan, 2.0, torch.inf, -torch.inf])
    np.testing.assert_array_equal(bucketed(values), bucketed(torch.tensor([1.0, 2.0])))
    assert bucketed(torch.tensor([torch.nan])).sum() == 0
    huge = torch.finfo(torch.float32).max
    assert bucketed(torch.tensor([-huge, huge]))[:, 2].sum() == 2


def test_images_are_drawn_as_they_are(board: TensorBoard, tmp_path: Path) -> None:
    gray = np.array([[0, 128, 255], [1, 2, 3]], dtype=np.uint8)
    colours = torch.tensor([[[0.0, 0.5, 1.0], [-1.0, 2.0, torch.nan]]])
    board.add_image("gray", gray, 0)
    board.add_image("colours", colours, 1, part="train")
    board.add_image("many", np.stack([gray] * 5)[..., None], 2)
    board.close()
    [(_, [drawn])] = images(tmp_path / "validation", "gray")
    assert drawn.tolist() == gray.tolist()
    [(_, [drawn])] = images(tmp_path / "train", "colours")
    assert drawn.tolist() == [[[0, 127, 255], [0, 255, 0]]]
    [(_, drawn)] = images(tmp_path / "validation", "many")
    assert drawn.shape == (3, 2, 3)
    assert tags_of(tmp_path / "validation", "images") == ["gray", "many"]


@pytest.mark.parametrize("image", [np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 3)), np.zeros((1, 1, 1, 1, 1))])
def test_what_is_no_image_is_named(board: TensorBoard, image: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"with 1, 3 or 4 channels\. Received: image of shape \("):
        board.add_image("x", image, 0)


def test_integers_are_no_image(board: TensorBoard) -> None:
    with pytest.raises(InvalidArgumentError, match=r"uint8, or floats in \[0, 1\]\. Received: image of dtype int64"):
        board.add_image("x", np.zeros((2, 2), dtype=np.int64), 0)


def test_texts_and_tables_are_kept(board: TensorBoard, tmp_path: Path) -> None:
    board.add_text("note", "# ünïcode", 1)
    board.add_text("table", [["layer", "ms"], ["h1", "2"]], 2)
    board.close()
    assert texts(tmp_path / "train", "note") == [(1, "# ünïcode")]
    assert texts(tmp_path / "train", "table") == [(2, [["layer", "ms"], ["h1", "2"]])]
    assert tags_of(tmp_path / "train", "text") == ["note", "table"]


def test_pr_curve_counts_what_is_found_at_each_threshold(board: TensorBoard, tmp_path: Path) -> None:
    labels, predictions = torch.tensor([[1, 0], [1, 0]]), torch.tensor([[0.9, 0.8], [0.4, 0.1]])
    board.add_pr_curve("class 3", labels, predictions, 5)
    board.close()
    [(step, curve)] = tensors(tmp_path / "validation", "class 3")
    assert step == 5
    thresholds = np.linspace(0, 1, curve.shape[1])
    at_half = int(np.argmax(thresholds >= 0.5))
    true_positives, false_positives, true_negatives, false_negatives, precision, recall = curve[:, at_half]
    assert (true_positives, false_positives, true_negatives, false_negatives) == (1, 1, 1, 1)
    assert (precision, recall) == (0.5, 0.5)
    assert tags_of(tmp_path / "validation", "pr_curves") == ["class 3"]


@pytest.mark.parametrize(
    ("labels", "predictions", "said"),
    [
        ([1, 0], [0.5], "2 labels and 1 predictions"),
        ([1, 0], [3.0, -1.0], r"sigmoid or a softmax.* from -1\.0 to 3\.0"),
    ],
)
def test_what_makes_no_pr_curve_is_named(board: TensorBoard, labels: Any, predictions: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        board.add_pr_curve("x", labels, predictions, 0)


def test_embeddings_of_each_step_stand_beside_each_other(board: TensorBoard, tmp_path: Path) -> None:
    vectors = torch.tensor([[0.1, -2.0], [3.5, 4.0], [1e-9, 1e9]])
    board.add_embedding("words/all", vectors, 1, labels=["a b", "line\nbreak", ""])
    board.add_embedding("words/all", vectors * 2, 2)
    board.add_embedding("words/all", vectors * 3, 1, labels=["x", "y", "z"])  # once more, after a resume
    folder = tmp_path / "validation"
    second, first = embeddings_in(folder)
    assert (first.tensor_name, second.tensor_name) == ("words/all:00001", "words/all:00002")
    assert list(first.tensor_shape) == [3, 2]
    np.testing.assert_allclose(np.loadtxt(folder / first.tensor_path), vectors * 3, rtol=1e-6)
    np.testing.assert_allclose(np.loadtxt(folder / second.tensor_path), vectors * 2, rtol=1e-6)
    assert (folder / first.metadata_path).read_text() == "x\ny\nz\n"
    assert not second.metadata_path


def test_labels_are_one_line_each(board: TensorBoard, tmp_path: Path) -> None:
    board.add_embedding("e", np.ones((3, 2)), 0, labels=["a b", "line\nbreak", ""])
    [one] = embeddings_in(tmp_path / "validation")
    assert (tmp_path / "validation" / one.metadata_path).read_text() == "a b\nline break\n-\n"


def test_wrong_number_of_labels_is_named(board: TensorBoard) -> None:
    with pytest.raises(InvalidArgumentError, match=r"of which there are 3\. Received: labels with 1 line"):
        board.add_embedding("e", np.ones((3, 2)), 0, labels=["one"])


def test_vectors_must_be_a_table(board: TensorBoard) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(rows, size\)\. Received: vectors of shape \(3,\), tag='e'"):
        board.add_embedding("e", np.ones(3), 0)


def test_other_parts_are_refused(board: TensorBoard) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'train', 'validation', 'test'.* Received: part='valid'"):
        board.add_scalar("x", 1.0, 0, part="valid")  # type: ignore[arg-type]


def test_other_processes_write_nothing(board: TensorBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    board.add_scalar("x", 1.0, 0)
    board.add_histogram("x", [1.0], 0)
    board.add_image("x", np.ones((2, 2)), 0)
    board.add_text("x", "y", 0)
    board.add_pr_curve("x", [1], [0.5], 0)
    board.add_embedding("x", np.ones((2, 2)), 0)
    assert board.writer("train") is None
    assert list(tmp_path.iterdir()) == []
