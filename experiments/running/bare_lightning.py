"""What a sweep is compared with: a LightningModule written by hand, its Trainer without logger, checkpoints or bars."""

import logging
import warnings

import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from labkeras.datasets import digits

__all__ = ["fit_and_test"]

warnings.filterwarnings("ignore", module="pytorch_lightning")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

_HELD_OUT = 0.1  # of the training data, for validation, as conf/train.yaml has it


class Perceptron(pl.LightningModule):
    """conf/model/mlp.yaml by hand."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.net = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(64, 128),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(128, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 10),
        )

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        return self._step(batch, "")

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        self._step(batch, "val_")

    def test_step(self, batch: list[torch.Tensor], index: int) -> None:
        self._step(batch, "test_")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.learning_rate)

    def _step(self, batch: list[torch.Tensor], prefix: str) -> torch.Tensor:
        x, y = batch
        scores = self.net(x / 16)
        loss = F.cross_entropy(scores, y)
        self.log(f"{prefix}loss", loss, on_step=False, on_epoch=True)
        self.log(f"{prefix}accuracy", (scores.argmax(1) == y).float().mean(), on_step=False, on_epoch=True)
        return loss


def fit_and_test(learning_rate: float, seed: int, epochs: int) -> None:
    """One run: trained, validated after each epoch, tested."""
    pl.seed_everything(seed, verbose=False)
    (x, y), (x_test, y_test) = digits.load_data()
    first = int(len(x) * (1 - _HELD_OUT))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    model = Perceptron(learning_rate)
    trainer.fit(model, _batches(x[:first], y[:first], shuffle=True), _batches(x[first:], y[first:]))
    trainer.test(model, _batches(x_test, y_test), verbose=False)


def _batches(x: object, y: object, shuffle: bool = False) -> DataLoader[tuple[torch.Tensor, ...]]:
    tensors = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.int64)
    return DataLoader(TensorDataset(*tensors), batch_size=32, shuffle=shuffle)
