"""Optimizer: Keras's arguments and rules around a torch optimizer; a subclass brings the formula of the update."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor
from torch._C._autograd import _profiler_enabled
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from labkeras.errors import InvalidArgumentError
from labkeras.legacy import modern_arguments
from labkeras.naming import auto_name
from labkeras.optimizers.arguments import LearningRate, check_clips, check_counts, check_unknown
from labkeras.optimizers.averages import update_averages
from labkeras.optimizers.batch import Batch, Exemptions, Piece, batches_of, present
from labkeras.optimizers.gradients import accumulated, as_gradient, check_matching, clipped, reduced, refuse_sparse
from labkeras.optimizers.numbers import Fed, Number, Numbers
from labkeras.optimizers.scaling import shrink
from labkeras.serialization import deserialize_keras_object, register_base, serialize_keras_object
from labkeras.variable import Variable

__all__ = ["Optimizer"]

# What a config holds beside name and learning rate, in Keras's order.
_SETTINGS: tuple[str, ...] = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum")
_SETTINGS += ("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps")


class Optimizer(Numbers):
    """Base of all optimizers: a `torch.optim.Optimizer` with Keras's arguments.

    It is made without parameters; `build`, which training calls, attaches them. From then on it is an optimizer like
    any of torch's: Lightning, gradient scalers and torch's learning-rate schedulers take it.

    A subclass makes its tensors in `add_slots` and changes parameters in `update`, a list at a time. Keras's way works
    too: variables made in `build`, and `update_step`, a parameter at a time.

    Args:
        learning_rate: the learning rate: a number, a schedule, or a function without arguments.
        weight_decay: fraction of a parameter, times the learning rate, taken off before its update; `None`: nothing.
        clipnorm: highest norm of a gradient; longer ones are shortened. Only one of the three clips can be given.
        clipvalue: highest absolute value of an element of a gradient.
        global_clipnorm: highest norm of all gradients together.
        use_ema: whether to keep an exponential moving average of the parameters.
        ema_momentum: the part of the old average in the new one, in [0, 1].
        ema_overwrite_frequency: number of updates, at least 1, after which the parameters are replaced by their
            averages; `None`: only when `finalize_variable_values` is called, as training does at its end.
        loss_scale_factor: the factor that `scale_loss` multiplies the loss by; gradients are divided by it.
        gradient_accumulation_steps: number of steps, at least 2, whose gradients are averaged for one update.
        name: its name, made from the class's unless given.

    Raises:
        InvalidArgumentError: if an argument is out of its range, or is not known.

    Example:
        >>> class SignDescent(Optimizer):
        ...     def update(self, params, grads, slots, learning_rate):
        ...         torch._foreach_add_(params, torch._foreach_sign(grads), alpha=-learning_rate)
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = SignDescent(0.5)
        >>> optimizer.apply([torch.tensor([3.0, -4.0])], [weight])
        >>> weight.tolist()
        [0.5, 2.5]
    """

    reduce_gradients: Callable[[list[Tensor]], list[Tensor]] | None = None
    """Makes what the step is to use of gradients, before anything else: their mean over the processes of a run."""

    @property
    def needs_closure(self) -> bool:
        """Whether `step` must be given a function that computes loss and gradients, which it calls more than once.

        Training gives it one that runs the same batch, with the same random numbers, and counts it once.
        """
        return False

    def __init__(
        self,
        learning_rate: LearningRate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        renamed = modern_arguments((type(self).__name__, "Optimizer"), kwargs)
        learning_rate = renamed.pop("learning_rate", learning_rate)
        check_unknown(type(self), renamed)
        check_clips(clipnorm, clipvalue, global_clipnorm)
        check_counts(use_ema, ema_momentum, ema_overwrite_frequency, gradient_accumulation_steps)
        super().__init__(auto_name(type(self).__name__) if name is None else name)
        self._begin_numbers(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._exempt = Exemptions()

    def build(self, variables: Iterable[Any]) -> None:
        """Attaches the parameters; does nothing if there are some already.

        Args:
            variables: parameters, `model.named_parameters()`, or groups as torch has them: dicts with "params" and,
                where they differ from the optimizer's, "lr" and "weight_decay".

        Raises:
            InvalidArgumentError: if there is no parameter.
        """
        if self.built:
            return
        self.attach(variables, {"lr": self._shown_rate()})
        self.param_groups[0]["iterations"] = self._first_iteration
        self.add_slots(self.trainable_variables)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if "lr" in param_group and not isinstance(self._learning_rate, float):
            raise InvalidArgumentError(
                "a group of parameters can have its own `lr` only if `learning_rate` is a number, not a schedule. "
                f"Received: lr={param_group['lr']!r}, learning_rate={self._learning_rate!r}"
            )
        super().add_param_group(param_group)

    def add_slots(self, variables: list[Tensor]) -> None:
        """Makes the tensors that are kept for each of `variables`: a subclass calls this first, then adds its own."""
        if self.use_ema:
            self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self.add_optimizer_variables(variables, "gradient_accumulator")

    def decay_and_update(self, batch: Batch, grads: list[Tensor], learning_rate: Number) -> None:
        """Takes weight decay off the parameters of a batch and updates them; to override where one kernel does both."""
        decay = self.decay_of(batch)
        if decay:
            shrink(batch.decayed, decay, learning_rate)
        self.update(batch.params, grads, batch.slots, learning_rate)

    def decay_of(self, batch: Batch) -> float:
        """The weight decay of a batch: that of its group if it names one; 0 if none of its parameters is to decay."""
        decay = batch.group.get("weight_decay", self.weight_decay)
        return decay if decay is not None and batch.decayed else 0.0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step with the gradients in `parameter.grad`; parameters without one stay as they are, as in torch.

        Args:
            closure: computes the loss and the gradients.

        Returns:
            What `closure` returns.
        """
        # torch wraps every optimizer's `step` in hooks and a range for its profiler, which cost more than a small step.
        if (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
            or _profiler_enabled()
        ):
            return self._observed_step(closure)
        return self._step(closure)

    # Tells torch that hooks and profiler are seen to.
    step.hooked = True  # type: ignore[attr-defined]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters.

        Args:
            set_to_none: whether `parameter.grad` becomes None; otherwise zeros.
        """
        if not set_to_none:
            super().zero_grad(set_to_none=False)
            return
        for group in self.param_groups:
            for param in group["params"]:
                param.grad = None

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Tensor] | None = None) -> None:
        """One step with gradients that are given.

        Args:
            grads: a gradient for each variable; None for those that have none.
            trainable_variables: the variables; all that the optimizer was built with, unless given. The first call may
                build it.

        Raises:
            InvalidArgumentError: if gradients and variables don't match, or there is no gradient at all.
        """
        grads = list(grads)
        if not grads:
            return
        given = {id(param): grad for param, grad in self.matched(grads, trainable_variables)}
        self.step_with([given.get(id(param)) for param in self.trainable_variables])

    def matched(
        self, grads: Sequence[Any], trainable_variables: Iterable[Tensor] | None = None
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Parameters with the gradients that `apply` was given for them, as tensors that kernels take."""
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
        elif not self.built:
            raise InvalidArgumentError(
                "without `trainable_variables`, the optimizer must be built: call `optimizer.build(variables)` first. "
                "Received: trainable_variables=None"
            )
        known = self.trainable_variables
        params = known if trainable_variables is None else trainable_variables
        check_matching(params, grads, known)
        return [(param, as_gradient(grad, param)) for param, grad in zip(params, grads, strict=True)]

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Tensor]]) -> Tensor:
        """`apply` for pairs of gradient and variable; returns `iterations`."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """One step on values that are given: the parameters after it, and `variables` after it.

        Parameters and state of this object stay as they are.

        Args:
            optimizer_variables: values for `variables`, one by one.
            grads: a gradient for each parameter.
            trainable_variables: values for the parameters that the optimizer was built with, one by one.

        Raises:
            NotBuiltError: before the optimizer is built.
            InvalidArgumentError: if the number of values differs.
        """
        params, state = self.trainable_variables, self.variables
        for name, given, own in (
            ("optimizer_variables", optimizer_variables, state),
            ("trainable_variables", trainable_variables, params),
        ):
            if len(given) != len(own):
                raise InvalidArgumentError(
                    f"`{name}` must have a value for each of the {len(own)} variables of {self.name!r}. "
                    f"Received: {len(given)} values"
                )
        before = [*params, *state]
        values = [each.detach().clone() for each in before]
        try:
            _assign(before, [*trainable_variables, *optimizer_variables])
            self.apply(grads, params)
            return [each.detach().clone() for each in params], [each.detach().clone() for each in self.variables]
        finally:
            _assign(before, values)

    def is_traceable(self) -> bool:
        """Whether a compiler may record the step: no code in it but that of labkeras, none of which looks at values."""
        hooks = self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or self.reduce_gradients
        own = type(self).__module__.startswith("labkeras.")
        # torch's schedulers put a `step` of their own on the object.
        return own and type(self).step is Optimizer.step and not hooks and "step" not in vars(self)

    def step_with(self, grads: Sequence[Tensor | None]) -> None:
        """One step with gradients that autograd has just given, without a look at them: `apply` without its checks.

        Args:
            grads: a gradient for each of `trainable_variables`; None for those that have none.
        """
        given = {id(param): grad for param, grad in zip(self.trainable_variables, grads, strict=True)}
        with torch.no_grad():
            pieces = [(batch, [given[id(param)] for param in batch.params]) for batch in self._batches_now()]
            self._apply_and_count(present(pieces))

    @contextmanager
    def recording(self, numbers: Sequence[Tensor]) -> Iterator[Fed]:
        """Within it, a step does all that it does to tensors, for a compiler to record; nothing is counted.

        `numbers` and `count_step` are the rest of a step.

        Args:
            numbers: for each of `numbers()`, a scalar tensor.
        """
        self._fed = Fed(numbers, self.param_groups)
        try:
            yield self._fed
        finally:
            self._fed = None

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss to compute gradients of: times `loss_scale_factor`, if there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list: Iterable[Tensor]) -> None:
        """Replaces the variables by their moving averages, if `use_ema`: training calls it at its end."""
        if not self.use_ema:
            return
        variables = list(var_list)
        if len(variables) != len(self.trainable_variables):
            raise InvalidArgumentError(
                f"`var_list` must hold the {len(self.trainable_variables)} variables of the optimizer. "
                f"Received: {len(variables)} variables"
            )
        with torch.no_grad():
            for variable in variables:
                variable.copy_(self.state[variable]["average"])

    def exclude_from_weight_decay(
        self, var_list: Iterable[Tensor] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Names variables that weight decay leaves alone; to be called before `build`.

        Args:
            var_list: variables.
            var_names: regular expressions; a variable in whose name one is found is left alone. ["bias"]: all biases.
        """
        if self.built:
            raise InvalidArgumentError("this must be called before the optimizer is built. Received: built=True")
        self._exempt = Exemptions(var_list or (), var_names or ())

    @property
    def variables(self) -> list[Variable]:
        """Iterations, learning rate (if a number), then what is kept for the parameters, in Keras's order."""
        rate = [self.learning_rate] if isinstance(self._learning_rate, float) else []
        return [self._iteration_variable(), *rate, *super().variables]  # type: ignore[list-item]  # HostVariable

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer, without its state."""
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": self._current_rate() if isinstance(rate, float) else serialize_keras_object(rate),
            **{name: getattr(self, name) for name in _SETTINGS},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The optimizer that `get_config`, or Keras's, described; `custom_objects`: name → class of other schedules."""
        config = dict(config)
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config["learning_rate"] = deserialize_keras_object(rate, custom_objects, kind="schedules")
        return cls(**config)

    def __repr__(self) -> str:
        arguments = self.get_config()
        if not isinstance(self._learning_rate, float):
            arguments["learning_rate"] = self._learning_rate
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        autograd = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)  # `torch.no_grad` costs 1.5 µs more
        try:
            pieces = [(batch, [param.grad for param in batch.params]) for batch in self._batches_now()]
            self._apply_and_count(present(pieces))
        except RuntimeError as error:
            refuse_sparse(self.trainable_variables, error)
            raise
        finally:
            torch._C._set_grad_enabled(autograd)
        return loss

    _observed_step = torch.optim.Optimizer.profile_hook_step(_step)

    def _batches_now(self) -> list[Batch]:
        if self.changed():
            self._batches = batches_of(self.param_groups, self.state, self._exempt)
        return self._batches

    def _apply_and_count(self, pieces: list[Piece]) -> None:
        if pieces:
            self._apply(pieces)
            self.count_step()

    def _apply(self, pieces: list[Piece]) -> None:
        """All that one step does to tensors, in Keras's order."""
        if self.reduce_gradients is not None:
            pieces = reduced(pieces, self.reduce_gradients)
        batches = pieces
        if self.loss_scale_factor is not None:
            pieces = [(batch, list(torch._foreach_div(grads, self.loss_scale_factor))) for batch, grads in pieces]
        if self.gradient_accumulation_steps:
            pieces = accumulated(pieces, self._batches, self.gradient_accumulation_steps, self._iteration())
        if pieces:
            self._update(clipped(pieces, self.clipnorm, self.global_clipnorm, self.clipvalue))
        if self.use_ema:
            update_averages(self._batches, self.ema_momentum, self.ema_overwrite_frequency, self.updates_done())
        for batch, _ in batches:
            for param, constraint in batch.constrained:
                param.copy_(constraint(param))

    def _update(self, pieces: list[Piece]) -> None:
        if self._fed is not None:
            for batch, grads in pieces:
                self.decay_and_update(batch, grads, self._fed.rate_of(batch.group))
            return
        self._follow_schedule()
        for batch, grads in pieces:
            self.decay_and_update(batch, grads, batch.group["lr"])


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    with torch.no_grad():
        for variable, value in zip(variables, values, strict=True):
            if isinstance(variable, Variable):
                variable.assign(value)
            else:
                variable.copy_(torch.as_tensor(value))


register_base("optimizers", Optimizer)
