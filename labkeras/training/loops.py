"""run_fit, run_evaluate, run_predict: build a Trainer, run it, return History, logs, arrays."""

import contextlib
import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import Dataset

from labkeras.callbacks.callback_list import CallbackList
from labkeras.callbacks.history import History
from labkeras.distribution.replicas import alone
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.nest import map_structure
from labkeras.training.arrays import ArrayData, checked_classes, split
from labkeras.training.building import build, build_on_first_batch
from labkeras.training.compiled import Compiled
from labkeras.training.data import Batches, Steps, as_batches
from labkeras.training.devices import planned
from labkeras.training.direct import evaluate_directly, goes_directly, predict_directly
from labkeras.training.iterables import is_data_module, is_iterable_of_batches
from labkeras.training.precision import check_honoured
from labkeras.training.quiet import quiet
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

# Steps that one `training_step` takes where nobody looks between them: 8 leave a quarter of Lightning's cost, 32 a
# tenth.
_STEPS_PER_CALL = 32
# A Trainer's arguments under which Lightning has no part in a step, if it then runs on one device in full precision.
_PLAIN = {
    "accelerator",
    "devices",
    "strategy",
    "precision",
    "default_root_dir",
    "deterministic",
    "benchmark",
    "detect_anomaly",
}


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
        _Run(model, compiled, trainer, ours, max_epochs=max(0, epochs - initial_epoch)).fit_data_module(
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
    if epochs <= initial_epoch:  # as when a run that was done is started once more
        ours.on_train_begin()
        ours.on_train_end({})
    else:
        run = _Run(model, compiled, trainer, ours, max_epochs=epochs - initial_epoch)
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
        logs = _Run(model, compiled, trainer, ours).evaluate_data_module(x, steps)
        return {name: float(value) for name, value in sorted(logs.items())}
    batches = as_batches(x, y, sample_weight, batch_size=batch_size, steps=steps)
    build_on_first_batch(model, batches)
    ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=batches.steps)
    with _closing(batches):
        if goes_directly(trainer, ours):
            logs = evaluate_directly(model, compiled, batches, ours)
        else:
            logs = _Run(model, compiled, trainer, ours).evaluate(batches)
    return {name: float(value) for name, value in sorted(logs.items())}


def run_predict(
    model: Any, *, x: Any, batch_size: int | None, verbose: int | str, steps: int | None, callbacks: Any, trainer: Any
) -> Any:
    """The outputs for data, as arrays; the arguments are those of `Model.predict`."""
    if is_data_module(x):
        _refuse_beside_data_module({"batch_size": batch_size})
        ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=steps)
        return as_arrays(_Run(model, model._compiled, trainer, ours).predict_data_module(x, steps))
    batches = as_batches(x, batch_size=batch_size, steps=steps)
    build_on_first_batch(model, batches)
    ours = _callback_list(model, callbacks, verbose, add_history=False, epochs=1, steps=batches.steps)
    with _closing(batches):
        if goes_directly(trainer, ours):
            outputs = predict_directly(model, model._compiled, batches, ours)
        else:
            outputs = _Run(model, model._compiled, trainer, ours).predict(batches)
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


class _Run:
    """One run of a Lightning Trainer, ours or the user's."""

    def __init__(
        self, model: Any, compiled: Compiled | None, trainer: Any, callbacks: CallbackList, **arguments: Any
    ) -> None:
        import pytorch_lightning as pl  # seconds to import, which only training should cost

        self._model = model
        self._compiled = compiled
        self._callbacks = callbacks
        self._users_own = isinstance(trainer, pl.Trainer)
        if trainer is not None and not self._users_own and not isinstance(trainer, Mapping):
            raise InvalidArgumentError(
                "`trainer` must be a dict of arguments for Lightning's Trainer, or a pytorch_lightning.Trainer. "
                f"Received: trainer={trainer!r} of type {type(trainer).__module__}.{type(trainer).__name__}"
            )
        wanted = {} if trainer is None or self._users_own else dict(trainer)
        given = wanted.pop("callbacks", None) or []
        self._plan = planned(wanted)
        lightnings = [*(given if isinstance(given, list | tuple) else [given]), *callbacks.lightning_callbacks]
        self._validates_as_told = self._users_own or "check_val_every_n_epoch" in wanted
        if self._users_own:
            self._trainer = trainer
            self._trainer.callbacks.extend(lightnings)
        else:
            self._trainer = _make_trainer(pl.Trainer, {**arguments, **self._plan.arguments}, lightnings)
        plain = not self._users_own and not lightnings and set(wanted) <= _PLAIN
        self._manual = plain and _computes_plainly(self._trainer)

    def fit(
        self,
        batches: Batches,
        validation: Batches | None,
        initial_epoch: int,
        validation_freq: int | Collection[int],
    ) -> None:
        module = self._module(batches, initial_epoch)
        module.validation_freq = None if self._validates_as_told else validation_freq
        train, val = self._loader(batches), None if validation is None else self._loader(validation)
        with self._running(module):
            self._trainer.fit(module, train, val)

    def evaluate(self, batches: Batches) -> dict[str, Any]:
        module = self._module(batches)
        with self._running(module):
            self._trainer.validate(module, self._loader(batches), verbose=False)
        logs: dict[str, Any] = module.validation_logs
        return logs

    def predict(self, batches: Batches) -> list[Any]:
        module = self._module(batches)
        with self._running(module):
            self._trainer.predict(module, self._loader(batches), return_predictions=False)
        outputs: list[Any] = module.predictions
        return outputs

    def fit_data_module(
        self, x: Any, initial_epoch: int, validation_freq: int | Collection[int], **settings: Any
    ) -> None:
        fed = self._fed(x, **settings)
        module = self._module(None, initial_epoch)
        module.validation_freq = None if self._validates_as_told else validation_freq
        with self._running(module), contextlib.closing(fed):
            self._trainer.fit(module, datamodule=fed)

    def evaluate_data_module(self, x: Any, steps: int | None) -> dict[str, Any]:
        fed = self._fed(x, steps=steps)
        module = self._module(None)
        with self._running(module), contextlib.closing(fed):
            self._trainer.validate(module, datamodule=fed, verbose=False)
        logs: dict[str, Any] = module.validation_logs
        return logs

    def predict_data_module(self, x: Any, steps: int | None) -> list[Any]:
        fed = self._fed(x, steps=steps)
        module = self._module(None)
        with self._running(module), contextlib.closing(fed):
            self._trainer.predict(module, datamodule=fed, return_predictions=False)
        outputs: list[Any] = module.predictions
        return outputs

    def _fed(self, x: Any, **settings: Any) -> Any:
        from labkeras.training.data_modules import FedDataModule  # loads Lightning, which is loaded by now

        fed = FedDataModule(x, self._loader, **settings)
        self._manual = self._manual and not fed.handles_batches
        return fed

    def _module(self, batches: Batches | None, initial_epoch: int = 0) -> Any:
        from labkeras.training.lit_model import LitModel  # loads Lightning, which is loaded by now

        if self._trainer.world_size == 1:
            return LitModel(self._model, self._compiled, self._callbacks, initial_epoch, manual=self._manual)
        from labkeras.training.processes import joint_module  # likewise

        module = joint_module(self._plan, self._trainer, self._model, self._compiled, self._callbacks, initial_epoch)
        module.batches = batches
        return module

    def _loader(self, batches: Batches) -> Any:
        if not self._manual:
            return _plain(batches)
        # Where the number of batches is not known, Lightning fetches one call ahead, and would fetch it before its
        # turn.
        return _Calls(batches, 1) if batches.steps is None else _CountedCalls(batches, _STEPS_PER_CALL)

    @contextlib.contextmanager
    def _running(self, module: Any) -> Iterator[None]:
        """Quiet about what the user did not ask for; the model at rest afterwards; Ctrl-C as Python has it."""
        luggage = getattr(module, "luggage", None)
        try:
            with quiet(), alone():  # until the module has found out that there are others
                yield
            if luggage is not None:
                luggage.unpack(module)
        except SystemExit as leaving:
            # Lightning turns Ctrl-C into an exit of the process; whoever called `fit` may want to go on.
            if isinstance(leaving.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
        finally:
            if luggage is not None:
                luggage.discard()
            self._model.eval()
            if self._compiled is not None:
                self._compiled.steps = None


class _Calls:
    """Batches in groups: each item is the `Steps` of one call of a LightningModule's step."""

    def __init__(self, batches: Batches, size: int) -> None:
        self._batches = batches
        self._size = size

    def __iter__(self) -> Iterator[Steps]:
        batches = iter(self._batches)
        for batch in batches:
            first = [batch]
            del batch  # nobody but the step holds it: its memory is for the next one
            yield Steps(_group(first, itertools.islice(batches, self._size - 1)))


def _group(first: list[Any], others: Iterator[Any]) -> Iterator[Any]:
    yield first.pop()
    yield from others


class _CountedCalls(_Calls):
    """The same, of a number that is known. Lightning runs what has no length to its end, so that only this has one.

    Where the batches end early, the last calls have none: Lightning validates after the last call.
    """

    def __iter__(self) -> Iterator[Steps]:
        batches = iter(self._batches)
        calls = len(self)
        for _ in range(calls - 1):
            yield Steps(itertools.islice(batches, self._size))
        yield Steps(batches)  # to their end, so that they get to know it

    def __len__(self) -> int:
        assert self._batches.steps is not None
        return math.ceil(self._batches.steps / self._size)


class _CountedBatches:
    """Batches one by one, of a number that is known."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)

    def __len__(self) -> int:
        assert self._batches.steps is not None
        return self._batches.steps


def _plain(batches: Batches) -> Any:
    # Lightning validates after the last batch, and takes the number of batches for certain.
    return batches if batches.steps is None or batches.may_end_early else _CountedBatches(batches)


def _make_trainer(trainer_class: type, arguments: dict[str, Any], callbacks: list[Any]) -> Any:
    defaults = {
        "logger": False,
        "enable_checkpointing": any(_is_checkpoint(callback) for callback in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "devices": 1,
    }
    with quiet():
        try:
            trainer = trainer_class(**{**defaults, **arguments}, callbacks=callbacks)
        except TypeError as error:
            raise InvalidArgumentError(f"`trainer`: {error}. Received: trainer={arguments!r}") from error
    check_honoured(arguments.get("precision"), trainer.precision)
    return trainer


def _computes_plainly(trainer: Any) -> bool:
    """Whether a step on this Trainer is forward, backward and step, with nothing of Lightning's in between."""
    strategy, precision = type(trainer.strategy).__name__, type(trainer.precision_plugin).__name__
    return (strategy, precision) == ("SingleDeviceStrategy", "Precision")


def _is_checkpoint(callback: Any) -> bool:
    return any(base.__name__ == "Checkpoint" for base in type(callback).__mro__)


@contextlib.contextmanager
def _closing(*sources: Batches | None) -> Iterator[None]:
    """Ends what makes batches, however the run ends."""
    try:
        yield
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
