"""GeneralizedCrossentropy: a cross-entropy that wrong labels disturb less."""

from typing import Any

from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.losses import Loss


class GeneralizedCrossentropy(Loss):
    """Between cross-entropy and absolute error: `(1 - p**q) / q`, where `p` is the probability given to the label.

    Args:
        q: in (0, 1]; towards 0 it is cross-entropy, at 1 absolute error. The larger, the less a wrong label weighs.
        reduction: what becomes of the samples' losses.
        name: its name.
        dtype: the data type that is computed in.

    Shapes:
        y_true: (batch, …) or (batch, …, 1), integers
        y_pred: (batch, …, classes), probabilities

    Reference:
        Z. Zhang and M. R. Sabuncu (2018), "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy
        Labels", https://arxiv.org/abs/1805.07836

    Example:
        >>> GeneralizedCrossentropy(q=1.0)([1], [[0.25, 0.75]])
        tensor(0.2500)
    """

    def __init__(
        self,
        q: float = 0.7,
        reduction: str = "sum_over_batch_size",
        name: str = "generalized_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0 < q <= 1:
            raise InvalidArgumentError(f"`q` must be in (0, 1]. Received: q={q!r}")
        self.q = q

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels = y_true.long() if y_true.ndim == y_pred.ndim else y_true.long().unsqueeze(-1)
        probability = y_pred.gather(-1, labels).squeeze(-1)
        return (1 - probability**self.q) / self.q

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "q": self.q}
