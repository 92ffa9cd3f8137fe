"""The learning rates of a model's optimizer, as the callbacks that change them see them."""

from collections.abc import Iterator
from typing import Any

__all__ = ["learning_rate_logs", "named_optimizers"]


def named_optimizers(model: Any) -> Iterator[tuple[str, Any]]:
    """The optimizers that have a learning rate: an empty name and the model's, or each within it by its name."""
    optimizer = model.optimizer
    several = getattr(optimizer, "optimizers", None)
    if several is None:
        yield "", optimizer
    else:
        yield from ((one.name, one) for one in several)


def learning_rate_logs(model: Any) -> dict[str, float]:
    """What goes into the logs: "learning_rate", or one for each of several optimizers: "learning_rate_adam"."""
    return {
        f"learning_rate_{name}" if name else "learning_rate": float(optimizer.learning_rate)
        for name, optimizer in named_optimizers(model)
    }
