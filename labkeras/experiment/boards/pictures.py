"""What a run leaves in TensorBoard at its end, beside its curves: texts, pictures, curves of classes, embeddings."""

import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from labkeras import config as settings
from labkeras.callbacks.board_embeddings import embedding_layers
from labkeras.callbacks.model_parts import named_layers
from labkeras.callbacks.processes import is_main_process
from labkeras.callbacks.tensorboard import TensorBoard
from labkeras.errors import RunStoppedError
from labkeras.experiment.boards.answers import Answers, Classes, Numbers, answers_to
from labkeras.experiment.boards.drawing import as_image, captioned, confusion_matrix, filter_grid, scatter
from labkeras.experiment.boards.picture_options import PictureOptions
from labkeras.experiment.boards.samples import Samples, samples_of
from labkeras.experiment.runs.data import RunData
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.plugins.choice import chosen_words

__all__ = ["show"]

_MOST_CLASSES = 100  # of which a matrix can be read
_MOST_CURVES = 20
_MISTAKES = 25
_FILTERS = 64
_MOST_POINTS = 1000
_MOST_LABELS = 20_000  # of curves: of a sequence each step has one
_FEATURES = (3, 1024)  # fewer need no projection, more take long to write
_MOST_NUMBERS = 100_000  # of an embedding: as text they take a tenth of a second
_KERNEL_DIMENSIONS = 4


def show(
    board: TensorBoard, folder: RunDirectory, model: Any, data: RunData, options: PictureOptions, split: float | None
) -> None:
    """Writes what can be said and drawn of a trained model.

    What makes no sense for the model is left out; so is what fails, with a warning. Nothing is done in other processes
    than the first.

    Args:
        board: what writes.
        folder: of the run.
        model: the model, trained.
        data: of the run.
        options: what is wanted.
        split: the fraction of the data that was left out of training for validation, if it was.
    """
    if not is_main_process():
        return
    step = max(0, len(folder.metrics()) - 1)
    if options.text:
        _write_texts(board, folder, model, step)
    if not _is_sharded(model):
        _draw(board, model, data, options, split, step)


def _write_texts(board: TensorBoard, folder: RunDirectory, model: Any, step: int) -> None:
    with _left_out("the command"):
        board.add_text("command", _code(_command(folder), "sh"), step)
    with _left_out("the config"):
        board.add_text("config", _code((folder.path / "config.yaml").read_text(encoding="utf-8"), "yaml"), step)
    with _left_out("the summary of the model"):
        lines: list[str] = []
        model.summary(print_fn=lines.append)
        board.add_text("summary", _code("\n".join(lines)), step)


def _command(folder: RunDirectory) -> str:
    """What makes this run again: of a trial, its own words, and not those of the sweep."""
    overrides = folder.overrides()
    if overrides:
        return shlex.join(["labkeras", *chosen_words(), "train", *overrides])
    return shlex.join(folder.record().get("command") or [])


def _draw(
    board: TensorBoard, model: Any, data: RunData, options: PictureOptions, split: float | None, step: int
) -> None:
    if options.images:
        with _left_out("the filters"):
            _draw_filters(board, model, step)
    if options.embeddings and not board.embeddings_freq:
        with _left_out("the embeddings"):
            _write_embedding_layers(board, model, step)
    if not (options.images or options.curves or options.embeddings):
        return
    with _left_out("what the model says to samples"):
        samples = samples_of(data, split, options.samples)
        if samples is not None:
            answers = answers_to(samples, model, getattr(model, "loss", None))
            _draw_answers(board, samples, answers, options, step)


def _draw_answers(board: TensorBoard, samples: Samples, answers: Answers, options: PictureOptions, step: int) -> None:
    meaning = answers.meaning
    if options.images:
        with _left_out("the pictures of what the model says"):
            if isinstance(meaning, Numbers):
                _draw_numbers(board, meaning, samples.part, step)
            if isinstance(meaning, Classes):
                _draw_confusion(board, meaning, samples.part, step)
                _draw_mistakes(board, meaning, samples, step)
    if options.curves and isinstance(meaning, Classes):
        with _left_out("the precision-recall curves"):
            _write_curves(board, meaning, samples.part, step)
    if options.embeddings and isinstance(meaning, Classes) and meaning.is_one_each:
        with _left_out("the samples as the last layer sees them"):
            _write_features(board, answers.features, meaning, options.embeddings, samples.part, step)


def _draw_numbers(board: TensorBoard, meaning: Numbers, part: Any, step: int) -> None:
    rows = np.flatnonzero(np.isfinite(meaning.true) & np.isfinite(meaning.found))
    if len(rows):
        rows = rows[_evenly(len(rows), _MOST_POINTS)]
        picture = scatter(meaning.true[rows], meaning.found[rows])
        board.add_image("predicted_against_true", picture, step, part)


def _draw_confusion(board: TensorBoard, meaning: Classes, part: Any, step: int) -> None:
    classes = meaning.probabilities.shape[-1]
    if classes <= _MOST_CLASSES and len(meaning.labels):
        picture = confusion_matrix(meaning.labels, meaning.found, classes)
        board.add_image("confusion_matrix", picture, step, part)


def _draw_mistakes(board: TensorBoard, meaning: Classes, samples: Samples, step: int) -> None:
    """The samples that were taken for another class, those of which the model was surest first."""
    if not meaning.is_one_each or not isinstance(samples.x, np.ndarray):
        return
    wrong = np.flatnonzero(meaning.found != meaning.labels)
    wrong = wrong[np.argsort(-meaning.probabilities[wrong].max(axis=-1), kind="stable")][:_MISTAKES]
    images = as_image(samples.x, settings.image_data_format() == "channels_first")
    if images is not None and len(wrong):
        captions = [f"{meaning.labels[row]} as {meaning.found[row]}" for row in wrong]
        board.add_image("misclassified", captioned(images[wrong], captions), step, samples.part)


def _write_curves(board: TensorBoard, meaning: Classes, part: Any, step: int) -> None:
    classes = meaning.probabilities.shape[-1]
    if classes > _MOST_CURVES:
        return
    rows = _evenly(len(meaning.labels), _MOST_LABELS)
    labels, probabilities = meaning.labels[rows], meaning.probabilities[rows]
    for one in [1] if classes == 2 else range(classes):
        if (labels == one).any():
            board.add_pr_curve(f"class/{one}", labels == one, probabilities[:, one], step, part)


def _write_features(
    board: TensorBoard, features: np.ndarray | None, meaning: Classes, count: int, part: Any, step: int
) -> None:
    if features is None or not _FEATURES[0] <= features.shape[-1] <= _FEATURES[1]:
        return
    rows = _evenly(len(features), min(count, _MOST_NUMBERS // features.shape[-1]))
    pairs = zip(meaning.labels[rows].tolist(), meaning.found[rows].tolist(), strict=True)
    labels = [str(true) if true == found else f"{true} as {found}" for true, found in pairs]
    board.add_embedding("samples", features[rows], step, part, labels)


def _write_embedding_layers(board: TensorBoard, model: Any, step: int) -> None:
    for name, (layer, _) in embedding_layers(model, None, board.log_dir).items():
        vectors = layer.embeddings.detach()
        board.add_embedding(name, vectors[: max(1, _MOST_NUMBERS // vectors.shape[-1])], step, "train")


def _draw_filters(board: TensorBoard, model: Any, step: int) -> None:
    """The filters of the first layer with weights, if that is a convolution over images."""
    for name, layer in named_layers(model).items():
        if next(layer.parameters(), None) is None:
            continue
        kernel = getattr(layer, "kernel", None)
        if "Conv2D" in type(layer).__name__ and isinstance(kernel, torch.Tensor) and kernel.ndim == _KERNEL_DIMENSIONS:
            values = kernel.detach().float().cpu().numpy()[..., :_FILTERS]
            # Only one or three channels have colours.
            shown = values if values.shape[2] in (1, 3) else values.mean(axis=2, keepdims=True)
            board.add_image(f"filters/{name}", filter_grid(shown), step, "train")
        return


def _is_sharded(model: Any) -> bool:
    """Whether its weights are spread over processes, all of which would have to take part."""
    return any(hasattr(weight, "full_tensor") for weight in model.parameters())


def _evenly(rows: int, count: int) -> np.ndarray:
    return np.linspace(0, rows - 1, min(count, rows), dtype=int)


def _code(text: str, language: str = "") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


@contextmanager
def _left_out(what: str) -> Iterator[None]:
    """Turns an error into a warning: a run that is trained does not fail because something of it cannot be drawn."""
    try:
        yield
    except RunStoppedError:
        raise
    except Exception as error:
        sentence = f"TensorBoard: {what} cannot be shown: {type(error).__name__}: {error}"
        warnings.warn(sentence, stacklevel=4)  # where it is drawn; contextlib is between
