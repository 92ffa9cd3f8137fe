"""ShardedLitModel: the LightningModule of a run whose weights are split among the processes."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from labkeras.distribution.replicas import Place
from labkeras.distribution.setting import Distribution
from labkeras.errors import UnsupportedArgumentError
from labkeras.training.processes import JointLitModel
from labkeras.training.sharding import ShardedWeights

__all__ = ["ShardedLitModel"]


class ShardedLitModel(JointLitModel):
    """Trains a model whose weights are split; callbacks at the ends of epochs and of training see them whole."""

    distribution: Distribution
    """Which weights are split, and how."""
    _sharded: ShardedWeights | None = None

    def place(self) -> Place:
        distribution = self.distribution
        mesh = distribution.device_mesh.backend_mesh[str(distribution.batch_dim_name)]
        rank, count = mesh.get_local_rank(), distribution.num_model_replicas
        return Place(rank, count, self.splits_batches, self.deals, mesh.get_group())

    def configure_model(self) -> None:
        if self._sharded is not None:
            return
        if not self.automatic_optimization:
            raise UnsupportedArgumentError(
                "a model with its own `train_step` cannot be trained with split weights: use DataParallel. "
                f"Received: distribution={self.distribution!r}"
            )
        self.model.to(self.trainer.strategy.root_device)
        optimizer = None
        if self.trainer.state.fn == "fit":
            optimizer = self.compiled.prepared_optimizer(self.model)
        # Not as an attribute of a module, of which it would be a part.
        object.__setattr__(self, "_sharded", ShardedWeights(self.model, self.distribution, optimizer))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ShardedLitModel":
        # The weights were moved before they were split; torch would put others in their place.
        if self._sharded is None:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's is untyped
        return self

    def configure_optimizers(self) -> Any:
        return self.compiled.optimizer

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self._weights.take_gradients()

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        if gradient_clip_val and gradient_clip_algorithm != "value":
            self._weights.clip_by_norm(float(gradient_clip_val))
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_start(self) -> None:
        with self._weights.whole():
            super().on_train_start()

    def on_train_epoch_end(self) -> None:
        with self._weights.whole():
            super().on_train_epoch_end()

    def on_train_end(self) -> None:
        with self._weights.whole():
            super().on_train_end()

    def teardown(self, stage: str) -> None:
        if self._sharded is not None:
            self._sharded.end()
        super().teardown(stage)

    @property
    def _weights(self) -> ShardedWeights:
        assert self._sharded is not None
        return self._sharded
