"""Run: one run of a Lightning Trainer, ours or the user's."""

import contextlib
import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from labkeras.callbacks.callback_list import CallbackList
from labkeras.callbacks.progress import end_line
from labkeras.distribution.replicas import alone
from labkeras.errors import InvalidArgumentError
from labkeras.training.compiled import Compiled
from labkeras.training.data import Batches, Steps
from labkeras.training.devices import planned
from labkeras.training.precision import check_honoured
from labkeras.training.quiet import quiet

__all__ = ["Run"]

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


class Run:
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
        return (_Calls if batches.steps is None else _CountedCalls)(batches, _STEPS_PER_CALL)

    @contextlib.contextmanager
    def _running(self, module: Any) -> Iterator[None]:
        """Quiet about what the user did not ask for; the model at rest afterwards; Ctrl-C as Python has it."""
        luggage = getattr(module, "luggage", None)
        try:
            with quiet(), alone():  # until the module has found out that there are others
                yield
            if luggage is not None:
                luggage.unpack(module)
        except BaseException as leaving:
            end_line()
            # Lightning turns Ctrl-C into an exit of the process; whoever called `fit` may want to go on.
            if isinstance(leaving, SystemExit) and isinstance(leaving.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
        finally:
            if luggage is not None:
                luggage.discard()
            self._model.eval()
            if self._compiled is not None:
                self._compiled.steps = None


class _Calls:
    """Batches in groups: each item is the `Steps` of one call of a LightningModule's step.

    Lightning asks for the next group before it runs one; the batches of a group are fetched one by one as it runs, so
    that the last group may have none.
    """

    def __init__(self, batches: Batches, size: int) -> None:
        self._batches = batches
        self._size = size

    def __iter__(self) -> Iterator[Steps]:
        batches = iter(self._batches)
        is_over: list[bool] = []
        while not is_over:
            yield Steps(_group(batches, self._size, is_over))


def _group(batches: Iterator[Any], size: int, is_over: list[bool]) -> Iterator[Any]:
    for _ in range(size):
        try:
            yield next(batches)
        except StopIteration:
            is_over.append(True)
            return


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
