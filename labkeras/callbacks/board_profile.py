"""StepProfiler: the batches that `profile_batch` names, under torch's profiler, for a TensorBoard."""

import os
import socket
import time
import warnings
from typing import TYPE_CHECKING, Any

from torch._C._autograd import _profiler_enabled

from labkeras.callbacks.layer_profile import LayerProfile
from labkeras.errors import InvalidArgumentError

if TYPE_CHECKING:
    from labkeras.callbacks.tensorboard import TensorBoard

__all__ = ["StepProfiler", "batches_to_profile"]


def batches_to_profile(profile_batch: Any) -> tuple[int, int] | None:
    """The first and the last batch to profile, counted from 1; None for none.

    Args:
        profile_batch: 0, the number of a batch, or two of them, as a pair or as "10,20".

    Raises:
        InvalidArgumentError: for anything else.
    """
    given = profile_batch
    if isinstance(given, str):
        words = given.split(",")
        given = tuple(int(word) for word in words) if all(word.strip().isdecimal() for word in words) else None
        given = given[0] if given is not None and len(given) == 1 else given
    if _is_count(given):
        return (given, given) if given > 0 else None
    if isinstance(given, tuple | list) and len(given) == 2 and all(map(_is_count, given)) and 0 < given[0] <= given[1]:
        return given[0], given[1]
    raise InvalidArgumentError(
        "`profile_batch` must be the number of a batch, counted from 1, or the first and the last of several, such as "
        f"(10, 20) or '10,20'; 0 for none. Received: profile_batch={profile_batch!r}"
    )


class StepProfiler:
    """Profiles some batches of training, and writes the trace and a table of what each layer took.

    The trace is in `plugins/profile` beside the event files, where TensorBoard's profile plugins look; Perfetto opens
    it too.

    Args:
        board: where to write.
        first: the first batch, counted from 1.
        last: the last one.
    """

    def __init__(self, board: "TensorBoard", first: int, last: int) -> None:
        self._board = board
        self._first, self._last = first, last
        self._profile: LayerProfile | None = None

    def begin_batch(self, number: int) -> None:
        """Called before a batch, with its number, counted from 1."""
        if number == self._first:
            self._profile = _started(self._board.model)
        if self._profile is not None:
            self._profile.begin_step()

    def end_batch(self, number: int) -> None:
        """Called after it."""
        if self._profile is not None:
            self._profile.end_step()
            if number >= self._last:
                self.finish(number)

    def finish(self, number: int) -> None:
        """Writes what there is, of batches up to a number; nothing if no batch was profiled."""
        seen, self._profile = self._profile, None
        if seen is None:
            return
        seen.stop()
        seen.export(os.path.join(self._folder(), f"{socket.gethostname()}_{os.getpid()}.pt.trace.json.gz"))
        header = ["layer", "calls a step", "ms a step", "share"]
        rows = [
            [row["layer"], str(row["calls"]), f"{row['milliseconds']:.4f}", f"{row['share']:.1%}"] for row in seen.rows
        ]
        self._board.add_text("profile/layers", [header, *rows], number)

    def abandon(self) -> None:
        """Stops without writing."""
        seen, self._profile = self._profile, None
        if seen is not None:
            seen.stop()

    def _folder(self) -> str:
        # The name of a profile in TensorBoard is that of its folder.
        name = time.strftime("%Y_%m_%d_%H_%M_%S")
        folder = os.path.join(self._board.log_dir, "train", "plugins", "profile", name)
        os.makedirs(folder, exist_ok=True)
        return folder


def _started(model: Any) -> LayerProfile | None:
    if _profiler_enabled():
        # Starting a second one would end the first.
        warnings.warn("TensorBoard gets no profile, as a profiler of torch's runs already.", stacklevel=2)
        return None
    profile = LayerProfile(model)
    profile.start()
    return profile


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
