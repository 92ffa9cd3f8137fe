"""Which point is tried next: all of a grid in order, by chance, evenly, or learned from what was tried."""

import importlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from labkeras.experiment.sweeps.ledger import TrialRecord
from labkeras.experiment.sweeps.options import SweeperOptions
from labkeras.experiment.sweeps.space import Space, point_key

if TYPE_CHECKING:
    from labkeras.experiment.sweeps.study import Study, StudyTrial

__all__ = ["Chooser", "chosen_sampler", "needs_study"]

_LEARNING = ("tpe", "gp", "cmaes", "nsga2")
_MOST_REFUSALS = 1000
_MOST_LEARNED_REFUSALS = 50


def chosen_sampler(sampler: str, space: Space) -> str:
    """The sampler that "auto" stands for: grid if all points can be counted out, otherwise tpe."""
    if sampler != "auto":
        return sampler
    return "grid" if space.is_discrete else "tpe"


def needs_study(options: SweeperOptions) -> bool:
    """Whether Optuna is needed: by the sampler, which is not "auto" any more, or by the pruner."""
    return options.sampler in _LEARNING or options.pruner != "none"


class _Source(Protocol):
    def draw(self) -> tuple[dict[str, Any] | None, "StudyTrial | None"]:
        """A point, new or not; None if there are no more."""


class Chooser:
    """Chooses points, none of them twice.

    Args:
        space: of the sweep.
        options: its sampler is not "auto" any more.
        seed: of the sweep.
        tried: all trials so far, waiting ones too.
        study: Optuna's, if it is needed.
    """

    def __init__(
        self,
        space: Space,
        options: SweeperOptions,
        seed: int,
        tried: Sequence[TrialRecord] = (),
        study: "Study | None" = None,
    ) -> None:
        self._space = space
        self._study = study
        self._seen = {point_key(record.params) for record in tried}
        self._size = space.size()
        self._generator = random.Random(f"{seed} {len(tried)}")
        self._source = _source(space, options, seed, len(tried), study)
        self._refusals = _MOST_LEARNED_REFUSALS if options.sampler in _LEARNING else _MOST_REFUSALS

    def next(self) -> tuple[dict[str, Any], "StudyTrial | None"] | None:
        """A point that was not tried, and Optuna's trial for it if there is a study; None if there are no more."""
        if self._size is not None and len(self._seen) >= self._size:
            return None
        for _ in range(self._refusals):
            params, trial = self._source.draw()
            if params is None:
                return None
            if self._is_new(params):
                return params, trial or self._adopted(params)
            if trial is not None and self._study is not None:
                self._study.refuse(trial)
        return self._any_new()

    def _is_new(self, params: Mapping[str, Any]) -> bool:
        key = point_key(params)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _any_new(self) -> tuple[dict[str, Any], "StudyTrial | None"] | None:
        """The sampler comes back to what is known: a point by chance, and if that fails the first that is left."""
        for _ in range(_MOST_REFUSALS):
            params = self._space.walk(lambda axis: axis.draw(self._generator))
            if self._is_new(params):
                return params, self._adopted(params)
        for params in self._space.points() if self._space.is_discrete else ():
            if self._is_new(params):
                return params, self._adopted(params)
        return None

    def _adopted(self, params: Mapping[str, Any]) -> "StudyTrial | None":
        return None if self._study is None else self._study.adopt(params)


def _source(space: Space, options: SweeperOptions, seed: int, count: int, study: "Study | None") -> _Source:
    if options.sampler == "grid":
        return _Grid(space.points())
    if options.sampler == "random":
        return _Random(space, seed, count)
    if options.sampler == "sobol":
        return _Sobol(space, seed, count, bool(options.options.get("scramble", True)))
    assert study is not None
    return _Learned(study)


@dataclass
class _Grid:
    points: Iterator[dict[str, Any]]

    def draw(self) -> tuple[dict[str, Any] | None, None]:
        return next(self.points, None), None


class _Random:
    """The same points whether or not the sweep was interrupted: each draw has a seed of its own."""

    def __init__(self, space: Space, seed: int, count: int) -> None:
        self._space, self._seed, self._count = space, seed, count

    def draw(self) -> tuple[dict[str, Any], None]:
        generator = random.Random(f"{self._seed} draw {self._count}")
        self._count += 1
        return self._space.walk(lambda axis: axis.draw(generator)), None


class _Sobol:
    """Points that fill the space evenly (Sobol 1967), scrambled (Owen 1998): the axes are the sides of a cube."""

    def __init__(self, space: Space, seed: int, count: int, scramble: bool) -> None:
        qmc = importlib.import_module("scipy.stats").qmc  # by name: it takes half a second, and a grid does without
        self._space = space
        self._engine = qmc.Sobol(max(len(space.axes), 1), scramble=scramble, seed=seed)
        if count:
            self._engine.fast_forward(count)

    def draw(self) -> tuple[dict[str, Any], None]:
        sides = dict(zip((axis.name for axis in self._space.axes), self._engine.random(1)[0], strict=False))
        return self._space.walk(lambda axis: axis.at(float(sides[axis.name]))), None


@dataclass
class _Learned:
    study: "Study"

    def draw(self) -> tuple[dict[str, Any], "StudyTrial"]:
        return self.study.propose()
