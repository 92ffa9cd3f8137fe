"""What a call would return, without computing values.

The call is made twice, with two different sizes in place of every unknown one: a size of the result that differs
    between the two is unknown. Functions run on torch's "meta" device, which has shapes and no values; a module with
    real weights runs under `FakeTensorMode`, which treats its weights in the same way.
"""

import contextlib
import inspect
import logging
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from labkeras.dtypes import standardize_dtype, to_torch
from labkeras.errors import InvalidInputError
from labkeras.nest import flatten, pack

__all__ = ["NamedResult", "infer", "known_shape", "outside_inference"]

# Divisible by what models divide sizes by (reshapes, strides), and large enough to survive a few poolings.
_MOST_ELEMENTS = 2**30
_TRIAL_SIZES = (240, 480)


def infer(operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], placeholder: type) -> Any:
    """The result of a call on placeholders: placeholders in the structure that the call returns.

    Args:
        operation: a function or module.
        args, kwargs: its arguments, with placeholders anywhere in nested lists, tuples, dicts and slices.
        placeholder: the class of placeholders, `KerasTensor`: `placeholder(shape, dtype)`.

    Returns:
        The structure that the call returns, with a placeholder for each tensor. A Python number that depends on an
        unknown size becomes a placeholder of shape (); one that does not is returned as it is.

    Raises:
        InvalidInputError: if the call fails on tensors of these shapes.
    """
    first, second = (_Trial(number, placeholder).run(operation, args, kwargs) for number in range(2))
    leaves = [_merge(a, b, placeholder) for a, b in zip(flatten(first), flatten(second), strict=True)]
    result = pack(_plain(first), leaves)
    names = getattr(type(first), "__match_args__", ()) if type(first).__module__ == "torch.return_types" else ()
    return NamedResult(result, names) if names else result


class NamedResult(tuple[Any, ...]):
    """What stands for one of torch's results with named parts: `torch.max(x, dim=1).values`."""

    names: tuple[str, ...]

    def __new__(cls, items: Iterable[Any], names: tuple[str, ...] = ()) -> "NamedResult":
        result = super().__new__(cls, items)
        result.names = names
        return result

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("names", ()):
            return self[self.names.index(name)]
        raise AttributeError(f"the result has the parts {self.__dict__.get('names', ())}, not {name!r}")


def outside_inference() -> contextlib.AbstractContextManager[Any]:
    """Within it, tensors are real also while shapes are inferred: a layer that is built then gets real weights."""
    if _running.number is None:
        return contextlib.nullcontext()
    from torch._subclasses.fake_tensor import unset_fake_temporarily  # loaded already: a fake run is under way

    return unset_fake_temporarily()


def known_shape(shape: Any) -> tuple[int | None, ...]:
    """A tensor's shape; while shapes are inferred, with None in place of the sizes that stand for unknown ones."""
    if _running.number is None:
        return tuple(shape)
    return tuple(None if size == _TRIAL_SIZES[_running.number] else int(size) for size in shape)


class _Running(threading.local):
    """Which trial this thread is in, if it is in one."""

    number: int | None = None


_running = _Running()


class _Trial:
    """One of the two calls: the sizes that unknown ones have in it."""

    def __init__(self, number: int, placeholder: type) -> None:
        self.number = number
        self.placeholder = placeholder
        self.shapes: list[Any] = []
        self.has_values = False

    def run(self, operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            with torch.no_grad():
                if _is_pure(operation):
                    return self._run_pure(operation, args, kwargs)
                return self._run_fake(operation, args, kwargs)
        except InvalidInputError:
            raise
        except Exception as error:
            what = operation.__self__ if inspect.ismethod(operation) else operation
            name = getattr(what, "name", None) or getattr(what, "__name__", type(what).__name__)
            shapes = ", ".join(map(str, self.shapes))
            raise InvalidInputError(
                f"{name!r} cannot be applied to placeholders of the shapes {shapes}: {self._explain(error)}"
                f"{_hint(args)}"
            ) from error

    def _run_pure(self, operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        meta_args, meta_kwargs = self.substitute((args, kwargs), "meta")
        try:
            return operation(*meta_args, **meta_kwargs)
        except (NotImplementedError, RuntimeError) as error:
            # What depends on values (`x[x > 0]`, an index that is a placeholder) or names a device: it runs on some
            # values.
            if "meta" not in str(error).lower():
                raise
        self.shapes.clear()
        self.has_values = True
        self._check_affordable(args, kwargs)
        args, kwargs = self.substitute((args, kwargs), None)
        return operation(*args, **kwargs)

    def _check_affordable(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A run on values takes memory: for the elements of placeholders, times what a number may repeat them."""
        leaves = flatten((args, kwargs))
        elements = max((math.prod(self._sizes(one)) for one in leaves if isinstance(one, self.placeholder)), default=1)
        factor = max((abs(one) for one in leaves if isinstance(one, int)), default=1)
        if elements * max(factor, 1) > _MOST_ELEMENTS:
            raise InvalidInputError(
                "the shape of the result depends on values, and finding it out by trying would take too much memory. "
                f"Received: about {elements * max(factor, 1)} elements"
            )

    def _sizes(self, placeholder: Any) -> list[int]:
        return [_TRIAL_SIZES[self.number] if size is None else size for size in placeholder.shape]

    def _run_fake(self, operation: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from torch._subclasses.fake_tensor import FakeTensorMode  # imports sympy; most graphs never need it

        before, _running.number = _running.number, self.number
        # torch logs a failing call with its traceback; here the failure becomes an error of ours.
        log = logging.getLogger("torch._subclasses.fake_tensor")
        was_disabled, log.disabled = log.disabled, True
        try:
            with _at_rest(operation), FakeTensorMode(allow_non_fake_inputs=True):
                args, kwargs = self.substitute((args, kwargs), None)
                return operation(*args, **kwargs)
        finally:
            _running.number, log.disabled = before, was_disabled

    def substitute(self, structure: Any, device: str | None) -> Any:
        """`structure` with a tensor in place of each placeholder; on `device`, where there is one, other tensors
        too."""
        if isinstance(structure, self.placeholder):
            return self._tensor(structure, device)
        if isinstance(structure, torch.Tensor):
            return structure if device is None else structure.detach().to(device)
        if isinstance(structure, dict):
            return {key: self.substitute(value, device) for key, value in structure.items()}
        if isinstance(structure, list | tuple):
            items = [self.substitute(item, device) for item in structure]
            if isinstance(structure, list):
                return items
            return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
        if isinstance(structure, slice):
            parts = (structure.start, structure.stop, structure.step)
            return slice(*(self.substitute(part, device) for part in parts))
        return structure

    def _explain(self, error: Exception) -> str:
        """torch's own words, with None in place of the size that stood for unknown ones."""
        return f"{type(error).__name__}: " + re.sub(rf"\b{_TRIAL_SIZES[self.number]}\b", "None", str(error))

    def _tensor(self, placeholder: Any, device: str | None) -> Any:
        if placeholder.trials is not None:
            return placeholder.trials[self.number]
        self.shapes.append(placeholder.shape)
        shape = self._sizes(placeholder)
        dtype = to_torch(placeholder.dtype)
        return self._values(shape, dtype) if self.has_values else torch.empty(shape, dtype=dtype, device=device)

    def _values(self, shape: list[int], dtype: torch.dtype) -> torch.Tensor:
        """Values of which different numbers are true, or unique, in the two trials; small, to be valid as indices."""
        if self.number == 0:
            return torch.full(shape, dtype.is_floating_point or dtype is torch.bool, dtype=dtype)
        # A third: with a half, twice the size in the second trial would give the number of the first.
        return (torch.arange(math.prod(shape)) % 3 == 1).reshape(shape).to(dtype)


def _is_pure(operation: Any) -> bool:
    """Whether an operation is a function of torch's or Python's: it holds no tensors, so that it runs on any device."""
    if isinstance(operation, torch.nn.Module) or inspect.ismethod(operation):
        return False
    package = (getattr(operation, "__module__", None) or "torch").partition(".")[0]
    return package in ("torch", "_operator", "builtins")


@contextlib.contextmanager
def _at_rest(operation: Any) -> Iterator[None]:
    """Within it, an operation that is or belongs to a module is in eval mode: a trial must not count as a batch in
    its statistics."""
    module = operation if isinstance(operation, torch.nn.Module) else getattr(operation, "__self__", None)
    training = [one for one in module.modules() if one.training] if isinstance(module, torch.nn.Module) else []
    for one in training:
        one.training = False
    try:
        yield
    finally:
        for one in training:
            one.training = True


def _hint(args: tuple[Any, ...]) -> str:
    if not any(argument is None for argument in flatten(args)):
        return ""
    return "\n  Perhaps: an argument is None because `x.shape` holds None for an unknown size; `x.size(0)` works."


def _merge(first: Any, second: Any, placeholder: type) -> Any:
    if isinstance(first, torch.Tensor):
        shape = [a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)]
        return placeholder(shape, standardize_dtype(first.dtype))
    if isinstance(first, int) and not isinstance(first, bool) and first != second:
        size = placeholder((), "int64")
        size.trials = (first, second)
        return size
    return first


def _plain(structure: Any) -> Any:
    """torch's own result tuples (`torch.return_types.max`) as plain tuples, which one can rebuild."""
    if isinstance(structure, dict):
        return {key: _plain(value) for key, value in structure.items()}
    if isinstance(structure, tuple) and not hasattr(structure, "_fields"):
        return tuple(_plain(item) for item in structure)
    if isinstance(structure, list):
        return [_plain(item) for item in structure]
    return structure
