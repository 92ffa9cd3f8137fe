"""run_fit, run_evaluate, run_predict: from what the user gives to a run, and from it to History, logs, arrays."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import Dataset

from labkeras.callbacks.callback_list import CallbackList
from labkeras.callbacks.history import History
from labkeras.callbacks.progress import end_line
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.nest import map_structure
from labkeras.training.arrays import ArrayData, checked_classes, split
from labkeras.training.building import build, build_on_first_batch
from labkeras.training.compiled import Compiled
from labkeras.training.data import Batches, as_batches
from labkeras.training.direct import evaluate_directly, goes_directly, predict_directly
from labkeras.training.iterables import is_data_module, is_iterable_of_batches
from labkeras.training.run import Run
from labkeras.training.steps import EagerSteps, as_arrays, begin_run, steps_for

__all__ = [
    "lightning_module",
    "predict_on_batch",
    "run_evaluate",
    "run_fit",
    "run_predict",
    "test_on_batch",
    "train_on_batch",
]


def run_fit(
    model: Any,
    compiled: Compiled,
    *,
    x: Any,
    y: Any,
    batch_size: int | None,
    epochs: int,
    verbose: int | str,
    callbacks: Any,
    validation_split: float,
    validation_data: Any,
    shuffle: bool,
    class_weight: Mapping[int, float] | None,
    sample_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: int | Collection[int],
    trainer: Any,
) -> History:
    """Trains a model; the arguments are those of `Model.fit`."""
    _check_epochs(epochs, initial_epoch, validation_freq)
    if is_data_module(x):
        given = {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}
        _refuse_beside_data_module(given | {"validation_split": validation_split or None})
        ours = _callback_list(model, callbacks, verbose, add_history=True, epochs=epochs, steps=steps_per_epoch)
        model.stop_training = False
        Run(model, compiled, trainer, ours, max_epochs=max(0, epochs - initial_epoch)).fit_data_module(
            x,
            initial_epoch,
            validation_freq,
            steps=steps_per_epoch,
            class_weight=class_weight,
            validation=_validation_batches(validation_data, validation_batch_size, validation_steps, epochs),
            validation_steps=validation_steps,
        )
        assert ours.history is not None
        return ours.history
    validation = validation_data
    if validation_split and validation_data is None:
        x, held_out = split(_arrays(x, y, sample_weight), validation_split)
        y = sample_weight = None
        validation = held_out
    batches = as_batches(
        x,
        y,
        sample_weight,
        batch_size=batch_size,
        shuffle=shuffle,
        steps=steps_per_epoch,
        class_weight=class_weight,
        trains=True,
    )
    if batches.has_one_pass and steps_per_epoch is None and epochs - initial_epoch > 1:
        raise DataError(
            "a generator is used up after one epoch: say with `steps_per_epoch` how many batches an epoch has, "
            "or give a "
            f"DataLoader. Received: epochs={epochs}, steps_per_epoch=None"
        )
    validation_batches = _validation_batches(
        validation, validation_batch_size or batch_size, validation_steps, epochs - initial_epoch
    )
    build_on_first_batch(model, batches)
    ours = _callback_list(model, callbacks, verbose, add_history=True, epochs=epochs, steps=batches.steps)
    model.stop_training = False
    ours.prepare(batches, initial_epoch)
    if epochs <= initial_epoch:  # as when a run that was done is started once more
        ours.on_train_begin()
        ours.on_train_end({})
    else:
        run = Run(model, compiled, trainer, ours, max_epochs=epochs - initial_epoch)
        with _closing(batches, validation_batches):
            run.fit(batches, validation_batches, initial_epoch, validation_freq)
    assert ours.history is not None
    return ours.history


def run_evaluate(
    model: Any,
    compiled: Compiled,
    *,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: int | str,
    sample_weight: Any,
    steps: int | None,
    callbacks: Any,
    trainer: Any,
) -> dict[str, float]:
    """The loss and metrics over data, by name; the arguments are those of `Model.evaluate`."""
    if is_data_module(x):
        _refuse_beside_data_module({"y": y, "sample_weight": sample_weight, "batch_size": batch_size})
        ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=steps)
        logs = Run(model, compiled, trainer, ours).evaluate_data_module(x, steps)
        return {name: float(value) for name, value in sorted(logs.items())}
    batches = as_batches(x, y, sample_weight, batch_size=batch_size, steps=steps)
    build_on_first_batch(model, batches)
    ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=batches.steps)
    with _closing(batches):
        if goes_directly(trainer, ours):
            logs = evaluate_directly(model, compiled, batches, ours)
        else:
            logs = Run(model, compiled, trainer, ours).evaluate(batches)
    return {name: float(value) for name, value in sorted(logs.items())}


def run_predict(
    model: Any, *, x: Any, batch_size: int | None, verbose: int | str, steps: int | None, callbacks: Any, trainer: Any
) -> Any:
    """The outputs for data, as arrays; the arguments are those of `Model.predict`."""
    if is_data_module(x):
        _refuse_beside_data_module({"batch_size": batch_size})
        ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=steps)
        return as_arrays(Run(model, model._compiled, trainer, ours).predict_data_module(x, steps))
    batches = as_batches(x, batch_size=batch_size, steps=steps)
    build_on_first_batch(model, batches)
    ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=batches.steps)
    with _closing(batches):
        if goes_directly(trainer, ours):
            outputs = predict_directly(model, model._compiled, batches, ours)
        else:
            outputs = Run(model, model._compiled, trainer, ours).predict(batches)
    if not outputs:
        raise DataError("there are no batches to predict on. Received: an iterable that yields nothing")
    return as_arrays(outputs)


def train_on_batch(
    model: Any, compiled: Compiled, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None
) -> dict[str, float]:
    """One training step; the logs of this batch."""
    data = ArrayData(x, y, sample_weight)
    classes = checked_classes(class_weight)
    if classes is not None:
        data = data.weighted(classes)
    x, y, sample_weight = data.whole()
    build(model, x)
    steps = begin_run(model, compiled, _device_of(model))
    steps.reset()
    compiled.prepared_optimizer(model)
    steps.train(x, y, sample_weight)
    return _numbers(steps)


def test_on_batch(model: Any, compiled: Compiled, x: Any, y: Any, sample_weight: Any) -> dict[str, float]:
    """The logs of one batch."""
    x, y, sample_weight = ArrayData(x, y, sample_weight).whole()
    build(model, x)
    steps = begin_run(model, compiled, _device_of(model))
    steps.reset()
    with torch.no_grad():
        steps.test(x, y, sample_weight)
    return _numbers(steps)


def predict_on_batch(model: Any, x: Any) -> Any:
    """The outputs for one batch, as arrays."""
    with torch.no_grad():
        outputs = steps_for(model, None).predict(ArrayData(x).whole()[0])
    return map_structure(lambda tensor: tensor.cpu().numpy(), outputs)


def lightning_module(model: Any, compiled: Compiled) -> Any:
    """The LightningModule that trains a model, for a Trainer of the user's."""
    from labkeras.training.lit_model import LitModel  # imports Lightning: seconds, which only training should cost

    return LitModel(model, compiled)


@contextlib.contextmanager
def _closing(*sources: Batches | None) -> Iterator[None]:
    """Ends what makes batches, and the line of a progress bar, however the run ends."""
    try:
        yield
    except BaseException:
        end_line()  # what is said next, as by Python of a Ctrl-C, begins a line
        raise
    finally:
        for source in sources:
            if source is not None:
                source.close()


def _callback_list(model: Any, callbacks: Any, verbose: int | str, add_history: bool, **params: Any) -> CallbackList:
    if verbose not in (0, 1, 2, "auto"):
        raise InvalidArgumentError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
    if isinstance(callbacks, CallbackList):
        return callbacks
    return CallbackList(
        callbacks, add_history=add_history, add_progbar=verbose != 0, model=model, verbose=verbose, **params
    )


def _refuse_beside_data_module(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                f"`{name}` must not be given when `x` is a LightningDataModule, whose loaders say it. Received: {name} "
                f"of type {type(value).__name__}"
            )


def _validation_batches(data: Any, batch_size: int | None, steps: int | None, epochs: int) -> Batches | None:
    if data is None:
        return None
    if isinstance(data, ArrayData):
        return as_batches(data, batch_size=batch_size, steps=steps)
    if isinstance(data, list | tuple):
        if not 2 <= len(data) <= 3:
            raise DataError(
                "`validation_data` must be (x, y), (x, y, sample_weight) or an iterable of batches. Received: "
                f"{len(data)} items"
            )
        return as_batches(*data, batch_size=batch_size, steps=steps)
    batches = as_batches(data, batch_size=batch_size if isinstance(data, Dataset) else None, steps=steps)
    if batches.has_one_pass and steps is None and epochs > 1:
        raise DataError(
            "a generator is used up after one validation: say with `validation_steps` how many batches each takes, or "
            f"give arrays or a DataLoader. Received: epochs={epochs}, validation_steps=None"
        )
    return batches


def _arrays(x: Any, y: Any, sample_weight: Any) -> ArrayData:
    if is_iterable_of_batches(x):
        raise InvalidArgumentError(
            "`validation_split` needs arrays, to take the last samples; give `validation_data` instead. "
            f"Received: x of type {type(x).__name__}"
        )
    return ArrayData(x, y, sample_weight)


def _device_of(model: Any) -> torch.device:
    weight = next(model.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


def _numbers(steps: EagerSteps) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(steps.logs().items())}


def _check_epochs(epochs: int, initial_epoch: int, validation_freq: int | Collection[int]) -> None:
    if isinstance(validation_freq, list | tuple | set) and all(isinstance(epoch, int) for epoch in validation_freq):
        validation_freq = 1  # a list of epochs is as good
    for name, value, least in (
        ("epochs", epochs, 0),
        ("initial_epoch", initial_epoch, 0),
        ("validation_freq", validation_freq, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgumentError(f"`{name}` must be an integer of at least {least}. Received: {name}={value!r}")
