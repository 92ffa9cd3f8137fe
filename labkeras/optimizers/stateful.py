"""StatefulOptimizer: a torch optimizer that is given its parameters later, and keeps named tensors for each of them.

The names ("momentum", "velocity") and their order are Keras's, so that Keras's archives can be read and written. The
tensors live where torch looks for them, in `optimizer.state[parameter][name]`: `state_dict`, checkpoints and moves
between devices need nothing more. All are made at once, by `build`: a state can be loaded before the first step.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from operator import is_
from typing import Any
from warnings import warn
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from labkeras import initializers
from labkeras.dtypes import standardize_dtype, to_torch
from labkeras.errors import InvalidArgumentError, NotBuiltError
from labkeras.optimizers.optimizer_variable import slot_variable
from labkeras.variable import Variable

__all__ = ["StatefulOptimizer"]

# Not pickled or copied: what is made again when needed, and what torch's schedulers put over the method `step`.
_PASSING = ("_batches", "_seen", "_views", "step")


class _BeforeBuild:
    """Stands on the class for an attribute that `build` sets on the instance; until then, says so."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, optimizer: "StatefulOptimizer | None", owner: type) -> Any:
        if optimizer is None:
            return self
        lacks = "cannot step" if self._name.startswith("_") else f"has no `{self._name}`"
        raise NotBuiltError(
            f"the optimizer {type(optimizer).__name__} {lacks} before it is built: call "
            "`optimizer.build(model.parameters())`, or train a compiled model, which does it. Received: built=False"
        )


@dataclass(slots=True)
class _Seen:
    """The groups, the parameters of each, and the entries of the state, as they were last looked at."""

    groups: list[dict[str, Any]]
    params: list[list[Tensor]]
    entries: list[dict[str, Tensor]]


class StatefulOptimizer(torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose parameters come later, and whose state has names and an order.

    Args:
        name: the first part of the paths of its variables.
    """

    defaults: dict[str, Any] = _BeforeBuild()  # type: ignore[assignment]  # it stands in for the attribute
    param_groups: list[dict[str, Any]] = _BeforeBuild()  # type: ignore[assignment]
    state: Any = _BeforeBuild()
    _optimizer_step_pre_hooks: Any = _BeforeBuild()
    _optimizer_step_post_hooks: Any = _BeforeBuild()
    _optimizer_state_dict_pre_hooks: Any = _BeforeBuild()
    _optimizer_state_dict_post_hooks: Any = _BeforeBuild()
    _optimizer_load_state_dict_pre_hooks: Any = _BeforeBuild()
    _optimizer_load_state_dict_post_hooks: Any = _BeforeBuild()

    def __init__(self, name: str) -> None:
        # torch's own __init__ needs the parameters: `attach` calls it.
        self.name = name
        self.built = False
        # What is in the state, in Keras's order: parameter (or the name of a variable of its own), and slot.
        self._slots: list[tuple[Any, str]] = []
        self._seen: _Seen | None
        self._views: WeakValueDictionary[tuple[Any, str], Variable]
        self._forget()

    def attach(self, variables: Iterable[Any], defaults: dict[str, Any]) -> None:
        """Makes it a torch optimizer of these parameters.

        Args:
            variables: parameters, (name, parameter) pairs, or groups: dicts with "params" and settings of the group.
            defaults: settings of groups that don't name them.

        Raises:
            InvalidArgumentError: if there is no parameter.
        """
        given = list(variables)
        if not given:
            raise InvalidArgumentError("an optimizer needs at least one variable to update. Received: variables=[]")
        super().__init__(given, defaults)
        self.built = True

    def add_slots(self, variables: list[Tensor]) -> None:
        """Makes what is kept for each of `variables`, with `add_optimizer_variables`; nothing unless overridden."""

    @property
    def trainable_variables(self) -> list[Tensor]:
        """The parameters of all groups, in order."""
        return [param for group in self.param_groups for param in group["params"]]

    @property
    def variables(self) -> list[Variable]:
        """What is kept, as variables that share the memory of the state, in Keras's order."""
        paths = self._paths() if self.built else {}
        return [self._view(key, slot, paths) for key, slot in self._slots]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters to train from now on, as torch's method does.

        Args:
            param_group: "params", and settings of the group.
        """
        super().add_param_group(param_group)
        if self.built:
            self.add_slots(self.param_groups[-1]["params"])

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A variable that belongs to no parameter alone.

        Args:
            shape: its shape.
            initializer: its start values: an initializer, or its name.
            dtype: its data type, `floatx` unless given.
            aggregation, layout: kept for Keras's signature; distributed training follows torch.
            name: its name, "variable" unless given.
        """
        del aggregation, layout
        count = sum(isinstance(key, str) for key, _ in self._slots)
        key = f"{name or 'variable'}_{count}"
        self.state[key] = {"value": _start(initializer, tuple(shape), to_torch(dtype))}
        self._slots.append((key, "value"))
        return self._view(key, "value", {})

    def add_variable_from_reference(
        self, reference_variable: Tensor, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A variable of the shape, data type and device of a parameter: its slot `name`.

        Args:
            reference_variable: a parameter that the optimizer was built with.
            name: the slot, "var" unless given.
            initializer: its start values: an initializer, or its name.
        """
        return self._add_slot(reference_variable, name or "var", initializer, self._paths())

    def add_optimizer_variables(
        self, trainable_variables: Iterable[Tensor], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """Slots of all parameters: for the first parameter one of each name, then for the second, …

        Args:
            trainable_variables: parameters that the optimizer was built with.
            name: the slot, or several.
            initializer: start values, of all slots, or a list with those of each: initializers, or their names.

        Returns:
            The list of variables of the slot, or, for several, a tuple of such lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        starts = list(initializer) if isinstance(initializer, list | tuple) else [initializer] * len(names)
        if len(starts) != len(names):
            raise InvalidArgumentError(
                f"there must be as many initializers as names. Received: name={name!r}, initializer={initializer!r}"
            )
        paths = self._paths()
        rows = [
            [self._add_slot(variable, slot, start, paths) for slot, start in zip(names, starts, strict=True)]
            for variable in trainable_variables
        ]
        columns = tuple([row[column] for row in rows] for column in range(len(names)))
        return columns[0] if isinstance(name, str) else columns

    def changed(self) -> bool:
        """Whether parameters or state were exchanged since the last call: torch allows that by hand."""
        seen = self._seen
        if (
            seen is not None
            and _same_objects(self.state.values(), seen.entries)
            and _same_objects(self.param_groups, seen.groups)
            and all(
                _same_objects(group["params"], params) for group, params in zip(seen.groups, seen.params, strict=True)
            )
        ):
            return False
        self._adopt()
        params = [list(group["params"]) for group in self.param_groups]
        self._seen = _Seen(list(self.param_groups), params, list(self.state.values()))
        return True

    def refresh_variables(self) -> None:
        """Points the variables that were handed out to the tensors of the state, which torch may have exchanged."""
        for key, slot in self._slots:
            if (_identity(key), slot) in self._views:
                self._view(key, slot, {})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up, in place, the state that `state_dict` of an optimizer with the same settings gave.

        Raises:
            InvalidArgumentError: if it does not fit; nothing is changed then.
        """
        state, groups = self.state, self.param_groups
        super().load_state_dict(dict(state_dict))
        loaded, self.state = self.state, state
        faults = list(_misfits(state, loaded))
        if "iterations" not in self.param_groups[0]:
            faults.append("its groups have no 'iterations'")
        if faults:
            self.param_groups = groups
            raise InvalidArgumentError(
                f"the state to load is not that of {type(self).__name__} with these settings: {'; '.join(faults)}. "
                f"Received: param_groups={state_dict['param_groups']!r}"
            )
        for key, slots in state.items():
            for slot, tensor in slots.items():
                tensor.copy_(loaded[key][slot])

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Puts the variables into an archive, as arrays under "0", "1", …"""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Takes the variables from an archive; warns, and takes none, if it has another number of them."""
        variables = self.variables
        if len(store) != len(variables):
            warn(
                f"the state of the optimizer {self.name!r} is not loaded: it has {len(variables)} variables, the saved "
                f"one {len(store)}. Build it, with the same settings and model, before loading.",
                stacklevel=2,
            )
            return
        self.set_weights([store[str(index)] for index in range(len(variables))])

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replaces the values of all variables, in the order of `variables`."""
        variables = self.variables
        if len(weights) != len(variables):
            raise InvalidArgumentError(
                f"`weights` must hold an array for each of the {len(variables)} variables of {self.name!r}. "
                f"Received: {len(weights)} arrays"
            )
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    def __getstate__(self) -> dict[str, Any]:
        passing = [name for name in self.__dict__ if name in _PASSING or name.endswith("_hooks")]
        return {name: value for name, value in self.__dict__.items() if name not in passing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
        if self.built:
            super().__setstate__({})

    def _forget(self) -> None:
        self._seen = None
        self._views = WeakValueDictionary()

    def _adopt(self) -> None:
        """Brings the order of the slots up to date with parameters and state that were exchanged."""
        self._slots = [(key, slot) for key, slot in self._slots if slot in self.state.get(key, ())]
        known = {id(key) for key, _ in self._slots}
        for param in self.trainable_variables:
            if id(param) in known:
                continue
            if self.state[param]:
                self._slots += [(param, slot) for slot in self.state[param]]
            else:
                self.add_slots([param])

    def _add_slot(self, param: Tensor, slot: str, initializer: Any, paths: dict[int, str]) -> Variable:
        if id(param) not in paths:
            raise InvalidArgumentError(
                f"the optimizer {self.name!r} was not built with this variable; make a new optimizer for other "
                f"variables. Received: {getattr(param, 'path', type(param).__name__)} of shape {tuple(param.shape)}"
            )
        values = torch.zeros_like(param, memory_format=torch.preserve_format)
        if initializer != "zeros":
            values.copy_(_start(initializer, tuple(param.shape), param.dtype))
        self.state[param][slot] = values
        self._slots.append((param, slot))
        return self._view(param, slot, paths)

    def _view(self, key: Any, slot: str, paths: dict[int, str]) -> Variable:
        """The variable of a slot: the one that was handed out, if somebody still has it."""
        tensor = self.state[key][slot]
        identity = (_identity(key), slot)
        view = self._views.get(identity)
        if view is None:
            name = f"{paths[id(key)]}_{slot}" if isinstance(key, Tensor) else key.rpartition("_")[0]
            view = self._views[identity] = slot_variable(tensor, f"{self.name}/{name}")
        elif view.data_ptr() != tensor.data_ptr():
            view.data = tensor
        return view

    def _paths(self) -> dict[int, str]:
        """id of a parameter → its path, with "_" in place of "/", with which the names of its slots begin."""
        paths: dict[int, str] = {}
        for group in self.param_groups:
            for param, name in zip_longest(group["params"], group.get("param_names", ())):
                path = getattr(param, "path", None) or name or f"param_{len(paths)}"
                paths[id(param)] = str(path).replace("/", "_")
        return paths


def _same_objects(a: Collection[Any], b: Collection[Any]) -> bool:
    return len(a) == len(b) and all(map(is_, a, b))


def _identity(key: Any) -> Any:
    return id(key) if isinstance(key, Tensor) else key


def _start(initializer: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    make = initializers.get(initializer)
    if make is None:
        raise InvalidArgumentError("`initializer` must be an initializer or its name. Received: initializer=None")
    values: Tensor = make(shape, dtype=standardize_dtype(dtype))
    return values


def _misfits(state: Mapping[Any, Mapping[str, Tensor]], loaded: Mapping[Any, Mapping[str, Tensor]]) -> Iterator[str]:
    """What `loaded` lacks of `state`, has in another shape, or has beyond it."""
    for key, slots in state.items():
        others = loaded.get(key, {})
        for slot, tensor in slots.items():
            if slot not in others:
                yield f"it has no {slot!r} for a parameter of shape {tuple(tensor.shape)}"
            elif others[slot].shape != tensor.shape:
                yield f"its {slot!r} has the shape {tuple(others[slot].shape)} in place of {tuple(tensor.shape)}"
        yield from (f"it has {slot!r}, which this optimizer does not keep" for slot in others if slot not in slots)
