"""KANGrids: in the first epochs, moves the grids of KAN layers to where their inputs are."""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from torch import Tensor

from labkeras.callbacks import Callback
from labkeras.errors import InvalidArgumentError
from labkeras.layers.arguments import fraction, positive_integer
from labkeras.ranges import Fraction, PositiveInt, Range
from labkeras_kan.kan_dense import KANDense

__all__ = ["KANGrids"]


class KANGrids(Callback):
    """Calls `update_grid` of each `KANDense` with inputs that it saw in training, at the end of the first epochs.

    Of layers within layers as well; a model without any is left alone, so that a sweep may have both. It looks at
    inputs through torch's hooks, in those epochs alone.

    Args:
        epochs: how many epochs the grids follow the inputs, a positive integer; afterwards they stay.
        samples: how many inputs of a layer are kept for it, the first ones of the epoch; at least 2.
        adaptivity: 0 for knots at equal distances, 1 for equally many samples between them, in [0, 1].

    Raises:
        InvalidArgumentError: if training does not come by such a layer: a step that was compiled with
            `jit_compile=True` calls no hooks.

    Example:
        >>> from labkeras import Sequential
        >>> model = Sequential([KANDense(4), KANDense(1)])
        >>> model.compile("adam", "mse")
        >>> x = np.random.rand(64, 3).astype("float32") * 10
        >>> _ = model.fit(x, x.sum(1), epochs=1, verbose=0, callbacks=[KANGrids(epochs=1)])
        >>> bool(model.layers[0].grid.max() > 9)
        True
    """

    def __init__(
        self,
        epochs: PositiveInt = 2,
        samples: Annotated[int, Range(at_least=2)] = 2_000,
        adaptivity: Fraction = 0.5,
    ) -> None:
        super().__init__()
        self.epochs = positive_integer(epochs, "epochs")
        self.samples = positive_integer(samples, "samples")
        self.adaptivity = fraction(adaptivity, "adaptivity")
        self._seen: dict[KANDense, list[Tensor]] = {}
        self._hooks: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        if epoch < self.epochs:
            self._seen = {layer: [] for layer in _layers(self.model)}
            self._hooks = [layer.register_forward_pre_hook(self._keeping(layer)) for layer in self._seen]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        if epoch >= self.epochs:
            return
        self._let_go()
        for layer, seen in self._seen.items():
            if not seen:
                raise InvalidArgumentError(
                    f"KANGrids saw no inputs of layer {layer.name!r}: it must take part in training, and the model "
                    f"must not be compiled with `jit_compile=True`. Received: epoch={epoch}"
                )
            layer.update_grid(torch.cat(seen)[: self.samples], self.adaptivity)
            _agree(layer)
        self._seen = {}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        del logs
        self._let_go()  # an epoch may have been broken off

    def _keeping(self, layer: KANDense) -> Callable[[Any, tuple[Any, ...]], None]:
        kept = self._seen[layer]

        def keep(module: Any, args: tuple[Any, ...]) -> None:
            if module.training and sum(map(len, kept)) < self.samples:
                kept.append(args[0].detach().flatten(0, -2).clone())

        return keep

    def _let_go(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


def _layers(model: Any) -> list[KANDense]:
    return [layer for layer in model.modules() if isinstance(layer, KANDense)]


def _agree(layer: KANDense) -> None:
    """Several processes that train together saw other samples each: all take what the first one found."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for weight in (layer.grid, layer.spline_kernel):
            torch.distributed.broadcast(weight.data, 0)
