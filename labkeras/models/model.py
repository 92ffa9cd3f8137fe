"""Model: a layer that can be compiled, trained, evaluated, saved and looked at."""

import inspect
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import naming, saving, serialization
from labkeras.callbacks.history import History
from labkeras.errors import InvalidArgumentError, LabkerasError, NotCompiledError, did_you_mean
from labkeras.graph.function import Function
from labkeras.graph.input import InputLayer
from labkeras.graph.masked import masked
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers.layer import Layer, LayerOptions, map_shapes
from labkeras.layers.tracking import Holder
from labkeras.legacy import modern_arguments
from labkeras.models.compile_config import compile_config, read_compile_config
from labkeras.models.config import graph_config
from labkeras.models.config_reader import GRAPH_KEYS, has_graph, read_graph, takes_graph
from labkeras.models.functional import InputReader, adopt, name_of, own_constants, with_masks
from labkeras.models.notebook import model_html
from labkeras.models.settled import SettledCall
from labkeras.models.summary import print_summary
from labkeras.nest import map_structure
from labkeras.random import SeedGenerator
from labkeras.training import loops
from labkeras.training.compiled import Compiled
from labkeras.training.data import ready
from labkeras.training.steps import EagerSteps, own_method

__all__ = ["Model"]


class Model(Layer):
    """Layers, grouped into one that can be trained.

    Either functional, from placeholders: `Model(inputs, outputs)`. Or subclassed: layers made in `__init__`, used in
    `call(self, inputs, training=None)`. It is a `torch.nn.Module`; `forward` is torch's way in, calling it is Keras's.

    Args:
        inputs: placeholders (`Input(…)`, or any that a layer returned), alone or in a list or dict.
        outputs: placeholders computed from them, alone or in a list or dict.
        name: its name.

    Raises:
        DisconnectedGraphError: if the outputs do not depend on the inputs alone.

    Example:
        >>> x = Input(shape=(4,))
        >>> model = Model(x, Dense(2)(torch.relu(Dense(8)(x))))
        >>> model(np.ones((3, 4))).shape
        torch.Size([3, 2])
    """

    _is_one_step = False

    def __init__(  # type: ignore[misc]  # `name` may be given by place, as in Keras, and by the options' name
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **base: Unpack[LayerOptions]
    ) -> None:
        if (inputs is None) != (outputs is None):
            missing = "outputs" if outputs is None else "inputs"
            raise InvalidArgumentError(f"a functional model needs `inputs` and `outputs`. Received: {missing}=None")
        if name is None and type(self) is Model and inputs is not None:
            name = naming.auto_name("functional")
        super().__init__(name=name, **base)
        self._compiled: Compiled | None = None
        self._compile_arguments: dict[str, Any] | None = None
        self.stop_training = False
        self._initial_epoch: int | None = None
        self.history: History | None = None
        self._function: Function | None = None
        self._reader: InputReader | None = None
        if inputs is not None:
            self._set_function(Function(inputs, outputs))

    @property
    def _has_graph(self) -> bool:  # type: ignore[override]  # a constant of other layers
        return self._function is not None

    def _graph_masks(self, mask: Any) -> list[KerasTensor | None]:
        """The masks that the results will carry, as placeholders, for inputs with a mask or masks."""
        return (self._graph() if mask is None else self._masked(mask)[0]).masks

    def _masked(self, mask: Any) -> tuple[Function, list[Any]]:
        """The Function for inputs with masks, and the masks that it takes after the inputs."""
        assert self._reader is not None
        masks = self._reader.in_order(mask)
        ranks = tuple(None if one is None else len(one.shape) for one in masks)
        if ranks not in self._masked_functions:
            self._masked_functions[ranks] = function = masked(self._graph(), ranks)
            own_constants(self, function)
        return self._masked_functions[ranks], [one for one in masks if one is not None]

    def _set_function(self, function: Function) -> None:
        adopt(self, function)
        self._function = function
        self._reader = InputReader(function.inputs_structure, self.name)
        self.__dict__["_masked_functions"] = {}
        self.built = True
        self._build_shapes = {"input_shape": map_structure(lambda tensor: tensor.shape, function.inputs_structure)}
        if not self._trainable:
            self.trainable = False

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Computes the outputs; a functional model does it by its generated `code`.

        Args:
            inputs: tensors, nested as the model's inputs are; a dict by the inputs' names is taken as well.
            training: whether layers such as Dropout behave as in training.
            mask: masks of the inputs, nested as they are, with None for inputs without one.
        """
        if self._function is None or self._function.forward is None or self._reader is None:
            raise NotImplementedError(
                f"the model class {type(self).__name__} has neither `inputs` and `outputs` nor `call(self, inputs)`."
            )
        function, masks = (self._function, ()) if mask is None else self._masked(mask)
        outputs = function.forward(self, *self._reader.read(inputs), *masks, training)  # type: ignore[misc]  # it is lowered
        return with_masks(*outputs) if function.has_masks else outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._function is not None and self._reader is not None:
            return self._function.compute_output_spec(self._reader.read(args[0] if args else kwargs["inputs"]))
        if type(self).compute_output_shape is Model.compute_output_shape:
            return self._infer_output_spec(*args, **kwargs)
        return super().compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        inputs = map_shapes(lambda shape: KerasTensor(shape, self.compute_dtype), input_shape)
        return map_structure(lambda tensor: tensor.shape, self.compute_output_spec(inputs))

    def build(self, input_shape: Any) -> None:
        """Makes the weights of a subclassed model, by running it on placeholders of a shape.

        Args:
            input_shape: a shape with the batch axis; nested as the model's inputs are.
        """
        if self.built:
            return
        self.built = True  # first: the run below must not build again
        try:
            self._infer_output_spec(map_shapes(KerasTensor, input_shape))
        except LabkerasError:
            self.built = False
            raise

    # --- structure ----------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The model's layers, in the order of the graph or of their attributes."""
        if self._function is not None:
            return [one for one in self._function.operations if isinstance(one, torch.nn.Module | InputLayer)]
        return _child_layers(self)

    @property
    def operations(self) -> list[Any]:
        """What a functional model calls: its layers and functions, in the order of the graph."""
        return self.layers if self._function is None else list(self._function.operations)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of a name, or at a place in `layers`.

        Raises:
            InvalidArgumentError: if there is none; the message has the nearest names.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise InvalidArgumentError(f"give `name` or `index`, one of them. Received: name={name!r}, index={index!r}")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise InvalidArgumentError(f"model {self.name!r} has {len(layers)} layers. Received: index={index}")
            return layers[index]
        for layer in layers:
            if name_of(layer) == name:
                return layer
        known = [name_of(layer) for layer in layers]
        raise InvalidArgumentError(
            f"model {self.name!r} has no layer named {name!r}.{did_you_mean(str(name), known)} Its layers: {known}"
        )

    @property
    def inputs(self) -> list[KerasTensor]:
        """The placeholders of the inputs, flat."""
        return self._graph().inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The placeholders of the outputs, flat."""
        return self._graph().outputs

    @property
    def input(self) -> Any:
        """The placeholders of the inputs, nested as they were given."""
        return self._graph().inputs_structure

    @property
    def output(self) -> Any:
        """The placeholders of the outputs, nested as they were given."""
        return self._graph().outputs_structure

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs."""
        return map_structure(lambda tensor: tensor.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs."""
        return map_structure(lambda tensor: tensor.shape, self.output)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [tensor.node.name if tensor.node is not None else tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str] | None:
        """The names that losses and metrics of several outputs go by; None for a subclassed model."""
        if self._function is None:
            return None
        if isinstance(self.output, dict):
            return sorted(self.output)
        return _names_of_outputs(self.outputs)

    @property
    def code(self) -> str:
        """The Python code of `forward` that was generated for the graph."""
        return self._graph().code

    def _graph(self) -> Function:
        if self._function is None:
            raise InvalidArgumentError(
                f"model {self.name!r} has no graph: it is subclassed, or its input shape is not known yet. Begin a "
                "Sequential model with `Input(shape)`, or call the model on data."
            )
        return self._function

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints a table of the layers: name, class, output shape, number of weights.

        Args:
            line_length: characters of a line.
            positions: where columns end: fractions of the line, or numbers of characters.
            print_fn: called once with the whole text, in place of printing it.
            expand_nested: whether layers of nested models are listed too.
            show_trainable: whether to say of each layer if it is trainable.
            layer_range: names of the first and last layer to list, or regular expressions that match their beginnings.

        Example:
            >>> texts = []
            >>> Sequential([Input((4,)), Dense(2)], name="small").summary(print_fn=texts.append)
            >>> texts[0].splitlines()[0]
            'Model: "small"'
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def _repr_html_(self) -> str:
        return model_html(self)

    # --- training -----------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: str | bool = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how to train.

        It hides `torch.nn.Module.compile`; `torch.compile(model)` works as ever.

        Args:
            optimizer: name, instance or class; torch's optimizers as well.
            loss: name, instance or function; a list or dict of them for several outputs.
            loss_weights: factors of the losses of several outputs, as a list or dict.
            metrics: list of names, instances or functions; a list of lists or a dict for several outputs.
            weighted_metrics: the same, weighted by `sample_weight`.
            run_eagerly: taken for Keras's sake: nothing is compiled unless asked for.
            steps_per_execution: how many steps to run between looks at callbacks.
            jit_compile: True has torch's compiler make programs of whole steps of training, evaluation and prediction:
                the fastest way to train, once they are made, which takes seconds to a minute. "auto" and False leave
                the model as it is.
            auto_scale_loss: whether a loss-scaling optimizer scales the loss.

        Raises:
            UnknownComponentError: for a name that nothing bears; the message has the nearest ones.
        """
        arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        self._compiled = Compiled(
            **arguments, output_names=self.output_names, is_float16=self.dtype_policy.name == "mixed_float16"
        )
        # Not as an attribute of a module, which would make losses and metrics that are modules part of the model.
        self.__dict__["_compile_arguments"] = arguments

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer given to `compile`; None before."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as it was given to `compile`; None before."""
        return None if self._compile_arguments is None else self._compile_arguments["loss"]

    @property
    def metrics(self) -> list[Any]:
        """The metrics that training updates: the loss's mean first, then those of `compile` and of the layers."""
        own = [module for module in self.modules() if _is_metric(module)]
        return own if self._compiled is None else [*self._compiled.metrics, *own]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Starts all metrics anew."""
        for metric in self.metrics:
            metric.reset_state()

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        trainer: Any = None,
        **legacy: Any,
    ) -> History:
        """Trains the model.

        Args:
            x: arrays or tensors, alone or in a list or dict; or a DataLoader, or any iterable, of batches
                (x, y) or (x, y, sample_weight).
            y: targets, if `x` holds inputs alone.
            batch_size: samples in a batch; 32 unless given.
            epochs: the epoch to stop before, counted from 0.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch, "auto" 1 or 2 by where the output goes.
            callbacks: Keras's and Lightning's callbacks, in one list.
            validation_split: fraction of the samples, the last ones, to validate on, in [0, 1).
            validation_data: (x, y) or (x, y, sample_weight), or an iterable of batches.
            shuffle: whether to put the samples in a new order each epoch.
            class_weight: factor of the loss for each class index.
            sample_weight: factor of the loss for each sample, shape (samples,) or as the targets' first axes.
            initial_epoch: the epoch to begin with, when training goes on.
            steps_per_epoch: batches in an epoch; all of them unless given.
            validation_steps: batches to validate on; all unless given.
            validation_batch_size: samples in a validation batch; `batch_size` unless given.
            validation_freq: validate after each so many epochs.
            trainer: arguments for Lightning's Trainer, as a dict (accelerator, devices, strategy, precision, …), or a
                `pytorch_lightning.Trainer`.

        Returns:
            The `History`; `history.history` maps each log's name to its values, one an epoch.

        Raises:
            NotCompiledError: before `compile`.
            DataError: if the data cannot be used; nothing is trained then.
        """
        renamed = modern_arguments(("fit",), legacy)
        epochs = renamed.pop("epochs", epochs)
        if renamed:
            raise _unknown_arguments("fit", renamed)
        self.history = loops.run_fit(
            self,
            self._ready("fit"),
            x=x,
            y=y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            trainer=trainer,
        )
        return self.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        trainer: Any = None,
        **legacy: Any,
    ) -> Any:
        """The loss and the metrics over data.

        Args:
            x, y, batch_size, verbose, sample_weight, callbacks, trainer: as for `fit`.
            steps: batches to use; all unless given.
            return_dict: whether to return a dict by name in place of a list.

        Returns:
            The loss if there are no metrics, else [loss, metrics…]; or a dict of them.
        """
        renamed = modern_arguments(("evaluate",), legacy)
        steps = renamed.pop("steps", steps)
        if renamed:
            raise _unknown_arguments("evaluate", renamed)
        compiled = self._ready("evaluate")
        logs = loops.run_evaluate(
            self,
            compiled,
            x=x,
            y=y,
            batch_size=batch_size,
            verbose=verbose,
            sample_weight=sample_weight,
            steps=steps,
            callbacks=callbacks,
            trainer=trainer,
        )
        return logs if return_dict else compiled.in_order(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        trainer: Any = None,
        **legacy: Any,
    ) -> Any:
        """The outputs for data, as arrays, nested as the model's outputs are.

        Args:
            x, batch_size, verbose, callbacks, trainer: as for `fit`; of batches with targets only the inputs are used.
            steps: batches to use; all unless given.
        """
        renamed = modern_arguments(("predict",), legacy)
        steps = renamed.pop("steps", steps)
        if renamed:
            raise _unknown_arguments("predict", renamed)
        return loops.run_predict(
            self, x=x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks, trainer=trainer
        )

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One training step on one batch; its loss and metrics."""
        compiled = self._ready("train_on_batch")
        logs = loops.train_on_batch(self, compiled, x, y, sample_weight, class_weight)
        return logs if return_dict else compiled.in_order(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch."""
        compiled = self._ready("test_on_batch")
        logs = loops.test_on_batch(self, compiled, x, y, sample_weight)
        return logs if return_dict else compiled.in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as arrays."""
        return loops.predict_on_batch(self, x)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The loss that training minimises: that of `compile`, those added by layers, and those of regularizers.

        A subclass may override it.
        """
        del x, training
        return self._ready("compute_loss").total_loss(y, y_pred, sample_weight, self.losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into the metrics of `compile`; returns `get_metrics_result()`. A subclass may override it."""
        del x
        self._ready("compute_metrics").update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """The loss and the metrics so far, by name."""
        if own_method(type(self), "metrics"):
            results = {metric.name: metric.result() for metric in self.metrics}
            drawn_out = [value if isinstance(value, dict) else {name: value} for name, value in results.items()]
            return {name: value for part in drawn_out for name, value in part.items()}
        compiled = self._ready("get_metrics_result")
        compiled.follow(self)
        return compiled.logs()

    def train_step(self, data: Any) -> dict[str, Any]:
        """One training step: forward, loss, backward, update, metrics. A subclass may override it.

        With its own it gets what torch offers: `self.zero_grad()`, `loss.backward()`, and
        `self.optimizer.apply(gradients, variables)` or `self.optimizer.step()`.

        Args:
            data: a batch: x, (x, y) or (x, y, sample_weight), as tensors.

        Returns:
            The logs: what `get_metrics_result()` gives, or any other dict of numbers by name.
        """
        steps, compiled = self._running_steps(), self._ready("train_step")
        compiled.prepared_optimizer(self)
        EagerSteps.train(steps, *ready(data))
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        """The loss and metrics of a batch, in evaluation; as for `train_step`."""
        EagerSteps.test(self._running_steps(), *ready(data))
        return self.get_metrics_result()

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch, in prediction; as for `train_step`."""
        return EagerSteps.predict(self._running_steps(), *ready(data))

    def log(self, name: str, value: Any) -> None:
        """Within `training_step` or `validation_step`, Lightning's way to write one: adds a number to the epoch's logs.

        Args:
            name: its name in the logs, where the mean over the epoch's samples stands.
            value: a scalar.
        """
        self._ready("log").log(name, value)

    @property
    def _is_called_as_a_graph(self) -> bool:
        """Whether calling the model runs its graph, and no code of a subclass."""
        return not any(own_method(type(self), name) for name in ("call", "forward", "__call__"))

    def _settled_call(self) -> SettledCall | None:
        return SettledCall.of(self)

    def _running_steps(self) -> EagerSteps:
        running = None if self._compiled is None else self._compiled.steps
        return EagerSteps(self, self._compiled) if running is None else running

    def to_lightning(self) -> Any:
        """The `pytorch_lightning.LightningModule` that trains this model, for a Trainer of one's own."""
        return loops.lightning_module(self, self._ready("to_lightning"))

    # --- saving -------------------------------------------------------------------------------------------------------

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None) -> None:
        """Writes the model to a file: its config, its weights and, if it is compiled, its optimizer's state.

        Args:
            filepath: the file, "….keras". It is written whole or not at all.
            overwrite: whether to replace a file that is there without asking.
            zipped: only True and None are supported.

        Raises:
            SerializationError: if something in the model has no config; nothing is written then.
        """
        saving.save_model(self, filepath, overwrite=overwrite, zipped=zipped)

    def save_weights(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        max_shard_size: float | None = None,
        objects_to_skip: Iterable[Any] | None = None,
    ) -> None:
        """Writes the weights alone to a file.

        Args:
            filepath: the file, "….weights.h5". It is written whole or not at all.
            overwrite: whether to replace a file that is there without asking.
            max_shard_size: not supported yet.
            objects_to_skip: layers and the like that are left out, with all that is in them.
        """
        saving.save_weights(
            self, filepath, overwrite=overwrite, max_shard_size=max_shard_size, objects_to_skip=objects_to_skip
        )

    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        skip_mismatch: bool = False,
        objects_to_skip: Iterable[Any] | None = None,
    ) -> None:
        """Takes the weights from a file that a model of the same architecture was saved to.

        Args:
            filepath: the file, "….weights.h5" or "….keras".
            skip_mismatch: whether layers whose weights do not fit keep theirs, with a warning.
            objects_to_skip: layers and the like that keep their weights.

        Raises:
            FileFormatError: if the file is damaged, or something does not fit; nothing is changed then.
        """
        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, objects_to_skip=objects_to_skip)

    def to_json(self, **kwargs: Any) -> str:
        """The config as JSON, for `models.model_from_json`.

        Args:
            kwargs: further arguments of `json.dumps`, such as `indent=2`.
        """
        return json.dumps(serialization.serialize_whole(self), **kwargs)

    def get_config(self) -> dict[str, Any]:
        """What makes an equal model, without its weights: the graph, or else the arguments of the constructor."""
        if self._function is None or not takes_graph(type(self)):
            return super().get_config()
        return {"name": self.name, "trainable": self.trainable, **graph_config(self._function)}

    get_config.is_default = True  # type: ignore[attr-defined]  # a subclass's config is made of its constructor's arguments

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The model that `get_config`, or Keras's, described; its weights are new.

        Args:
            config: what `get_config` returned.
            custom_objects: name → class or function, for layers that are not registered.

        Raises:
            SerializationError: if something cannot be made again.
        """
        with serialization.custom_object_scope(custom_objects), serialization.sharing():
            if not (has_graph(config) and takes_graph(cls)):
                return super().from_config(config)  # type: ignore[return-value]  # an instance of `cls`
            inputs, outputs = read_graph(config)
            rest = {key: value for key, value in config.items() if key not in GRAPH_KEYS}
            return cls(inputs=inputs, outputs=outputs, **rest)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that a subclassed model was built for; a functional one is built by its config."""
        return {"input_shape": None} if self._function is not None else super().get_build_config()

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was given, as a config; empty before."""
        if self._compiled is None or self._compile_arguments is None:
            return {}
        return compile_config(self._compile_arguments, self._compiled.given_optimizer)

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles the model as `get_compile_config` said, and makes the optimizer's state if the weights are there.

        Args:
            config: what `get_compile_config`, or Keras's, returned.
        """
        self.compile(**read_compile_config(config))
        if self.built and self.optimizer is not None and self.trainable_variables:
            self.optimizer.build(self.trainable_variables)

    @property
    def _keras_name(self) -> tuple[str, str, str] | None:
        """What Keras calls a model that is nothing but its graph."""
        if type(self) is not Model or self._function is None:
            return None
        return "keras.src.models.functional", "Functional", "Functional"

    def _ready(self, method: str) -> Compiled:
        if self._compiled is None:
            raise NotCompiledError(
                f"`{method}` needs a loss and an optimizer: call `model.compile(optimizer=…, loss=…)` first. "
                f"Received: the model {self.name!r}, not compiled"
            )
        return self._compiled

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_masked_functions": {}}

    def _apply(self, fn: Any, recurse: bool = True) -> "Model":
        before = self.compute_dtype
        mixed = [layer for layer in self.modules() if isinstance(layer, Layer) and layer.dtype_policy.is_mixed]
        super()._apply(fn, recurse)
        if self._reader is not None and self.compute_dtype != before:
            self._reader.move(before, self.compute_dtype)
        if self._function is not None and any(not layer.dtype_policy.is_mixed for layer in mixed):
            # Casts to what such layers computed in are part of the code.
            self._function.lower(self._function.attributes, self._function.constants)
        return self


def _names_of_outputs(outputs: list[KerasTensor]) -> list[str]:
    """The names of the layers that made the outputs; a second output of one layer is "name_1"."""
    names: list[str] = []
    for tensor in outputs:
        base = name = tensor.node.name if tensor.node is not None else tensor.name
        count = 0
        while name in names:
            count += 1
            name = f"{base}_{count}"
        names.append(name)
    return names


def _child_layers(module: torch.nn.Module) -> list[Any]:
    """The layers and modules set as attributes, those in lists and dicts among them."""
    layers: list[Any] = []
    for child in module.children():
        if isinstance(child, SeedGenerator) or _is_metric(child):
            continue
        if isinstance(child, Holder):
            layers.extend(_child_layers(child))
        else:
            layers.append(child)
    return list({id(layer): layer for layer in layers}.values())


def _is_metric(module: torch.nn.Module) -> bool:
    return hasattr(module, "update_state") and hasattr(module, "reset_state")


def _unknown_arguments(method: str, unknown: dict[str, Any]) -> InvalidArgumentError:
    known = list(inspect.signature(getattr(Model, method)).parameters)[1:-1]
    hints = "".join(did_you_mean(name, known) for name in unknown)
    given = ", ".join(f"{name}={value!r}" for name, value in unknown.items())
    return InvalidArgumentError(f"`{method}` has no argument {', '.join(map(repr, unknown))}.{hints} Received: {given}")


for _module, _name in (
    ("keras", "Model"),
    ("keras.models", "Model"),
    ("keras.models", "Functional"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.models.model", "Model"),
):
    serialization.register_special(_module, _name, Model)
