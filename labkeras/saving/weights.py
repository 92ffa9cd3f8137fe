"""From a model's variables to a file and back: everything is compared before anything is changed."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import standardize_dtype
from labkeras.errors import FileFormatError, LabkerasError, SerializationError
from labkeras.random import SeedGenerator
from labkeras.saving.hdf5 import Stored, WeightsReader, WeightsWriter
from labkeras.saving.own_variables import array_of, has_own_format, own_variables
from labkeras.saving.parts import parts

__all__ = ["fill_new_model", "read_weights", "write_weights"]

_MOST_FAULTS = 10
# What an optimizer has before it is built: its iterations and its learning rate.
_UNBUILT = 2


def write_weights(model: Any, writer: WeightsWriter, skipped: Iterable[Any] = ()) -> None:
    """Writes the variables of a model and of all its parts.

    Args:
        model: the model.
        writer: writes into the file.
        skipped: parts to leave out.
    """
    for place, part in parts(model, skipped):
        name = getattr(part, "name", None)
        store: dict[str, Any] = {}
        if has_own_format(part):
            part.save_own_variables(store)
        else:
            store = {str(number): variable for number, variable in enumerate(own_variables(part))}
        values = {str(key): array_of(value) for key, value in store.items()}
        writer.write(place, name if isinstance(name, str) else None, values)


def fill_new_model(model: Any, reader: WeightsReader, path: str) -> None:
    """Takes the variables of a model that nobody has yet from a file: one after the other, to spare memory.

    Args:
        model: the model, built; not to be used if this raises.
        reader: reads from the file.
        path: the file's name, for messages.

    Raises:
        FileFormatError: if something does not fit or cannot be read.
    """
    plan = _Plan.of(model, reader)
    if plan.faults:
        raise FileFormatError(_report(plan.faults, model, path, ""))
    plan.carry_out(((variable, _as_tensor(stored.read())) for variable, stored in plan.copies), path)


def read_weights(
    model: Any, reader: WeightsReader, path: str, skipped: Iterable[Any] = (), skip_mismatch: bool = False
) -> None:
    """Takes the variables of a model and of all its parts from a file; all are read before one is changed.

    Args:
        model: the model, built.
        reader: reads from the file.
        path: the file's name, for messages.
        skipped: parts that keep their variables.
        skip_mismatch: whether parts that do not fit keep their variables, with a warning.

    Raises:
        FileFormatError: if something does not fit or cannot be read; the model is as it was then.
    """
    plan = _Plan.of(model, reader, skipped)
    if plan.faults and not skip_mismatch:
        raise FileFormatError(_report(plan.faults, model, path, "Nothing was changed."))
    if plan.faults:
        warnings.warn(_report(plan.faults, model, path, "These keep their values."), stacklevel=4)
    plan.carry_out([(variable, _as_tensor(stored.read())) for variable, stored in plan.copies], path)


@dataclass
class _Plan:
    """What is to be read into what; faults are noted, and nothing of the part that they are in is read."""

    copies: list[tuple[Tensor, Stored]] = field(default_factory=list)
    optimizers: list[tuple[Any, dict[str, Stored]]] = field(default_factory=list)
    own_formats: list[tuple[Any, dict[str, Stored]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: Any, reader: WeightsReader, skipped: Iterable[Any] = ()) -> "_Plan":
        """What is to be read for a model."""
        plan = cls()
        for place, part in parts(model, skipped):
            plan._add(place, part, reader)
        return plan

    def _add(self, place: str, part: Any, reader: WeightsReader) -> None:
        stored = reader.variables(place)
        if isinstance(part, torch.optim.Optimizer):
            self._add_optimizer(place, part, stored or {})
        elif has_own_format(part):
            self.own_formats.append((part, stored or {}))
        elif not (isinstance(part, SeedGenerator) and stored is None):  # Keras 3 does not save seeds
            self._add_part(place, part, stored or {})

    def carry_out(self, values: Iterable[tuple[Tensor, Tensor]], path: str) -> None:
        """Puts values into place; back out of layers of the user's, if one of them raises.

        Args:
            values: variables, with what was read for them.
            path: the file's name, for messages.
        """
        states = [
            (optimizer, {key: stored.read() for key, stored in found.items()}) for optimizer, found in self.optimizers
        ]
        with _undone_by_errors(self.own_formats, path):
            for part, found in self.own_formats:
                part.load_own_variables(_Values(found))
        with torch.no_grad():
            for variable, tensor in values:
                variable.copy_(tensor)
        for optimizer, arrays in states:
            _load_state(optimizer, arrays)

    def _add_part(self, place: str, part: Any, stored: Mapping[str, Stored]) -> None:
        own = own_variables(part)
        if set(stored) != {str(number) for number in range(len(own))}:
            unbuilt = (
                "" if own or getattr(part, "built", True) else ": it is not built, so that its weights do not exist yet"
            )
            self.faults.append(
                f"{place or 'the model'} ({_name(part)}) has {len(own)} variable(s), the file {len(stored)}{unbuilt}"
            )
            return
        pairs = [(variable, stored[str(number)]) for number, variable in enumerate(own)]
        faults = [fault for variable, found in pairs for fault in _misfit(variable, found, part)]
        self.faults += faults
        if not faults:
            self.copies += pairs

    def _add_optimizer(self, place: str, optimizer: Any, stored: dict[str, Stored]) -> None:
        variables = optimizer.variables
        if len(stored) != len(variables):
            if len(stored) > _UNBUILT:
                # Keras goes on as well: weights are loaded, training starts with a fresh state.
                warnings.warn(
                    f"the state of the optimizer {optimizer.name!r} is not loaded: it has {len(variables)} variables, "
                    f"{place!r} in the file {len(stored)}.",
                    stacklevel=5,
                )
            return
        pairs = [(variable, stored.get(str(number))) for number, variable in enumerate(variables)]
        if any(found is None for _, found in pairs):
            self.faults.append(f"{place} must have variables numbered from 0. The file has {sorted(stored)[:10]}")
            return
        faults = [fault for variable, found in pairs if found for fault in _misfit(variable, found, optimizer)]
        self.faults += faults
        if not faults:
            self.optimizers.append((optimizer, stored))


def _load_state(optimizer: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    """Files keep the learning rate in 32 bits: if the config has it in full, and both agree, that one stays."""
    rate = None
    with contextlib.suppress(SerializationError):  # an optimizer of torch
        rate = getattr(optimizer, "inner_optimizer", optimizer).get_config().get("learning_rate")
    optimizer.load_own_variables(arrays)
    if isinstance(rate, float) and np.float32(rate) == np.float32(optimizer.learning_rate.item()):
        optimizer.learning_rate = rate


class _Values(Mapping[str, Any]):
    """The variables of a part by name, read when they are asked for: what `load_own_variables` is given."""

    def __init__(self, stored: dict[str, Stored]) -> None:
        self._stored = stored

    def __getitem__(self, key: str) -> np.ndarray[Any, Any]:
        return self._stored[key].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def _misfit(variable: Any, stored: Stored, part: Any) -> list[str]:
    """What keeps a variable from being read, before it is: its shape or its kind of numbers."""
    path = getattr(variable, "path", None) or f"a weight of {_name(part)}"
    if tuple(variable.shape) != stored.shape:
        return [f"{stored.place} ({path}): the model has the shape {tuple(variable.shape)}, the file {stored.shape}"]
    kinds = {"f": "f", "c": "c", "b": "b", "i": "iu", "u": "iu"}
    dtype = standardize_dtype(variable.dtype)
    wanted = kinds["f" if dtype == "bfloat16" else np.dtype(dtype).kind]
    if stored.kind not in wanted:
        return [f"{stored.place} ({path}): the model has {dtype}, the file another kind of values, {stored.kind!r}"]
    return []


def _as_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))


@contextlib.contextmanager
def _undone_by_errors(own_formats: list[tuple[Any, dict[str, Stored]]], path: str) -> Iterator[None]:
    before = [(variable, variable.detach().clone()) for part, _ in own_formats for variable in own_variables(part)]
    try:
        yield
    except Exception as error:
        with torch.no_grad():
            for variable, values in before:
                variable.copy_(values)
        if isinstance(error, FileFormatError):
            raise
        kind = "" if isinstance(error, LabkerasError) else f"{type(error).__name__}: "
        raise FileFormatError(
            f"{path}: a layer could not load its variables, nothing was changed: {kind}{error}"
        ) from error


def _name(part: Any) -> str:
    return f"{type(part).__name__} {getattr(part, 'name', '')!r}"


def _report(faults: list[str], model: Any, path: str, outcome: str) -> str:
    more = f"\n  … and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    lines = "".join(f"\n  - {fault}" for fault in faults[:_MOST_FAULTS])
    return f"{path} does not fit the model {getattr(model, 'name', '')!r}. {outcome}{lines}{more}"
