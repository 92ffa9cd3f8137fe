"""Compiled: what `compile()` resolved, and the loss and metrics of one batch."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras import losses, metrics, optimizers
from labkeras.distribution.replicas import counted, is_stand_in
from labkeras.errors import DataError, InvalidArgumentError, did_you_mean
from labkeras.nest import flatten
from labkeras.optimizers.torch_optimizer import TorchOptimizer
from labkeras.training.compilation.inductor import missing_compiler

__all__ = ["Compiled", "LazyLogs", "layer_metrics"]

# Names of three things each: which one is meant, the shapes of targets and outputs say.
_CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


class LazyLogs(Mapping[str, Any]):
    """Logs that are computed when somebody looks at them: a progress bar looks ten times a second, not each step."""

    def __init__(self, compute: Callable[[], dict[str, Any]]) -> None:
        self._compute = compute
        self._values: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return True

    def _all(self) -> dict[str, Any]:
        if self._values is None:
            self._values = self._compute()
        return self._values


class Compiled:
    """The optimizer, losses and metrics of a model.

    What depends on the number and shapes of the outputs (which accuracy, which loss for which output) is settled with
    the first batch; everything else, unknown names above all, when it is made.

    Args:
        optimizer, loss, loss_weights, metrics, weighted_metrics: as given to `Model.compile`.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: likewise.
        output_names: names of the outputs, None if the model has no graph.
        is_float16: whether the model's policy is "mixed_float16", whose gradients need a scaled loss.

    Raises:
        UnknownComponentError: for a name that nothing bears.
        InvalidArgumentError: if losses or metrics name outputs that do not exist.
    """

    def __init__(
        self,
        optimizer: Any,
        loss: Any,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: str | bool = "auto",
        auto_scale_loss: bool = True,
        output_names: Sequence[str] | None = None,
        is_float16: bool = False,
    ) -> None:
        if jit_compile not in ("auto", True, False, None):
            raise InvalidArgumentError(
                f"`jit_compile` must be True, False or 'auto'. Received: jit_compile={jit_compile!r}"
            )
        if isinstance(steps_per_execution, bool) or not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise InvalidArgumentError(
                "`steps_per_execution` must be a positive integer. Received: "
                f"steps_per_execution={steps_per_execution!r}"
            )
        if optimizer is None:
            raise InvalidArgumentError("`optimizer` must be a name, a class or an optimizer. Received: optimizer=None")
        if not _are_numbers(loss_weights):
            raise InvalidArgumentError(
                "`loss_weights` must be a number, or a list or dict of numbers. Received: "
                f"loss_weights={loss_weights!r}"
            )
        given = optimizers.get(optimizer)
        assert given is not None  # as `optimizer` is not
        self.given_optimizer: Any = given
        """The optimizer that the user named: what a config of `compile` describes."""
        self.optimizer: Any = given
        if auto_scale_loss and is_float16 and not isinstance(self.optimizer, optimizers.LossScaleOptimizer):
            self.optimizer = optimizers.LossScaleOptimizer(given, name="loss_scale_optimizer")
        self.auto_scale_loss = auto_scale_loss
        self.run_eagerly = run_eagerly
        self.jit_compile = jit_compile is True and _can_compile(run_eagerly)
        """Whether steps are to run as compiled programs."""
        self.programs: Any = None
        """Those programs, once there are some: they outlive the run that made them."""
        self.steps_per_execution = steps_per_execution
        self._names = list(output_names) if output_names is not None else None
        self._loss_spec = _map_named(_known_loss, loss)
        self._loss_weights = loss_weights
        self._metric_specs = _map_named(_known_metric, metrics), _map_named(_known_metric, weighted_metrics)
        self._check_output_names(loss, "loss")
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value is not None and not isinstance(value, list | tuple | dict):
                raise InvalidArgumentError(f"`{argument}` must be a list or a dict. Received: {argument}={value!r}")
            self._check_output_names(value, argument)
        self.loss_tracker = _mean("loss")
        self._output_losses: list[tuple[int, Any, float | None, Any]] | None = None
        self._output_metrics: list[tuple[int, str, Any, bool]] = []
        self._of_layers: list[Any] = []
        self._logged: dict[str, Any] = {}
        self.samples = 1
        """The number of samples in the batch whose numbers the model's own step logs."""
        self.steps: Any = None
        """What does the steps of the run that goes on."""

    def prepared_optimizer(self, model: Any) -> Any:
        """The optimizer, given the trainable weights of the model if it has none yet.

        Raises:
            InvalidArgumentError: if it has others: those of another model, or of fewer layers than are to be trained.
        """
        trainable = getattr(model, "trainable_variables", None)
        weights = list(model.parameters()) if trainable is None else trainable
        if not weights:
            return self.optimizer  # there is nothing that it could be built for
        if not self.optimizer.built:
            self.optimizer.build(weights)
        elif not isinstance(self.given_optimizer, TorchOptimizer):  # which may be made for some weights on purpose
            known = {id(weight) for group in self.optimizer.param_groups for weight in group["params"]}
            unknown = [getattr(weight, "path", "?") for weight in weights if id(weight) not in known]
            if unknown:
                raise InvalidArgumentError(
                    f"the optimizer {self.optimizer.name!r} was made for other weights than those to be trained: "
                    "call `compile` "
                    f"with a new one. Received: {unknown}, which it does not know"
                )
        return self.optimizer

    @property
    def is_settled(self) -> bool:
        """Whether all losses and metrics are made: some wait for the first batch."""
        return self._output_losses is not None or (self._loss_spec, *self._metric_specs) == (None, None, None)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to compute gradients of: times the optimizer's scale, if it has one."""
        scaled: Tensor = self.optimizer.scale_loss(loss)
        return scaled

    # --- one batch ----------------------------------------------------------------------------------------------------

    def total_loss(self, y: Any, y_pred: Any, sample_weight: Any, added: Sequence[Tensor] = ()) -> Tensor:
        """The loss of a batch: those of the outputs, times their weights, and what layers and regularizers add.

        Args:
            y, y_pred, sample_weight: targets, outputs, and weights of the samples; nested as the outputs are.
            added: further losses, scalars.

        Raises:
            DataError: if the targets do not go with the outputs.
        """
        total: Any = None
        if self._loss_spec is not None:
            outputs, targets, weights = self._aligned(y, y_pred, sample_weight)
            if self._output_losses is None:
                self._build(targets, outputs, y_pred)
            for index, loss, factor, tracker in self._output_losses or ():
                if targets[index] is None:
                    raise DataError(f"the loss {loss.name!r} of output {index} needs targets. Received: y=None")
                value = loss(targets[index], outputs[index], weights[index])
                if tracker is not None:
                    tracker.update_state(value.detach(), sample_weight=counted(outputs[index].shape[0]))
                value = value if factor is None else value * factor
                total = value if total is None else total + value
        for loss in added:
            total = loss if total is None else total + loss
        if total is None:
            raise InvalidArgumentError(
                "there is nothing to minimise: no loss was given to `compile`, and no layer adds one. Received: "
                "loss=None"
            )
        return torch.as_tensor(total)

    def update_loss(self, loss: Tensor, samples: int) -> None:
        """Takes the loss of a batch into the mean.

        Args:
            loss: a scalar.
            samples: the number of samples that it is the mean of.
        """
        self.loss_tracker.update_state(loss.detach(), sample_weight=counted(samples))

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Takes a batch into the metrics.

        Args:
            y, y_pred, sample_weight: as for `total_loss`.
        """
        if self._metric_specs == (None, None):
            return
        outputs, targets, weights = self._aligned(y, y_pred, sample_weight)
        if self._output_losses is None:
            self._build(targets, outputs, y_pred)
        if is_stand_in():
            return
        for index, _, metric, weighted in self._output_metrics:
            metric.update_state(targets[index], _detached(outputs[index]), weights[index] if weighted else None)

    def log(self, name: str, value: Any) -> None:
        """Takes a number that the model's own step logs into the mean of that name, weighted by the batch's size.

        Args:
            name: the name of the mean.
            value: a scalar.
        """
        number = torch.as_tensor(value).detach()
        if name not in self._logged:
            self._logged[name] = _mean(name).to(number.device)
        self._logged[name].update_state(number, sample_weight=self.samples)

    def set_aside(self) -> Callable[[], None]:
        """Keeps the state of the metrics for after another use of them; what it returns gives it back."""
        kept = [
            (variable, variable.detach().clone())
            for metric in (*self.metrics, *self._of_layers)
            for variable in getattr(metric, "variables", ())
        ]
        logged = self._logged

        def take_back() -> None:
            self._logged = logged
            for variable, value in kept:
                variable.assign(value)

        return take_back

    @contextlib.contextmanager
    def synced(self) -> Iterator[None]:
        """Within it, metrics give results over all processes of a run, which wait for each other."""
        with contextlib.ExitStack() as stack:
            for metric in (*self.metrics, *self._of_layers):
                if hasattr(metric, "synced"):  # torchmetrics do it by themselves
                    stack.enter_context(metric.synced())
            yield

    def logs(self) -> dict[str, Any]:
        """The loss and the metrics since they were last reset, by name."""
        logs = {"loss": self.loss_tracker.result()}
        for _, _, _, tracker in self._output_losses or ():
            if tracker is not None:
                _add_result(logs, "", tracker, weighted=False)
        for _, prefix, metric, weighted in self._output_metrics:
            _add_result(logs, prefix, metric, weighted)
        for metric in (*self._of_layers, *self._logged.values()):
            _add_result(logs, "", metric, weighted=False)
        return logs

    def reset(self) -> None:
        """Starts the loss and the metrics anew."""
        self._logged = {}
        for metric in (*self.metrics, *self._of_layers):
            metric.reset_state()

    def unshare(self) -> None:
        """Gives this process state of its own: what is sent to a new process stays in memory that all of them see."""
        for metric in (*self.metrics, *self._of_layers):
            for variable in getattr(metric, "variables", ()):
                variable.data = variable.detach().clone()
        for state in getattr(self.optimizer, "state", {}).values():
            state |= {name: value.clone() for name, value in state.items() if isinstance(value, Tensor)}

    def follow(self, model: torch.nn.Module) -> None:
        """Takes the metrics that layers of a model update into the logs."""
        self._of_layers = layer_metrics(model)

    @property
    def metrics(self) -> list[Any]:
        """All metrics: the loss's mean, those of the outputs' losses, and those given to `compile`."""
        trackers = [tracker for _, _, _, tracker in self._output_losses or () if tracker is not None]
        given = [metric for _, _, metric, _ in self._output_metrics]
        return [self.loss_tracker, *trackers, *given, *self._logged.values()]

    def in_order(self, logs: Mapping[str, Any]) -> Any:
        """Logs as `evaluate` returns them: the loss, metrics as they were given, then the rest by name; one alone as
        a number."""
        given = ["loss", *(metric.name for _, _, metric, _ in self._output_metrics)]
        given += [metric.name for metric in self._of_layers]
        given += [tracker.name for _, _, _, tracker in self._output_losses or () if tracker is not None]
        values = [logs[name] for name in dict.fromkeys([*given, *sorted(logs)]) if name in logs]
        return values[0] if len(values) == 1 else values

    def to(self, device: torch.device) -> None:
        """Moves the metrics to where the model is."""
        for metric in self.metrics:
            metric.to(device)

    # --- which loss and which metrics for which output ----------------------------------------------------------------

    def _aligned(self, y: Any, y_pred: Any, sample_weight: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Outputs, targets and weights as lists of one order."""
        if isinstance(y_pred, Tensor) and not isinstance(y, dict | list | tuple):
            return [y_pred], [y], [sample_weight]
        names = self._output_keys(y_pred)
        outputs = [y_pred[name] for name in names] if isinstance(y_pred, dict) else flatten(y_pred)
        targets = _by_output(y, names, "y")
        if isinstance(sample_weight, dict | list | tuple):
            return outputs, targets, _by_output(sample_weight, names, "sample_weight")
        return outputs, targets, [sample_weight] * len(outputs)

    def _output_keys(self, y_pred: Any) -> list[str]:
        if isinstance(y_pred, dict):
            return sorted(y_pred)
        count = len(flatten(y_pred))
        for names in (self._names, self._keys):
            if names is not None and len(names) == count:
                return names
        return [f"output_{index}" for index in range(count)]

    def _build(self, targets: list[Any], outputs: list[Any], y_pred: Any) -> None:
        keys = self._output_keys(y_pred)
        # Outputs without a name, those of a subclassed model, go by the names of their losses and metrics, as in Keras.
        named = isinstance(y_pred, dict) or keys == self._names or keys == self._keys
        specs = _for_outputs(self._loss_spec, keys, "loss", broadcast=True)
        shapes = [getattr(target, "shape", ()) for target in targets]
        chosen = [
            (index, losses.loss_for(spec, shapes[index], outputs[index].shape))
            for index, spec in enumerate(specs)
            if spec is not None
        ]
        factors = _for_outputs(self._loss_weights, keys, "loss_weights", broadcast=False)
        several = len(chosen) > 1
        labels = keys if named else [_name_of(spec) for spec in specs]
        self._output_losses = [
            (index, loss, factors[index], _mean(f"{labels[index]}_loss") if several else None) for index, loss in chosen
        ]
        self._output_metrics = []
        for spec, weighted in zip(self._metric_specs, (False, True), strict=True):
            for index, listed in enumerate(_metrics_for_outputs(spec, keys)):
                for identifier in listed:
                    metric = metrics.metric_for(identifier, shapes[index], outputs[index].shape)
                    prefix = f"{keys[index]}_" if named and len(outputs) > 1 else ""
                    self._output_metrics.append((index, prefix, metric, weighted))
        device = outputs[0].device
        if device.type != "cpu":
            self.to(device)

    @property
    def _keys(self) -> list[str] | None:
        """The outputs' names of a subclassed model that returns a dict, as far as losses and metrics name them."""
        for spec in (self._loss_spec, *self._metric_specs):
            if isinstance(spec, dict):
                return sorted(spec)
        return None

    def _check_output_names(self, spec: Any, argument: str) -> None:
        if self._names is None or not isinstance(spec, dict):
            return
        for name in spec:
            if name not in self._names:
                raise InvalidArgumentError(
                    f"`{argument}` names an output that the model does not "
                    f"have.{did_you_mean(str(name), self._names)} Its outputs: "
                    f"{self._names}. Received: {name!r}"
                )


def _detached(output: Tensor) -> Tensor:
    """An output without its history, but with its mask, which metrics look for."""
    detached = output.detach()
    mask = getattr(output, "_keras_mask", None)
    if mask is not None:
        detached._keras_mask = mask  # type: ignore[attr-defined]  # where Keras keeps it
    return detached


def _can_compile(run_eagerly: bool) -> bool:
    """Whether `jit_compile=True` can be as it was asked for; warns if it cannot."""
    obstacle = "`run_eagerly=True` asks for the contrary" if run_eagerly else missing_compiler()
    if obstacle is not None:
        # 4: past this function, the constructor and `Model.compile`.
        warnings.warn(f"`jit_compile=True` has no effect: {obstacle}.", stacklevel=4)
    return obstacle is None


def _are_numbers(structure: Any) -> bool:
    leaves = [leaf for leaf in flatten(structure) if leaf is not None]
    return all(isinstance(leaf, int | float | np.number | Tensor) and not isinstance(leaf, bool) for leaf in leaves)


def layer_metrics(model: torch.nn.Module) -> list[Any]:
    """The metrics that are attributes of a model and its layers."""
    return [one for one in model.modules() if hasattr(one, "update_state") and hasattr(one, "reset_state")]


def _mean(name: str) -> Any:
    return metrics.Mean(name=name)


def _name_of(loss: Any) -> str:
    """The name of a loss as it was given to `compile`."""
    return loss if isinstance(loss, str) else str(getattr(loss, "name", None) or getattr(loss, "__name__", "loss"))


def _map_named(function: Callable[[Any], Any], spec: Any) -> Any:
    """`function` of each identifier in a list, dict or nested list; a config is one identifier."""
    if isinstance(spec, list | tuple):
        return [_map_named(function, item) for item in spec]
    if isinstance(spec, dict) and "class_name" not in spec:
        return {name: _map_named(function, item) for name, item in spec.items()}
    return None if spec is None else function(spec)


def _known_loss(identifier: Any) -> Any:
    """The identifier, once it is sure that it means a loss; which one can depend on the shapes of the outputs."""
    if not (isinstance(identifier, str) and identifier.lower() in _CHOSEN_BY_SHAPE):
        losses.get(identifier)
    return identifier


def _known_metric(identifier: Any) -> Any:
    """The same for a metric."""
    if not (isinstance(identifier, str) and identifier.lower() in _CHOSEN_BY_SHAPE):
        metrics.get(identifier)
    return identifier


def _for_outputs(spec: Any, keys: list[str], argument: str, broadcast: bool) -> list[Any]:
    """What a specification says for each output: one for all, by position, or by name."""
    if spec is None:
        return [None] * len(keys)
    if isinstance(spec, dict):
        unknown = [name for name in spec if name not in keys]
        if unknown:
            raise InvalidArgumentError(
                f"`{argument}` names outputs that the model does not have. Its outputs: {keys}. Received: {unknown}"
            )
        return [spec.get(name) for name in keys]
    if isinstance(spec, list | tuple):
        if len(spec) != len(keys):
            raise InvalidArgumentError(
                f"`{argument}` must have an item for each of the {len(keys)} outputs {keys}. Received: "
                f"{len(spec)} item(s)"
            )
        return list(spec)
    if not broadcast and len(keys) > 1:
        raise InvalidArgumentError(f"`{argument}` must be a list or dict. Received: {argument}={spec!r}")
    return [spec] * len(keys)


def _metrics_for_outputs(spec: Any, keys: list[str]) -> list[list[Any]]:
    if spec is None:
        return [[] for _ in keys]
    if len(keys) == 1:
        return [flatten(spec)]
    return [flatten(part) if part is not None else [] for part in _for_outputs(spec, keys, "metrics", broadcast=False)]


def _by_output(values: Any, names: list[str], argument: str) -> list[Any]:
    if isinstance(values, dict):
        unknown = [name for name in values if name not in names]
        if unknown:
            raise DataError(
                f"`{argument}` names outputs that the model does not have. Its outputs: {names}. Received: {unknown}"
            )
        return [values.get(name) for name in names]
    listed = flatten(values) if isinstance(values, list | tuple) else [values]
    if len(listed) != len(names):
        if listed == [None]:
            return [None] * len(names)
        raise DataError(
            f"`{argument}` must have an item for each of the {len(names)} outputs {names}. Received: "
            f"{len(listed)} item(s)"
        )
    return listed


def _add_result(logs: dict[str, Any], prefix: str, metric: Any, weighted: bool) -> None:
    result, name = metric.result(), f"{prefix}{metric.name}"
    if isinstance(result, dict):
        logs.update(result)
        return
    if name in logs and weighted:
        name = f"{prefix}weighted_{metric.name}"
    unique, count = name, 0
    while unique in logs:
        count += 1
        unique = f"{name}_{count}"
    logs[unique] = result
