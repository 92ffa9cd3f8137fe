"""Sharding: a model's weights split among processes while a run lasts, as a `ModelParallel` says.

A weight that is split along the axis of the batches is torch's `fully_shard` (FSDP2): its layer puts it together when
it computes, and gradients are averaged part by part. One that is split along another axis is a `DTensor`: `Dense`
multiplies with its part of it, and other layers put it together. The optimizer knows nothing of that: the variables
that it was built with, and its own state, hold this process's parts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributed._composable_state import _module_state_mapping
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from labkeras.distribution import replicas
from labkeras.distribution.setting import Distribution
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.layers.core.dense import Dense
from labkeras.nest import map_structure
from labkeras.optimizers.wrapper import innermost
from labkeras.variable import Variable

__all__ = ["ShardedWeights"]

# Optimizers whose update of one number depends on the others of its weight, of which a process has only some.
_NEEDS_WHOLE = ("Adafactor", "Lamb", "Muon")


@dataclass
class _Weight:
    """A variable, and the tensor that stands in its place in a module."""

    module: torch.nn.Module
    name: str
    variable: Variable
    sharded: Any = None
    strides: tuple[int, ...] = ()
    is_averaged: bool = False
    """Whether FSDP2 averages its gradient over the replicas."""


@dataclass
class _Dress:
    """What a module wears while its weights are split: a class and hooks of its own."""

    module: torch.nn.Module
    plain: tuple[type, dict[str, Any]]
    worn: tuple[type, dict[str, Any]] | None = None
    attributes: set[Any] = field(default_factory=set)


class ShardedWeights:
    """The weights of a model in parts, and whole again.

    Args:
        model: a built model.
        distribution: the layouts of its weights.
        optimizer: the optimizer, built with the whole weights; None if nothing is trained.

    Raises:
        UnsupportedArgumentError: if the optimizer, or a constraint, needs whole weights.
    """

    def __init__(self, model: torch.nn.Module, distribution: Distribution, optimizer: Any = None) -> None:
        self.model = model
        self.optimizer = optimizer
        self._distribution = distribution
        self._weights = [
            _Weight(module, name, weight, strides=weight.stride())
            for module in model.modules()
            for name, weight in module._parameters.items()
            if isinstance(weight, Variable)
        ]
        self._axes = {id(weight.variable): self._axes_of(weight.variable) for weight in self._weights}
        self._check()
        self._dresses = [_Dress(module, _looks(module), attributes=set(vars(module))) for module in model.modules()]
        self._split()

    # --- from whole to parts, and back --------------------------------------------------------------------------------

    def gather(self) -> None:
        """Makes weights and optimizer state whole, in each process. All must call it."""
        for dress in self._dresses:
            if isinstance(dress.module, FSDPModule):
                dress.module.reshard()
            dress.worn = _looks(dress.module)
            _put_on(dress.module, dress.plain)
        with torch.no_grad():
            for weight in self._parts():
                for state in self._states(weight.variable):
                    state.data = _laid_out(_whole(state, weight.sharded), weight.strides)
                weight.variable.data = _laid_out(weight.sharded.full_tensor(), weight.strides)
        for weight in self._weights:
            weight.module._parameters[weight.name] = weight.variable

    def scatter(self) -> None:
        """Splits weights and optimizer state as they are now. No process waits for another."""
        with torch.no_grad():
            for weight in self._parts():
                for state in self._states(weight.variable):
                    state.data = _part(state, weight.sharded)
                local = weight.sharded.to_local()
                local.copy_(_part(weight.variable, weight.sharded))
                weight.variable.data = local
        for weight in self._weights:
            if weight.sharded is not None:
                weight.module._parameters[weight.name] = weight.sharded
        for dress in self._dresses:
            if dress.worn is not None:
                _put_on(dress.module, dress.worn)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within it, weights and optimizer state are whole, to be looked at, saved or changed."""
        self.gather()
        try:
            yield
        finally:
            self.scatter()

    def end(self) -> None:
        """Makes everything whole, and leaves no trace."""
        self.gather()
        for dress in self._dresses:
            for name in set(vars(dress.module)) - dress.attributes:
                if not isinstance(name, str) or "fsdp" in name or "composable" in name or len(name) > 60:
                    vars(dress.module).pop(name)
            _module_state_mapping.pop(dress.module, None)

    # --- gradients ----------------------------------------------------------------------------------------------------

    def take_gradients(self) -> None:
        """Gives the variables the gradients of their parts, the mean over all replicas."""
        with torch.no_grad():
            for weight in self._parts():
                gradient, weight.sharded.grad = weight.sharded.grad, None
                if gradient is not None:
                    gradient = gradient.redistribute(placements=weight.sharded.placements).to_local()
                weight.variable.grad = gradient
            averaged = {id(weight.variable) for weight in self._weights if weight.is_averaged}
            rest = [weight.variable for weight in self._unique() if id(weight.variable) not in averaged]
            rest = [variable for variable in rest if variable.grad is not None]
            means = replicas.averaged([variable.grad for variable in rest if variable.grad is not None])
            for variable, mean in zip(rest, means, strict=True):
                variable.grad = mean

    def clip_by_norm(self, limit: float) -> None:
        """Shortens all gradients together to the norm `limit`, as `torch.nn.utils.clip_grad_norm_` does."""
        squares = torch.zeros(())
        for weight in self._unique():
            gradient = weight.variable.grad
            if gradient is None:
                continue
            square = gradient.float().square().sum()
            squares = squares.to(square.device)
            if weight.sharded is not None:
                square = _whole_sum(square, weight.sharded)
            squares = squares + square
        factor = (limit / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for weight in self._unique():
            if weight.variable.grad is not None:
                weight.variable.grad.mul_(factor.to(weight.variable.grad.dtype))

    # --- how ----------------------------------------------------------------------------------------------------------

    def _axes_of(self, variable: Variable) -> tuple[str | None, ...]:
        return self._distribution.get_variable_layout(variable).axes

    def _check(self) -> None:
        optimizer, inner = self.optimizer, innermost(self.optimizer)
        kind = type(inner).__name__
        clips = getattr(inner, "clipnorm", None) or getattr(inner, "global_clipnorm", None)
        if kind in _NEEDS_WHOLE or clips or getattr(optimizer, "needs_closure", False):
            raise UnsupportedArgumentError(
                f"with split weights, {type(optimizer).__name__} cannot look at the norms of whole gradients: clip by "
                "`trainer={'gradient_clip_val': …}`, and use another optimizer than Adafactor, Lamb, Muon, or one that "
                f"needs gradients at more than one point. Received: optimizer={optimizer!r}"
            )
        for weight in self._weights:
            variable = weight.variable
            axes = self._axes[id(variable)]
            if len(axes) != variable.ndim:
                raise InvalidArgumentError(
                    f"the layout of {variable.path!r} must have an item for each of its {variable.ndim} axes. "
                    f"Received: axes={axes}"
                )
            if any(axes) and variable.constraint is not None:
                raise UnsupportedArgumentError(
                    f"the constraint of {variable.path!r} needs the whole weight, which is to be split. "
                    f"Received: constraint={variable.constraint!r}"
                )

    def _split(self) -> None:
        mesh = self._distribution.device_mesh
        batch = str(self._distribution.batch_dim_name)
        others = [name for name in mesh.axis_names if name != batch]
        if others:
            self._split_layers(others)
        if any(batch in axes for axes in self._axes.values()):
            self._split_fully(batch)
        with torch.no_grad():
            for weight in self._weights:
                if weight.sharded is None:
                    continue
                if weight.variable.regularizer is not None:
                    weight.sharded.regularizer = _OnWhole(weight.variable.regularizer)
                for state in self._states(weight.variable):
                    if state.ndim and state.shape != weight.sharded.shape:
                        raise UnsupportedArgumentError(
                            f"the state of {type(self.optimizer).__name__} for {weight.variable.path!r} cannot be "
                            f"split as the weight is. Received: state of shape {tuple(state.shape)}"
                        )
                    if state.ndim:
                        state.data = _part(state, weight.sharded)
                weight.variable.data = weight.sharded.to_local()

    def _split_layers(self, axes: list[str]) -> None:
        """Tensor parallelism: the weights of a layer of which one is split along one of `axes` become DTensors."""
        mesh = self._distribution.device_mesh.backend_mesh[tuple(axes)]
        split = {weight.module for weight in self._weights if set(self._axes[id(weight.variable)]) & set(axes)}
        made: dict[int, Any] = {}
        for weight in self._weights:
            if weight.module not in split:
                continue
            variable = weight.variable
            if id(variable) not in made:
                layout = self._axes[id(variable)]
                placements = [Shard(layout.index(name)) if name in layout else Replicate() for name in axes]
                tensor = distribute_tensor(variable.data.contiguous(), mesh, placements)
                made[id(variable)] = torch.nn.Parameter(tensor, requires_grad=variable.requires_grad)
            weight.sharded = weight.module._parameters[weight.name] = made[id(variable)]
        for module in split:
            # What `Dense` computes with, DTensor knows; of other layers that is not sure.
            if type(module) is Dense:
                module.register_forward_pre_hook(_ToParts(mesh), with_kwargs=True)
                module.register_forward_hook(_from_parts)
            else:
                names = [weight.name for weight in self._weights if weight.module is module]
                module.register_forward_pre_hook(_Gathered(names).begin)
                module.register_forward_hook(_Gathered(names).end, always_call=True)

    def _split_fully(self, batch: str) -> None:
        """FSDP2: all weights are kept in parts, a layer's put together while it computes."""
        mesh = self._distribution.device_mesh.backend_mesh[batch]
        for weight in self._weights:
            if weight.sharded is None:
                weight.variable.data = weight.variable.data.contiguous()
        for module in dict.fromkeys(weight.module for weight in self._weights):
            if module is not self.model:
                fully_shard(module, mesh=mesh)
        fully_shard(self.model, mesh=mesh)
        for weight in self._weights:
            weight.sharded, weight.is_averaged = weight.module._parameters[weight.name], True

    def _unique(self) -> list[_Weight]:
        return list({id(weight.variable): weight for weight in self._weights}.values())

    def _parts(self) -> list[_Weight]:
        return [weight for weight in self._unique() if weight.sharded is not None]

    def _states(self, variable: Variable) -> list[Tensor]:
        """What the optimizer keeps for a variable, number by number."""
        kept = getattr(self.optimizer, "state", {}) if getattr(self.optimizer, "built", False) else {}
        found = kept[variable].values() if variable in kept else ()
        return [state for state in found if isinstance(state, Tensor) and state.ndim]


class _OnWhole:
    """A regularizer that gets the whole of a weight."""

    def __init__(self, regularizer: Callable[[Tensor], Tensor]) -> None:
        self._regularizer = regularizer

    def __call__(self, weight: DTensor) -> Tensor:
        return self._regularizer(weight.full_tensor())


class _ToParts:
    """Before a layer that computes in parts: its inputs, which all processes of the mesh have alike, as DTensors."""

    def __init__(self, mesh: Any) -> None:
        self._mesh = mesh

    def __call__(self, module: Any, args: Any, kwargs: Any) -> Any:
        return map_structure(self._shared, args), map_structure(self._shared, kwargs)

    def _shared(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or isinstance(leaf, DTensor):
            return leaf
        return DTensor.from_local(leaf, self._mesh, [Replicate()] * self._mesh.ndim, run_check=False)


def _from_parts(module: Any, args: Any, outputs: Any) -> Any:
    return map_structure(lambda leaf: leaf.full_tensor() if isinstance(leaf, DTensor) else leaf, outputs)


class _Gathered:
    """Around a layer that does not compute in parts: its weights, whole."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def begin(self, module: torch.nn.Module, args: Any) -> None:
        for name in self._names:
            # An attribute of the object itself is found before the parameter of that name.
            vars(module)[name] = module._parameters[name].full_tensor()  # type: ignore[union-attr]  # DTensors

    def end(self, module: torch.nn.Module, args: Any, outputs: Any) -> None:
        for name in self._names:
            vars(module).pop(name, None)


def _looks(module: torch.nn.Module) -> tuple[type, dict[str, Any]]:
    hooks = {name: type(value)(value) for name, value in vars(module).items() if name.startswith("_forward_")}
    return type(module), hooks


def _put_on(module: torch.nn.Module, looks: tuple[type, dict[str, Any]]) -> None:
    module.__class__ = looks[0]
    vars(module).update({name: type(value)(value) for name, value in looks[1].items()})


def _part(whole: Tensor, like: DTensor) -> Tensor:
    """This process's part of a tensor that all have alike, split as `like` is."""
    split = distribute_tensor(whole.detach().contiguous(), like.device_mesh, like.placements, src_data_rank=None)
    return split.to_local().clone()


def _whole(part: Tensor, like: DTensor) -> Tensor:
    """The tensor whose parts the processes have, split as `like` is."""
    tensor = DTensor.from_local(
        part, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )
    return tensor.full_tensor()


def _laid_out(values: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The values in a memory of their own, with these strides."""
    return torch.empty_strided(values.shape, strides, dtype=values.dtype, device=values.device).copy_(values)


def _whole_sum(part: Tensor, like: DTensor) -> Tensor:
    """The sum over the processes that have parts of one tensor, each part once."""
    for index, placement in enumerate(like.placements):
        if not isinstance(placement, Replicate):
            torch.distributed.all_reduce(part, group=like.device_mesh.get_group(index))
    return part
