"""Quiet: runs without Lightning's lines on hardware and loaders, which a Keras user did not ask for."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hush", "quiet"]

_LOGGERS = ("pytorch_lightning", "lightning_fabric")
# What Lightning remarks on that is as it should be here: one module serves all stages, and keeps predictions itself.
_UNASKED = (
    ".*does not have many workers.*",
    ".*You defined a `validation_step` but have no `val_dataloader`.*",
    ".*predict returned None.*",
    ".*`training_step` returned `None`.*",  # for a batch that a run that is taken up passes over
    ".*LeafSpec.*",
    ".*GPU available but not used.*",
    ".*is smaller than the logging interval.*",
    ".*It is recommended to use `self.log.*sync_dist=True.*",
    ".*use of fork\\(\\) may lead to deadlocks.*",  # Python's; whoever says "ddp_fork" has asked for it
    ".*FSDP2-wrapped module .* returned a view tensor.*",
    ".*`LightningModule.configure_optimizers` returned `None`.*",
    ".*AMP with fp16 is not supported on CPU.*",  # which is an error here
)


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, this process says nothing of the kind."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            hush()
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def hush() -> None:
    """From now on, this process says nothing of the kind."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    for message in _UNASKED:
        warnings.filterwarnings("ignore", message=message)
