"""Programs: those of a compiled model, kept from one run to the next, and when it is worth to make one."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from labkeras.nest import map_structure
from labkeras.training.compilation.inductor import made_program
from labkeras.training.compilation.recording import record, values_kept
from labkeras.training.compilation.stages import Stage

__all__ = ["Program", "Programs", "Table"]

# A program takes seconds to make, and may save a millisecond a step. What all batches but the last of an epoch look
# like is worth one at once; anything else when it has come this often.
_SIGHTINGS = 16
# Of one state of the model: programs beyond that are not made. Batches of ever new sizes would fill the memory.
_MOST = 16
# How many states of a model keep their programs: trained, evaluated, with some layers frozen, …
_STATES = 12


class Program:
    """A stage of a step for batches of one kind, compiled.

    Args:
        stage: what is in the program, and around it.
        batch: (x, y, weight): a batch of that kind.
        leaves: its tensors.
        modules: the modules that run.

    Raises:
        NotRecordableError: if the stage does what no graph of operations can hold. What inductor raises comes as it is.
    """

    def __init__(
        self, stage: Stage, batch: tuple[Any, Any, Any], leaves: Sequence[Tensor], modules: Sequence[torch.nn.Module]
    ) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            recording = record(lambda tensors: stage.record(*_with(batch, tensors)), stage.state(), leaves, modules)
            self._tensors = recording.tensors
            self._uses = [place for place, used in enumerate(recording.uses) if used]
            examples = [leaf.clone() for leaf in self._used(leaves)]
            self._run = made_program(recording.graph, [*self._tensors, *examples])
            stage.begin()
            # What inductor makes can fail when it runs; that must not be in the middle of a step.
            with torch.no_grad(), values_kept(self._tensors):
                self._run(*self._tensors, *examples)
        self._stage = stage

    def __call__(self, batch: tuple[Any, Any, Any], leaves: Sequence[Tensor]) -> Any:
        """Runs the step on a batch."""
        stage = self._stage
        stage.begin()
        autograd = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)  # `torch.no_grad` costs 1.5 µs more
        try:
            results = self._run(*self._tensors, *self._used(leaves))
        finally:
            torch._C._set_grad_enabled(autograd)
        return stage.end(results, *batch)

    def _used(self, leaves: Sequence[Tensor]) -> Sequence[Tensor]:
        return leaves if len(leaves) == len(self._uses) else [leaves[place] for place in self._uses]


@dataclass(slots=True, eq=False)
class Table:
    """The programs for one state of a model.

    Args:
        held: the objects whose identities the state is described by.
        programs: by kind of batch.
        seen: how often a kind came that has no program.
        refused: why there is no program, and will be none.
    """

    held: list[Any]
    programs: dict[Hashable, Program] = field(default_factory=dict)
    seen: dict[Hashable, int] = field(default_factory=dict)
    refused: str | None = None

    def is_worth_one(self, key: Hashable) -> bool:
        """Whether to make a program for a kind of batch that came now."""
        if self.refused is not None or len(self.programs) >= _MOST:
            return False
        if not self.programs:
            return True
        if len(self.seen) > 1000:  # kinds that never come again
            self.seen.clear()
        self.seen[key] = self.seen.get(key, 0) + 1
        return self.seen[key] >= _SIGHTINGS


class Programs:
    """The programs of a compiled model. A copy of the model, or one from a file, begins with none.

    Attributes:
        said: the last reason for making none that the user was told.
        began: whether a model's own `train_step` has run, which may have made what it needs.
    """

    def __init__(self) -> None:
        self.said: str | None = None
        self.began = False
        self._tables: OrderedDict[Hashable, Table] = OrderedDict()

    def table(self, state: Hashable, held: list[Any]) -> Table:
        """The table for a state of the model.

        Args:
            state: describes it, by the identities of objects.
            held: those objects; while they are held, nothing else can have their identities.
        """
        table = self._tables.get(state)
        if table is None:
            table = self._tables[state] = Table(held)
            if len(self._tables) > _STATES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(state)
        return table

    def __deepcopy__(self, memo: dict[int, Any]) -> "Programs":
        return Programs()

    def __reduce__(self) -> Any:
        return Programs, ()


def _with(batch: tuple[Any, Any, Any], tensors: Sequence[Tensor]) -> Any:
    """A batch with other tensors in the places of its own."""
    values = iter(tensors)
    return map_structure(lambda leaf: next(values) if isinstance(leaf, Tensor) else leaf, list(batch))
