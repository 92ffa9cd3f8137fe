"""SettledCall: the shortest way through a functional model, for the steps of training, evaluation and prediction."""

from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn.modules import module as torch_module

from labkeras.layers.calling import call_eagerly, calls, clear_losses

if TYPE_CHECKING:
    from labkeras.models.model import Model

__all__ = ["SettledCall"]


class SettledCall:
    """Calls a functional model of one input without the conversions and checks of `Layer.__call__`.

    What those would find out of each batch of a run is looked at here in one condition; a batch that is different, or a
    hook that somebody has put on the model, takes the long way.

    Args:
        model: a model that has a graph, and was called before.
    """

    def __init__(self, model: "Model") -> None:
        function, reader = model._function, model._reader
        assert function is not None
        assert reader is not None
        self._model = model
        self._function = function
        self._dtype, self._sample_shape = reader.only_input

    @classmethod
    def of(cls, model: "Model") -> "SettledCall | None":
        """The way through a model; None where there is more to its call than its graph."""
        plain = (
            model._function is not None
            and len(model._function.inputs) == 1
            and not isinstance(model._function.inputs_structure, dict | list | tuple)
            and not model._function.has_masks
            and model._called
            and model._is_called_as_a_graph
            and model.activity_regularizer is None
            and not model.dtype_policy.is_mixed
        )
        return cls(model) if plain else None

    def __call__(self, x: Any, training: bool) -> Any:
        """The outputs for a batch."""
        model = self._model
        if (
            type(x) is not Tensor
            or x.dtype is not self._dtype
            or x.shape[1:] != self._sample_shape
            or x.__dict__  # a mask
            or model.training is not training
            or model._function is not self._function
            or model._forward_hooks
            or model._forward_pre_hooks
            or model._backward_hooks
            or model._backward_pre_hooks
            or torch_module._global_forward_hooks
            or torch_module._global_forward_pre_hooks
        ):
            return call_eagerly(model, (x,), {"training": training})
        if model._loss_owners:
            clear_losses(model)
        outer_training, outer_root = calls.training, calls.root
        calls.training, calls.root = training, model
        try:
            return self._function.forward(model, x, training)  # type: ignore[misc]  # it is lowered
        finally:
            calls.training, calls.root = outer_training, outer_root
