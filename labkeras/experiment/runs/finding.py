"""Learning rates and batch sizes to begin with, found by trying a few steps of each; nothing of it stays."""

import math
import multiprocessing
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from labkeras import nest
from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.random_state import random_state, set_random_state
from labkeras.errors import ConfigError, DataError, LabkerasError, NonFiniteLossError
from labkeras.experiment.runs.compiling import compiled_model, given
from labkeras.experiment.runs.data import RunData, load_data
from labkeras.experiment.runs.failures import failure_of
from labkeras.experiment.runs.trained import on_one_device
from labkeras.random import set_random_seed

__all__ = ["BatchSizes", "LearningRates", "Probe", "find_batch_size", "find_learning_rate"]

_MEMORY = 0.9  # of the running mean of the loss, by which is seen when it rises
_DIVERGED = 3.0  # times the first loss, above the lowest
_LEFT_OUT = 5  # first steps, whose slopes say little
_WARM_UP, _TIMED = 2, 5


@dataclass(frozen=True)
class LearningRates:
    """A range test.

    Args:
        rates: that were tried, rising.
        losses: of the batch at each, before the step; averaged with those beside it.
        suggestion: where the loss fell fastest; None if it fell by no more than those of batches differ anyway.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float | None


@dataclass(frozen=True)
class Probe:
    """How training went with one batch size.

    Args:
        batch_size: samples in a batch.
        samples_per_second: how many are trained on; None if it did not fit.
        memory: bytes at the peak: of the accelerator, or of the process; None if it did not fit.
    """

    batch_size: int
    samples_per_second: float | None
    memory: int | None


@dataclass(frozen=True)
class BatchSizes:
    """What batch sizes cost.

    Args:
        probes: in the order of the sizes; the last one did not fit, or was the largest that was to be tried.
        suggestion: the smallest size that is nearly as fast as the fastest; None if none fitted.
        largest: the largest that fitted.
    """

    probes: list[Probe]
    suggestion: int | None
    largest: int | None


def find_learning_rate(
    config: Mapping[str, Any], *, low: float = 1e-6, high: float = 10.0, steps: int = 100
) -> LearningRates:
    """Trains a few steps, with a learning rate that rises by a constant factor from each to the next.

    It ends before `steps` when the loss has risen far above the first one. Random generators are afterwards where they
    were, and nothing is written.

    Args:
        config: a whole config, checked.
        low, high: the first and the last learning rate.
        steps: how many, at least 20.

    Raises:
        ConfigError: for another range, or if the optimizer has no learning rate.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3.

    Example:
        >>> find_learning_rate(checked(compose(["experiment=digits_mlp"]))).suggestion
        0.003
    """
    if not 0 < low < high or steps < 20:
        raise ConfigError([f"expected 0 < low < high and at least 20 steps. Received: {low=}, {high=}, {steps=}"])
    optimizer = {**config["optimizer"]}
    if "learning_rate" not in optimizer:
        raise ConfigError([f"optimizer: {optimizer.get('optimizer')!r} has no learning rate to find"])
    optimizer["learning_rate"] = low  # whatever schedule there was
    step_by_step = {**(config.get("compile") or {}), "steps_per_execution": 1}
    sweep = _RisingRate(low, (high / low) ** (1 / (steps - 1)), steps)
    before = random_state()
    try:
        set_random_seed(int(config.get("seed") or 0))
        _train({**config, "optimizer": optimizer, "compile": step_by_step}, sweep, steps)
    finally:
        set_random_state(before)
    losses = _smoothed(sweep.losses)
    return LearningRates(sweep.rates, losses, _steepest(sweep.rates, losses) if _falls(sweep.losses, losses) else None)


def find_batch_size(config: Mapping[str, Any], *, low: int = 1, high: int | None = None) -> BatchSizes:
    """Trains a few steps with one batch size after the other, each twice the last, in a process of its own.

    Args:
        config: a whole config, checked.
        low: the first size.
        high: the largest; as many samples as there are to train on unless given.

    Raises:
        ConfigError: for another range.
        DataError: if the data is no arrays, which alone can be put into batches of any size.

    Example:
        >>> find_batch_size(checked(compose(["experiment=digits_mlp"])), high=256).largest
        256
    """
    if low < 1 or (high is not None and high < low):
        raise ConfigError([f"expected 1 <= low <= high. Received: {low=}, {high=}"])
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    # What takes more memory than there is may end the process that tries it.
    process = context.Process(target=_try_sizes, args=(dict(config), low, high, theirs), daemon=True)
    process.start()
    theirs.close()
    probes: list[Probe] = []
    tried: int | None = None
    try:
        while True:
            said = ours.recv()
            if isinstance(said, _Failure):
                raise ConfigError(list(said.faults)) if said.faults else LabkerasError(said.text)
            if isinstance(said, Probe):
                probes.append(said)
            tried = said if isinstance(said, int) else None
    except EOFError:
        pass
    finally:
        process.join(10)
        process.kill()
    if process.exitcode not in (0, -signal.SIGKILL):  # what the system does to who takes too much memory
        raise LabkerasError(f"training with batches of {tried} ended its process: exit code {process.exitcode}")
    if tried is not None:
        probes.append(Probe(tried, None, None))
    fitted = [probe for probe in probes if probe.samples_per_second is not None]
    fastest = max((probe.samples_per_second or 0.0 for probe in fitted), default=0.0)
    good = [probe.batch_size for probe in fitted if (probe.samples_per_second or 0.0) >= 0.9 * fastest]
    return BatchSizes(probes, min(good, default=None), max((probe.batch_size for probe in fitted), default=None))


# --- learning rate --------------------------------------------------------------------------------------------------


def _train(config: Mapping[str, Any], sweep: "_RisingRate", steps: int) -> None:
    model = compiled_model(config)
    data = load_data(config["data"])
    wanted = {"validation_split": 0, "epochs": steps, "verbose": 0, "validation_steps": None, "steps_per_epoch": None}
    arguments = data.fit_arguments(given({**config["fit"], **wanted, "initial_epoch": 0}))
    arguments["validation_freq"] = steps + 1  # never
    trainer = given(on_one_device(config.get("trainer"))) or None
    with suppress(NonFiniteLossError):  # what the range test is looking for
        model.fit(data.x, data.y, callbacks=[sweep], trainer=trainer, **arguments)


class _RisingRate(Callback):
    """Raises the learning rate after each batch, and notes the loss."""

    def __init__(self, low: float, factor: float, steps: int) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._rate = low
        self._factor = factor
        self._steps = steps
        self._mean = 0.0
        self._lowest = math.inf

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.model.reset_metrics()  # so that the logs are those of this batch alone
        self.model.optimizer.learning_rate = self._rate

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):  # on an accelerator the loss is looked at some steps late
            self.model.stop_training = True
            return
        self.rates.append(self._rate)
        self.losses.append(loss)
        self._rate *= self._factor
        self._mean = _MEMORY * self._mean + (1 - _MEMORY) * loss
        mean = self._mean / (1 - _MEMORY ** len(self.losses))
        self._lowest = min(self._lowest, mean)
        risen = mean - self._lowest > _DIVERGED * max(abs(self.losses[0]), 1e-12)
        if len(self.rates) >= self._steps or risen:
            self.model.stop_training = True


def _smoothed(losses: Sequence[float]) -> list[float]:
    """Means with neighbours on both sides, the nearer ones counting more.

    A running mean would lag ten steps behind, in which the learning rate grows fourfold.
    """
    weights = np.bartlett(2 * max(1, len(losses) // 20) + 3)[1:-1]
    if len(losses) < len(weights):
        return list(losses)
    inside = np.convolve(np.ones(len(losses)), weights, mode="same")
    smoothed: list[float] = (np.convolve(losses, weights, mode="same") / inside).tolist()
    return smoothed


def _falls(losses: Sequence[float], smoothed: Sequence[float]) -> bool:
    """Whether the loss falls by more than those of batches differ anyway."""
    if not losses:
        return False
    lowest = int(np.argmin(smoothed))
    noise = float(np.std(np.asarray(losses[: lowest + 1]) - np.asarray(smoothed[: lowest + 1])))
    return smoothed[0] - smoothed[lowest] > 2 * noise


def _steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Where the loss falls fastest with the logarithm of the learning rate."""
    if len(rates) < 3 * _LEFT_OUT:
        return None
    end = max(int(np.argmin(losses)), _LEFT_OUT) + 1  # what falls after the lowest has risen before
    slopes = np.gradient(np.asarray(losses), np.log(np.asarray(rates)))[_LEFT_OUT:end]
    at = int(slopes.argmin())
    return float(rates[_LEFT_OUT + at]) if slopes[at] < 0 else None


# --- batch size -----------------------------------------------------------------------------------------------------


def _try_sizes(config: dict[str, Any], low: int, high: int | None, answers: Connection) -> None:
    """Says each size before it is tried, and how it went; runs in a process of its own."""
    try:
        data = load_data(config["data"])
        if not data.is_arrays:
            raise DataError(
                f"batch sizes are tried on arrays; this data makes its own batches. Received: a {type(data.x).__name__}"
            )
        rows = len(nest.flatten(data.x)[0])
        for size in _sizes(low, min(high or rows, rows)):
            answers.send(size)
            answers.send(_probe(config, data, size))
    except Exception as error:
        failure = failure_of(error)
        if failure["kind"] != "out_of_memory":  # then the size that was said last did not fit
            answers.send(_Failure(failure["error"], error.faults if isinstance(error, ConfigError) else ()))


@dataclass(frozen=True)
class _Failure:
    """An error, in words: not all errors come whole out of another process."""

    text: str
    faults: tuple[str, ...]


def _sizes(low: int, high: int) -> Iterator[int]:
    size = low
    while size <= high:
        yield size
        size *= 2


def _probe(config: Mapping[str, Any], data: RunData, size: int) -> Probe:
    set_random_seed(0)
    model = compiled_model(config)
    accelerator = torch.accelerator.current_accelerator() if torch.cuda.is_available() else None
    if accelerator is not None:
        model.to(accelerator)
        torch.cuda.reset_peak_memory_stats()
    batch = data.some(size)
    for _ in range(_WARM_UP):
        model.train_on_batch(batch.x, batch.y)
    start = time.perf_counter()
    for _ in range(_TIMED):
        model.train_on_batch(batch.x, batch.y)
    seconds = (time.perf_counter() - start) / _TIMED
    return Probe(size, size / seconds, _peak_memory())


def _peak_memory() -> int | None:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
