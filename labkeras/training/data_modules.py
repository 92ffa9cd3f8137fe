"""DataModules: a LightningDataModule as the data of `fit`, `evaluate` and `predict`.

Lightning calls its hooks: `prepare_data` once, `setup` in every process, and so on. What it returns for training and
validation is cut into epochs, weighted and grouped like any other data.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl

from labkeras.errors import DataError
from labkeras.training.building import build_on_first_batch
from labkeras.training.data import Batches, as_batches
from labkeras.training.steps import packed

__all__ = ["FedDataModule"]

# What Lightning calls if a DataModule has it, and what goes to the user's as it is.
_PASSED_ON = (
    "prepare_data",
    "state_dict",
    "load_state_dict",
    "on_exception",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)
_OF_BATCHES = _PASSED_ON[-3:]


class FedDataModule(pl.LightningDataModule):
    """Stands between Lightning and a DataModule of the user's.

    Args:
        users: the user's.
        as_loader: makes what Lightning is to iterate over of batches.
        steps: batches in an epoch of training, an evaluation or a prediction, if not all.
        class_weight: factor of the loss for each class.
        validation: what to validate on in place of the module's `val_dataloader`.
        validation_steps: batches in a validation, if not all.
    """

    def __init__(
        self,
        users: Any,
        as_loader: Callable[[Batches], Any],
        steps: int | None = None,
        class_weight: Mapping[int, float] | None = None,
        validation: Batches | None = None,
        validation_steps: int | None = None,
    ) -> None:
        self.users = users
        super().__init__()
        self._as_loader = as_loader
        self._steps = steps
        self._class_weight = class_weight
        self._validation = validation
        self._validation_steps = validation_steps
        self._first: Batches | None = None
        self._given: list[Batches] = []
        for name in _PASSED_ON:
            if has_own(users, name):
                setattr(self, name, getattr(users, name))
        # Lightning looks whether it has this method at all, to know whether to validate.
        if validation is not None or has_own(users, "val_dataloader") or has_own(users, "test_dataloader"):
            self.val_dataloader = self._loader_to_look_at  # type: ignore[method-assign]
        self.prepare_data_per_node = users.prepare_data_per_node

    @property
    def trainer(self) -> Any:
        """The Trainer, which the user's module knows as well."""
        return self.users.trainer

    @trainer.setter
    def trainer(self, trainer: Any) -> None:
        self.users.trainer = trainer

    @property
    def handles_batches(self) -> bool:
        """Whether the user's module has hooks for each batch, which Lightning must see one by one."""
        return any(has_own(self.users, name) for name in _OF_BATCHES)

    def setup(self, stage: str) -> None:
        """Has the user's module set up, and gets its first batch ready if the model's weights wait for it."""
        self.users.setup(self._stage(stage))
        self._first = batches = self._batches(stage)
        module = self.trainer.lightning_module
        build_on_first_batch(module.model, batches)
        if hasattr(module, "batches"):  # one of several processes, which gets a part of them
            module.batches = batches
        module.callbacks.set_params({**(module.callbacks.params or {}), "steps": batches.steps})

    def teardown(self, stage: str) -> None:
        """Has the user's module clear up."""
        self.users.teardown(self._stage(stage))

    def train_dataloader(self) -> Any:
        """The batches of training."""
        return self._fed("fit")

    def predict_dataloader(self) -> Any:
        """Those to predict for."""
        return self._fed("predict")

    def close(self) -> None:
        """Ends what makes batches."""
        for batches in self._given:
            batches.close()

    def _stage(self, stage: str) -> str:
        """The user's module is tested where it has a loader for that; Lightning knows only of a validation."""
        return "test" if stage == "validate" and has_own(self.users, "test_dataloader") else stage

    def _loader_to_look_at(self) -> Any:
        """The batches of an evaluation, or of the validation of a training."""
        if self.trainer.state.fn != "fit":
            return self._fed("validate")
        if self._validation is not None:
            return self._loader(self._validation)
        if not has_own(self.users, "val_dataloader"):
            return []
        return self._loader(as_batches(_single(self.users.val_dataloader(), "val"), steps=self._validation_steps))

    def _fed(self, stage: str) -> Any:
        batches = self._batches(stage) if self._first is None else self._first
        self._first = None
        return self._loader(batches)

    def _loader(self, batches: Batches) -> Any:
        self._given.append(batches)
        loader = self._as_loader(batches)
        return _Packed(loader) if self.handles_batches else loader

    def _batches(self, stage: str) -> Batches:
        if stage == "fit":
            names = ["train"]
        elif stage == "validate":
            names = ["test", "val"]
        else:
            names = ["predict"]
        for name in names:
            if has_own(self.users, f"{name}_dataloader"):
                loader = _single(getattr(self.users, f"{name}_dataloader")(), name)
                trains = stage == "fit"
                weights = self._class_weight if trains else None
                return as_batches(loader, steps=self._steps, class_weight=weights, trains=trains)
        wanted = " or ".join(f"`{name}_dataloader`" for name in names)
        raise DataError(f"the DataModule needs a method {wanted}. Received: {type(self.users).__name__} without")


class _Packed:
    """Batches as the user's hooks know them: x, (x, y) or (x, y, sample_weight)."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __iter__(self) -> Any:
        return (packed(*batch) for batch in self._loader)

    def __len__(self) -> int:
        return len(self._loader)


def has_own(datamodule: Any, name: str) -> bool:
    """Whether a DataModule, or its class, has a method of its own; Lightning's would raise an error or do nothing."""
    base = next(cls for cls in type(datamodule).__mro__ if cls.__name__ == "LightningDataModule")
    return name in vars(datamodule) or getattr(type(datamodule), name) is not getattr(base, name)


def _single(loader: Any, name: str) -> Any:
    if isinstance(loader, list | tuple) and len(loader) == 1:
        return loader[0]
    if isinstance(loader, list | tuple | Mapping) or type(loader).__name__ == "CombinedLoader":
        raise DataError(f"`{name}_dataloader` must return one loader. Received: {type(loader).__name__} of loaders")
    return loader
