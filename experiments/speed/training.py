"""Training the six models: by `fit` of labkeras or of Keras, and by a loop written by hand."""

from collections.abc import Callable
from typing import Any

from cases import Case

__all__ = ["compiled_model", "fitting", "hand_loop"]


def compiled_model(package: Any, case: Case, **options: Any) -> Any:
    """The model of a case, with Adam, crossentropy and accuracy.

    Args:
        package: labkeras or keras.
        case: which model.
        options: further arguments of `compile`.
    """
    model = case.build(package)
    loss = package.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"], **options)
    return model


def fitting(model: Any, case: Case, **arguments: Any) -> Callable[[], Any]:
    """`fit` on the data of a case, for its epochs."""
    x, y = case.samples()
    return lambda: model.fit(x, y, batch_size=case.batch, epochs=case.epochs, verbose=0, **arguments)


def hand_loop(case: Case) -> Callable[[], None]:
    """The best loop in torch that we know: batches gathered whole, fused Adam, running means kept as tensors."""
    import torch
    import torch.nn.functional as F

    module = case.by_hand().train()
    optimizer = torch.optim.Adam(module.parameters(), eps=1e-7, fused=True)
    x, y = (torch.as_tensor(array) for array in case.samples())

    def run() -> None:
        for _ in range(case.epochs):
            total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for rows in torch.randperm(len(x)).split(case.batch):
                targets = y[rows]
                optimizer.zero_grad()
                logits = module(x[rows])
                loss = F.cross_entropy(logits, targets)
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    total += loss * len(rows)
                    correct += (logits.argmax(-1) == targets).sum()
            total.item(), correct.item()

    return run
